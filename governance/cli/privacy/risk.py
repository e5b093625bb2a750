"""`privacy risk`: measures how likely persons in a table are re-identified."""

from __future__ import annotations

import json
from pathlib import Path

import click

from governance.cli.privacy.options import Names, ProgressBar, ReportOptions, reading, reporting, show_notes
from governance.privacy.datasets.formats.batch import ReadOptions
from governance.privacy.datasets.measure import RiskOptions, measure_file
from governance.privacy.datasets.report import risk_document, risk_report
from governance.privacy.datasets.risk.measures import Risk


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--quasi",
    type=Names(),
    required=True,
    help="Quasi-identifiers: columns that others may know about a person, such as age,zip,sex.",
)
@click.option(
    "--sensitive",
    type=Names(),
    default=(),
    help="Sensitive columns, whose values others must not learn, such as diagnosis.",
)
@click.option(
    "--population",
    type=click.Path(path_type=Path),
    help="Larger table that FILE is a part of, with the same quasi-identifiers: adds journalist risk and "
    "delta-presence.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reporting
@reading
def risk(
    file: Path,
    *,
    quasi: tuple[str, ...],
    sensitive: tuple[str, ...],
    population: Path | None,
    as_json: bool,
    reports: ReportOptions,
    read: ReadOptions,
) -> None:
    """Measure the re-identification risk of FILE, a table (CSV, Parquet, JSON lines).

    Prints k-anonymity and the risks of the quasi-identifiers, and l-diversity and t-closeness of the sensitive columns.

    \b
    Examples:
      bento-governance privacy risk patients.csv --quasi age,zip,sex \\
        --sensitive diagnosis --report risk.html
      bento-governance privacy risk study.parquet --quasi age,sex \\
        --population hospital.parquet
    """
    reports.verify()
    with ProgressBar() as progress:
        result = measure_file(file, RiskOptions(quasi, sensitive, population, read), progress)
    show_notes(result.notes)
    if as_json:
        click.echo(json.dumps(risk_document(result.risk)))
    else:
        _show(result.risk)
    reports.write(lambda: risk_report(result))


def _show(found: Risk) -> None:
    click.echo(f"{found.rows:,} rows in {found.classes:,} classes that are equal in {', '.join(found.quasi)}")
    click.echo(f"  k-anonymity          {found.k:,}")
    click.echo(f"  highest risk         {found.prosecutor_highest:.2%}  (prosecutor: a person known to be in it)")
    click.echo(f"  average risk         {found.marketer:.2%}  (marketer: all rows are guessed)")
    click.echo(f"  rows at risk         {found.at_risk:.2%}  (above 1 in 5)")
    click.echo(f"  unique rows          {found.unique:.2%}")
    if found.population is not None:
        there = found.population
        click.echo(f"  journalist           {there.journalist_highest:.2%} at most, {there.marketer:.2%} on average")
        click.echo(f"  delta-presence       {there.delta_lowest:.3f} to {there.delta_highest:.3f}")
    for item in found.sensitive:
        click.echo(
            f"  {item.column}: l = {item.distinct_l} (distinct), {item.entropy_l:.2f} (entropy), t = {item.t:.3f} "
            f"({item.distance} distance), {item.homogeneous:.2%} of rows disclosed"
        )
