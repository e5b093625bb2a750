"""Copies the version of the distribution into the Helm chart, which is released with it."""

from __future__ import annotations

import re
from pathlib import Path

from governance import __version__

CHART = Path("helm/bento-governance/Chart.yaml")


def with_version(chart: str, version: str) -> str:
    """Return the text of a Chart.yaml with this version of the distribution, and the same as a version of the chart.

    Helm reads Semantic Versioning: `0.2.0.dev1` and `0.2.0rc1` become `0.2.0-dev.1` and `0.2.0-rc.1`.
    """
    chart_version = re.sub(r"^(\d+\.\d+\.\d+)\.?([a-z]+)(\d+)$", r"\1-\2.\3", version)
    chart = re.sub(r"^version: .*$", f"version: {chart_version}", chart, flags=re.MULTILINE)
    return re.sub(r"^appVersion: .*$", f'appVersion: "{version}"', chart, flags=re.MULTILINE)


def files() -> dict[Path, str]:
    """Return the chart's description as it should be."""
    return {CHART: with_version((Path(__file__).resolve().parents[1] / CHART).read_text(), __version__)}
