"""Prometheus: its configuration, the tests of the alert rules, and the runbook as a page.

`rules.py` reads the rules from the Helm chart. `cases/` describes when each alert must and must not fire; `make
generate` writes it to `tests/` for promtool. `runbook.py` turns `deploy/RUNBOOK.md` into `pages/RUNBOOK.html`.
"""
