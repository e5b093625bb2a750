"""The host: the only package that imports BentoML; it puts the gate in front of a service.

Read `governance.py` first, then `plugins.py`, `routes.py`, `servers.py`, `start.py`, `model.py`, `inner.py`,
`development.py`, `store.py`, `logs.py`, `errors.py`.
It must not decide anything that a plugin decides.
"""
