"""The status page: models, traffic, refusals, drift and the audit log, for operators without Grafana.

Read `server.py` (routes), `document.py` (the page's data), `numbers.py` (samples of a scrape), `attention.py` (problems
that need an operator). `page/` has the static files. It must not know plugins: it reads the samples that they show.
"""
