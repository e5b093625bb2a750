"""Schema of the value `prometheusRule.thresholds`: a number for each threshold of the alert rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from helm.values.documented import CHART

RULES = CHART / "files/rules/thresholds.yaml"
PREFIX = "governance:threshold:"


def threshold_names() -> list[str]:
    """Return the names of the recorded thresholds, without their common prefix."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule["record"].removeprefix(PREFIX) for group in groups for rule in group["rules"]]


# 0 would make an alert fire at all times.
THRESHOLDS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {name: {"type": "number", "exclusiveMinimum": 0} for name in threshold_names()},
}
