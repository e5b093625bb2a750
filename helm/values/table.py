"""Writes the table of values into the chart's README."""

from __future__ import annotations

import json

from helm.values.documented import Value

BEGIN = "<!-- values: generated from values.yaml by `make generate` -->"
END = "<!-- end of values -->"


def with_table(readme: str, values: list[Value]) -> str:
    """Return the README with the table of values between its two markers.

    Raises:
        ValueError: the README does not contain both markers.
    """
    if BEGIN not in readme or END not in readme:
        raise ValueError(f"the chart's README.md must contain the lines {BEGIN!r} and {END!r}")
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(values)}\n{END}{rest.partition(END)[2]}"


def table(values: list[Value]) -> str:
    """Return the Markdown table of values: path, default as JSON, description."""
    lines = ["| value | default | description |", "|---|---|---|"]
    for value in values:
        default = json.dumps(value.default, ensure_ascii=False)
        lines.append(f"| `{value.path}` | `{default}` | {value.description.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)
