"""Cases of targets: an instance that cannot be scraped, and no instance at all."""

from __future__ import annotations

from deploy.prometheus.cases.case import Case
from deploy.prometheus.cases.series import INSTANCE, series

UP = f"up{{{INSTANCE}}}"
OTHER_UP = 'up{job="digits",instance="a"}'
OTHER_INFO = 'governance_build_info{job="digits",instance="a",version="1"}'

CASES = (
    Case(
        "GovernanceTargetDown",
        {UP: "0x20"},
        {UP: "1x20"},
        1,
        2,
        labels={"instance": "a"},
        also_silent=({'up{job="node",instance="n"}': "0x20"},),
    ),
    # A job whose name does not contain "governance" counts if it has exposed our metrics before.
    Case(
        "GovernanceTargetDown",
        {OTHER_UP: "1x3 0x20", OTHER_INFO: "1x3"},
        {OTHER_UP: "1x3 0x20"},
        5,
        6,
        labels={"job": "digits", "instance": "a"},
    ),
    Case("GovernanceMetricsAbsent", {}, {series("build_info", 'version="1"'): "1x20"}, 4, 5, labels={"job": ""}),
)
