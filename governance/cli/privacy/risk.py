"""`privacy risk`: how likely somebody in a table is found again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from governance.cli.privacy import options
from governance.errors import ConfigurationError
from governance.privacy.datasets import report as reports
from governance.privacy.datasets.formats.batch import Asked
from governance.privacy.datasets.formats.choose import format_of
from governance.privacy.datasets.risk.risk import Risk, encode, measure
from governance.privacy.datasets.scan import verified_columns


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--quasi",
    type=options.Names(),
    required=True,
    help="Quasi-identifiers: columns that others may know about a person, such as age,zip,sex.",
)
@click.option(
    "--sensitive",
    type=options.Names(),
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
@options.reporting
@options.reading
def risk(
    file: Path,
    quasi: tuple[str, ...],
    sensitive: tuple[str, ...],
    population: Path | None,
    as_json: bool,
    report_paths: tuple[Path, ...],
    force: bool,
    kind: str | None,
    encoding: str | None,
    delimiter: str | None,
    no_header: bool,
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
    options.verified_reports(report_paths, force=force)
    asked = options.asked_of(encoding, delimiter, no_header)
    found = measured(file, kind, asked, quasi, sensitive, population)
    if as_json:
        click.echo(json.dumps(reports.risk_of(found)))
    else:
        show(found)
    _write(report_paths, found, file, kind, force=force)


def _write(paths: tuple[Path, ...], found: Risk, file: Path, kind: str | None, *, force: bool) -> None:
    if paths:
        report = reports.Report(
            "How likely is somebody found again?",
            file.name,
            kind or format_of(file, None),
            found.rows,
            risk=reports.risk_of(found),
            next=reports.advice({}, found) if found.k < 5 or found.sensitive else [FINE],
        )
        options.write_reports(report, paths, force=force)


FINE = "Ask whether somebody may know more than these quasi-identifiers, and measure again with those."


def measured(
    file: Path,
    kind: str | None,
    asked: Asked,
    quasi: tuple[str, ...],
    sensitive: tuple[str, ...],
    population: Path | None,
) -> Risk:
    """Read the columns of a file and measure them.

    Raises:
        ConfigurationError: if a column is named twice, or the file has no columns.
        BadRequestError: if the file has no such column.
    """
    if twice := [name for name in quasi if quasi.count(name) > 1 or name in sensitive]:
        raise ConfigurationError(f"'{twice[0][:80]}' is named twice: a column is a quasi-identifier or sensitive")
    wanted = (*quasi, *sensitive)
    with options.opened(file, kind, asked, "Reading") as (reader, chosen):
        if chosen == "text":
            raise ConfigurationError(f"{file} is text and has no columns: say --format if it is a table")
        verified_columns(reader.names, wanted)
        columns = encode(reader.batches(wanted), wanted)
    whole = None
    if population is not None:
        with options.opened(population, None, asked, "Reading the population") as (reader, _):
            verified_columns(reader.names, quasi)
            theirs = encode(reader.batches(quasi), quasi)
            whole = [theirs[name] for name in quasi]
    return measure([columns[name] for name in quasi], [columns[name] for name in sensitive], whole)


def show(found: Risk) -> None:
    """Print the measures in lines."""
    click.echo(f"{found.rows:,} rows in {found.classes:,} classes that look the same by {', '.join(found.quasi)}")
    click.echo(f"  k-anonymity          {found.k:,}")
    click.echo(f"  highest risk         {found.prosecutor_highest:.2%}  (prosecutor: somebody known to be in it)")
    click.echo(f"  average risk         {found.marketer:.2%}  (marketer: everybody is guessed)")
    click.echo(f"  rows at risk         {found.at_risk:.2%}  (above 1 in 5)")
    click.echo(f"  unique rows          {found.unique:.2%}")
    if found.population is not None:
        there = found.population
        click.echo(f"  journalist           {there.journalist_highest:.2%} at most, {there.marketer:.2%} on average")
        click.echo(f"  delta-presence       {there.delta_lowest:.3f} to {there.delta_highest:.3f}")
    for item in found.sensitive:
        click.echo(
            f"  {item.column}: l = {item.distinct_l} (distinct), {item.entropy_l:.2f} (entropy), t = {item.t:.3f} "
            f"({item.distance} distance), {item.homogeneous:.2%} of rows given away"
        )
