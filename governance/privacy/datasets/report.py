"""Reports: what was found, done or measured, as a JSON document and as an HTML page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from governance.errors import ConfigurationError
from governance.privacy.datasets.anonymize import AnonymizeResult, GeneralisationPlan
from governance.privacy.datasets.findings import ColumnCounts, FindingCounts
from governance.privacy.datasets.formats.output import complete_or_absent
from governance.privacy.datasets.measure import RiskResult
from governance.privacy.datasets.risk.measures import AT_RISK, Risk
from governance.privacy.datasets.scan import ScanResult

TEMPLATE = Path(__file__).with_name("report.html.jinja")
# A column with findings in at least this share of its rows is personal data; below, it is text with some in it.
MOST = 0.5
# Below this mean confidence a finding is as likely something else.
UNSURE = 0.6
# An operator for a column of each entity that keeps most of its use.
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
    """A report; parts that were not asked for are None or empty.

    Attributes:
        title: What it is about.
        file: Name of the file.
        format: Its format.
        rows: Number of its rows.
        sampled: Number of the rows that were searched; None for all.
        columns: Findings by column and entity, with masked samples.
        risk: Re-identification risk.
        generalised: The levels that reach k-anonymity, and their cost.
        notes: Sentences on the file.
        next: Sentences on what to do next.
    """

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
        """Return the report in JSON's types."""
        return asdict(self)

    def page(self) -> str:
        """Return the report as one HTML page without other files.

        Raises:
            ConfigurationError: If Jinja is not installed.
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
        raise ConfigurationError("HTML reports need a package: pip install 'bento-governance[datasets]'") from None
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def scan_report(result: ScanResult) -> Report:
    """Return the report on a scan.

    Args:
        result: What `scan_file` returned.
    """
    columns = _columns(result.counts)
    return Report(
        "Personal data found",
        result.file,
        result.format,
        result.rows,
        result.counts.rows if result.is_sample else None,
        columns,
        None if result.risk is None else risk_document(result.risk),
        notes=result.notes,
        next=_advice(columns, result.risk),
    )


def anonymize_report(result: AnonymizeResult) -> Report:
    """Return the report on an anonymized file.

    Args:
        result: What `anonymize_file` returned.
    """
    return Report(
        "What was anonymized",
        result.file,
        result.format,
        result.counts.rows,
        columns=_columns(result.counts),
        risk=None if result.risk is None else risk_document(result.risk),
        generalised=None if result.plan is None else _generalised(result.plan),
        notes=result.notes,
        next=["Scan the output, and read a sample of it: what was not found is still there."],
    )


def risk_report(result: RiskResult) -> Report:
    """Return the report on the risk of a file.

    Args:
        result: What `measure_file` returned.
    """
    risk = result.risk
    fine = "Ask whether others may know more than these quasi-identifiers, and measure again with what they may know."
    return Report(
        "How likely is a person re-identified?",
        result.file,
        result.format,
        risk.rows,
        risk=risk_document(risk),
        notes=result.notes,
        next=_advice({}, risk) if risk.k < 5 or risk.sensitive else [fine],
    )


def verify_report_path(path: Path, *, force: bool) -> None:
    """Refuse a report that could not be written, before a long run.

    Args:
        path: The file.
        force: Whether an existing file is replaced.

    Raises:
        ConfigurationError: If the suffix is not `.json` or `.html`, or the file exists and must not be replaced.
    """
    if path.suffix not in (".json", ".html"):
        raise ConfigurationError(f"a report is FILE.json or FILE.html, not {path}")
    if path.exists() and not force:
        raise ConfigurationError(f"{path} exists already: name another file, or use --force to replace it")


def write_report(report: Report, path: Path, *, force: bool = False) -> None:
    """Write a report as its path's suffix says: `.html` a page, `.json` a document.

    Args:
        report: The report.
        path: The file; it appears when it is complete.
        force: Whether an existing file is replaced.

    Raises:
        ConfigurationError: If the file cannot be written, or Jinja is not installed.
    """
    verify_report_path(path, force=force)
    text = report.page() if path.suffix == ".html" else json.dumps(report.document(), indent=2) + "\n"
    with complete_or_absent(path, force=force) as file:
        file.write(text.encode())


def risk_document(risk: Risk) -> dict[str, Any]:
    """Return the measures in JSON's types; each bar of the histogram is an object."""
    document = asdict(risk)
    document["histogram"] = [
        {"least": least, "most": most, "classes": classes, "rows": rows}
        for least, most, classes, rows in risk.histogram
    ]
    return document


def _columns(counts: FindingCounts) -> dict[str, Any]:
    return {name: _column(column, counts.rows) for name, column in counts.columns.items()}


def _column(column: ColumnCounts, rows: int) -> dict[str, Any]:
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


def _generalised(plan: GeneralisationPlan) -> dict[str, Any]:
    chosen, target = plan.chosen, plan.target
    return {
        "k": target.k,
        "l": target.l,
        "max_suppression": target.max_suppression,
        "levels": {name: level.name for name, level in zip(plan.names, chosen.levels, strict=True)},
        "rows_suppressed": plan.suppressed,
        "rows": len(chosen.kept),
        "loss": round(chosen.loss, 4),
        "discernibility": chosen.discernibility,
        "combinations": chosen.nodes,
        "tested": chosen.tested,
    }


def _advice(columns: Mapping[str, Any], risk: Risk | None) -> list[str]:
    """Return sentences on what to do next."""
    advice = [_column_advice(name, column) for name, column in columns.items() if column["entities"]]
    if risk is not None:
        if risk.k < 5:
            advice.append(
                f"The smallest class has {risk.k} row{'s' if risk.k > 1 else ''}: generalise with "
                f"privacy anonymize --k 5 --quasi {','.join(risk.quasi)}, or leave out a quasi-identifier."
            )
        advice += [
            f"{item.homogeneous:.1%} of the rows are in classes with only one value of '{item.column}': "
            "the class of a person discloses the value. Use --l 2 or more."
            for item in risk.sensitive
            if item.homogeneous
        ]
    return advice or ["Nothing was found. Let a person read a sample to confirm that."]


def _column_advice(name: str, column: Mapping[str, Any]) -> str:
    entity = next(iter(column["entities"]))
    if column["entities"][entity]["score_mean"] < UNSURE:
        return (
            f"'{name}' may hold {entity}, with low confidence: look at it. If it is something else, use "
            f"--column {name}=keep."
        )
    if column["share"] >= MOST:
        fitting = FITTING.get(entity, "drop, or hash with --key")
        return f"'{name}' holds {entity} in most rows: give the column an operator: {fitting}."
    return f"'{name}' holds {entity} in some rows: it is free text, which anonymize searches by default."
