"""`privacy scan`: prints which personal data a file has."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from governance.cli.privacy.options import (
    PATH,
    Command,
    Names,
    ProgressBar,
    ReportOptions,
    add_options,
    ended_by_closed_pipe,
    finding,
    reading,
    reporting,
    show_notes,
)
from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets.answers import answer_lines
from governance.privacy.datasets.findings import FindingCounts, FindOptions
from governance.privacy.datasets.formats.batch import ReadOptions
from governance.privacy.datasets.formats.open import open_binary
from governance.privacy.datasets.report import scan_report
from governance.privacy.datasets.scan import ScanOptions, scan_file
from governance.privacy.find.detect import Detectors


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What is searched and measured, as the command line says it; see `ScanOptions`."""

    columns: tuple[str, ...] | None
    sample: int | None
    quasi: tuple[str, ...]
    sensitive: tuple[str, ...]

    @property
    def is_default(self) -> bool:
        """Whether none of the options was used."""
        return not (self.columns or self.sample or self.quasi or self.sensitive)


def searching(command: Command) -> Command:
    """Add the options on what is searched and measured; the command gets them as `search: SearchOptions`."""

    @wraps(command)
    def with_search(
        *arguments: Any,
        columns: tuple[str, ...] | None,
        sample: int | None,
        quasi: tuple[str, ...],
        sensitive: tuple[str, ...],
        **others: Any,
    ) -> None:
        command(*arguments, search=SearchOptions(columns, sample, quasi, sensitive), **others)

    return add_options(
        with_search,
        click.option("--columns", type=Names(), help="Columns to search, such as a,b,c. Default: all."),
        click.option(
            "--sample",
            type=click.IntRange(1),
            help="Number of rows to search, drawn from the whole file. Default: all.",
        ),
        click.option(
            "--quasi",
            type=Names(),
            default=(),
            help="Quasi-identifiers, such as age,zip: their re-identification risk is measured too.",
        ),
        click.option(
            "--sensitive", type=Names(), default=(), help="Sensitive columns, such as diagnosis, for that measure."
        ),
    )


@click.command()
@click.argument("file", type=PATH)
@click.option("--json", "as_json", is_flag=True, help='FILE holds JSON lines {"id", "text"}; print one line for each.')
@searching
@reporting
@finding
@reading
def scan(
    file: Path, *, as_json: bool, search: SearchOptions, reports: ReportOptions, find: FindOptions, read: ReadOptions
) -> None:
    """Find personal data in FILE and print how much there is of each kind.

    FILE is text, JSON lines, CSV or Parquet; - is standard input. Samples are masked: no value is printed.

    \b
    Examples:
      bento-governance privacy scan letters.txt
      bento-governance privacy scan patients.csv --report patients.html
      bento-governance privacy scan visits.parquet --sample 10000 --no-tagger
      bento-governance privacy scan export.txt --format csv --delimiter ';' \\
        --encoding cp1252
      echo '{"id": 1, "text": "Ask Ada Lovelace"}' | \\
        bento-governance privacy scan - --json

    With --json, each line {"id", "text"} is answered at once by a line {"id", "findings": [{"entity", "start", "end",
    "score"}]}, with offsets in code points. A line of another form is answered by {"id": null, "error"}; the others are
    answered too, and the exit status is then 6.
    """
    if as_json:
        if not search.is_default or reports.paths or read.format not in (None, "jsonl"):
            raise click.UsageError("--json answers lines: it cannot be used with columns, samples, risk or reports")
        _answer(file, find.detectors())
        return
    reports.verify()
    options = ScanOptions(search.columns, search.sample, search.quasi, search.sensitive, find, read)
    with ProgressBar() as progress:
        result = scan_file(file, options, progress)
    show_notes(result.notes)
    _show(result.counts)
    reports.write(lambda: scan_report(result))


def _show(counts: FindingCounts) -> None:
    rows = [
        (entity.count, name, column, entity)
        for column, there in counts.columns.items()
        for name, entity in there.entities.items()
    ]
    if not rows:
        click.echo("No personal data was found.")
    for count, name, column, entity in sorted(rows, key=lambda row: (-row[0], row[1], row[2])):
        share = entity.rows / max(counts.rows, 1)
        samples = "  ".join(entity.samples)
        click.echo(f"{count:>9,}  {name:<22} {_printable(column):<20} {share:>6.1%} of rows  {samples}")


def _printable(name: str) -> str:
    """Return a column's name without characters that could control the terminal."""
    return "".join(character if character.isprintable() else "?" for character in name[:60])


def _answer(file: Path, detectors: Detectors) -> None:
    """Read JSON lines, and print the result of each line immediately."""
    refused = 0
    with open_binary(file) as stream, ended_by_closed_pipe():
        try:
            for answers in answer_lines(stream, detectors):
                refused += answers.refused
                sys.stdout.write(answers.text)
                sys.stdout.flush()
        except IsADirectoryError:
            raise ConfigurationError(f"cannot read {file}: it is a folder") from None
    if refused:
        raise BadRequestError(f"{refused} lines are not JSON objects with an id and a text; their answers say why")
