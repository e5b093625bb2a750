"""Reads the alert rules, which are in the Helm chart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "helm/bento-governance/files/rules"


def rule_groups(file: Path) -> list[dict[str, Any]]:
    """Return the rule groups of one file, in their order."""
    groups: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    return groups


def all_rules() -> Iterator[dict[str, Any]]:
    """Yield every rule, recording rules included; `file` is the name of its file without the suffix."""
    for file in sorted(RULES.glob("*.yaml")):
        for group in rule_groups(file):
            for rule in group["rules"]:
                yield {**rule, "file": file.stem}


def alerts() -> dict[str, dict[str, Any]]:
    """Return every alerting rule by its alert's name."""
    return {rule["alert"]: rule for rule in all_rules() if "alert" in rule}
