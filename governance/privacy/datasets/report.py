"""The report: what was found or done, and how risky the table is, as a document and as a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from governance.errors import ConfigurationError
from governance.privacy.datasets.findings import ColumnTally, Tally
from governance.privacy.datasets.risk.generalise import Generalised, Wanted
from governance.privacy.datasets.risk.risk import AT_RISK, Coded, Risk

TEMPLATE = Path(__file__).with_name("report.html.jinja")
# From this share of rows on, a column is personal data, and not a text in which some is.
MOST = 0.5
# Below this mean score it is as likely something else.
UNSURE = 0.6
# What leaves most of the use of a column that is personal data.
FITTING = MappingProxyType(
    {
        "AGE": "bucket:10, or name it in --quasi",
        "POSTAL_CODE": "truncate:3, or name it in --quasi",
        "DATE_TIME": "shift-date with --key, or name it in --quasi",
        "DATE_OF_BIRTH": "shift-date with --key, or name it in --quasi",
        "ORGANIZATION": "hash or surrogate with --key",
        "LOCATION": "hash or surrogate with --key, or name it in --quasi",
        "PERSON": "drop, or hash or surrogate with --key",
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """All parts of a report; those that were not asked for are None."""

    title: str
    file: str
    format: str
    rows: int
    sampled: int | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    risk: Mapping[str, Any] | None = None
    generalised: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()
    next: Sequence[str] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return asdict(self)

    def page(self) -> str:
        """Return it as a page of HTML that needs nothing else.

        Raises:
            ConfigurationError: if Jinja is not installed.
        """
        totals: dict[str, int] = {}
        for column in self.columns.values():
            for entity, row in column["entities"].items():
                totals[entity] = totals.get(entity, 0) + row["count"]
        ordered = sorted(totals.items(), key=lambda item: -item[1])
        return str(_template().render(report=self, totals=ordered, at_risk=AT_RISK, found=sum(totals.values())))


@lru_cache
def _template() -> Any:
    try:
        import jinja2
    except ImportError:
        raise ConfigurationError("pages need a package: pip install 'bento-governance[datasets]'") from None
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def columns_of(tally: Tally) -> dict[str, Any]:
    """Return what was found, by column and entity, the most frequent first; samples are masked."""
    return {name: _column(column, tally.rows) for name, column in tally.columns.items()}


def _column(column: ColumnTally, rows: int) -> dict[str, Any]:
    entities = sorted(column.entities.items(), key=lambda item: -item[1].count)
    return {
        "values": column.values,
        "rows_with": column.rows_with,
        "share": round(column.rows_with / max(rows, 1), 4),
        "entities": {
            name: {
                "count": entity.count,
                "rows": entity.rows,
                "share": round(entity.rows / max(rows, 1), 4),
                "score_mean": round(entity.score_sum / max(entity.count, 1), 3),
                "score_lowest": round(entity.lowest, 3),
                "samples": list(entity.samples),
            }
            for name, entity in entities
        },
    }


def risk_of(risk: Risk) -> dict[str, Any]:
    """Return the measures, with the histogram's bars by name."""
    document = asdict(risk)
    document["histogram"] = [
        {"least": least, "most": most, "classes": classes, "rows": rows}
        for least, most, classes, rows in risk.histogram
    ]
    return document


def generalised_of(done: Generalised, quasi: Sequence[Coded], wanted: Wanted) -> dict[str, Any]:
    """Return what was chosen, and what it cost."""
    return {
        "k": wanted.k,
        "l": wanted.l,
        "max_suppression": wanted.max_suppression,
        "levels": {column.name: level.name for column, level in zip(quasi, done.levels, strict=True)},
        "rows_suppressed": int((~done.kept).sum()),
        "rows": len(done.kept),
        "loss": round(done.loss, 4),
        "discernibility": done.discernibility,
        "combinations": done.nodes,
        "tested": done.tested,
    }


def advice(columns: Mapping[str, Any], risk: Risk | None) -> list[str]:
    """Return what to do next, in sentences."""
    said = []
    for name, column in columns.items():
        if not column["entities"]:
            continue
        entity = next(iter(column["entities"]))
        found = column["entities"][entity]
        if found["score_mean"] < UNSURE:
            said.append(
                f"'{name}' may hold {entity}, which is not sure: look at it; if it is none, --column {name}=keep."
            )
        elif column["share"] >= MOST:
            fitting = FITTING.get(entity, "drop, or hash with --key")
            said.append(f"'{name}' holds {entity} in most rows: give the column an operator: {fitting}.")
        else:
            said.append(f"'{name}' holds {entity} in some rows: it is free text, which anonymize searches by itself.")
    if risk is not None:
        if risk.k < 5:
            said.append(
                f"The smallest class has {risk.k} row{'s' if risk.k > 1 else ''}: generalise with "
                f"privacy anonymize --k 5 --quasi {','.join(risk.quasi)}, or leave out a quasi-identifier."
            )
        said += [
            f"{item.homogeneous:.1%} of the rows are in classes with one value of '{item.column}': who knows the class "
            "knows the value; ask for --l 2 or more."
            for item in risk.sensitive
            if item.homogeneous
        ]
    return said or ["Nothing was found. A sample read by a person tells whether that is so."]
