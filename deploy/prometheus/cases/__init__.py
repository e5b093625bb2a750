"""When each alert must fire and when it must not, as one table; `make generate` writes promtool's test files from it.

Read `case.py` first (what a case is), then `series.py` (how scraped values are written), then one area, such as
`audit.py`. `promtool.py` writes the cases to `deploy/prometheus/tests/`. Run the tests with
`promtool test rules deploy/prometheus/tests/*.yaml`.
"""

from __future__ import annotations

from deploy.prometheus.cases import audit, capacity, expiry, models, privacy, security, slo, targets

CASES = (
    *slo.CASES,
    *security.CASES,
    *privacy.CASES,
    *audit.CASES,
    *capacity.CASES,
    *models.CASES,
    *expiry.CASES,
    *targets.CASES,
)
