"""Generates what follows from the chart's `values.yaml`: the closed schema, and the table of values in its README.

Read `documented.py` first (comments of values.yaml as data), then `types.py` (types that a default does not show), then
`schema.py` and `table.py`. `settings.py` alone knows the sections of governance.toml, from `governance.settings`.
"""

from __future__ import annotations

import json

from helm.values.documented import CHART, ROOT, documented_values
from helm.values.schema import values_schema
from helm.values.table import with_table


def files() -> dict[str, str]:
    """Return the texts of values.schema.json and README.md by their paths relative to the repository's root."""
    values = documented_values((CHART / "values.yaml").read_text(encoding="utf-8"))
    chart = CHART.relative_to(ROOT)
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    return {
        f"{chart}/values.schema.json": json.dumps(values_schema(values), indent=2, ensure_ascii=False) + "\n",
        f"{chart}/README.md": with_table(readme, values),
    }
