"""The plugin contract: one request (`Exchange`), what a plugin is, and the typed facts that plugins share.

Read `plugin.py` first, then `exchange.py`, `facts.py` and `routes.py`. This package knows no HTTP server, no
Prometheus, no command line and no BentoML.
"""
