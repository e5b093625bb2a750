"""The host: the only package that imports BentoML; it puts the gate in front of a service.

Read `governance.py` first, then `plugins.py`, `routes.py`, `servers.py`, `model.py`, `inner.py`, `store.py`, `logs.py`.
It must not decide anything that a plugin decides.
"""
