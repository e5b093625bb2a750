"""`privacy scan`: what personal data is in a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click

from governance.canonical import parse_json
from governance.cli.privacy import options
from governance.cli.privacy.risk import measured
from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets import report as reports
from governance.privacy.datasets.findings import Tally
from governance.privacy.datasets.formats.lines import byte_lines
from governance.privacy.datasets.scan import scan as scan_all
from governance.privacy.datasets.scan import scan_sample, verified_columns
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding


@click.command()
@click.argument("file", type=options.PATH)
@click.option("--json", "as_json", is_flag=True, help='FILE holds JSON lines {"id", "text"}; print one line for each.')
@click.option("--columns", type=options.Names(), help="Columns to search, such as a,b,c. Default: all.")
@click.option(
    "--sample", type=click.IntRange(1), help="Number of rows to search, drawn from the whole file. Default: all."
)
@click.option(
    "--quasi",
    type=options.Names(),
    default=(),
    help="Quasi-identifiers, such as age,zip: their re-identification risk is measured too.",
)
@click.option(
    "--sensitive", type=options.Names(), default=(), help="Sensitive columns, such as diagnosis, for that measure."
)
@options.reporting
@options.finding
@options.reading
def scan(
    file: Path,
    as_json: bool,
    columns: tuple[str, ...] | None,
    sample: int | None,
    quasi: tuple[str, ...],
    sensitive: tuple[str, ...],
    report_paths: tuple[Path, ...],
    force: bool,
    tagger: bool,
    patterns_only: bool,
    threshold: float,
    kind: str | None,
    encoding: str | None,
    delimiter: str | None,
    no_header: bool,
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
    answered all the same, and the exit status is 6 at the end.
    """
    tagger = tagger and not patterns_only
    if as_json:
        if columns or sample or quasi or sensitive or report_paths or kind not in (None, "jsonl"):
            raise click.UsageError("--json answers lines, and takes no columns, samples or reports")
        _answer(file, options.detectors_of(tagger, threshold))
        return
    options.verified_reports(report_paths, force=force)
    asked = options.asked_of(encoding, delimiter, no_header)
    if (quasi or sensitive) and str(file) == "-":
        raise ConfigurationError("risk is measured in a second pass: name a file, and not a pipe")
    tally = Tally()
    looker = options.looker_of(tagger, threshold)
    with options.opened(file, kind, asked, "Scanning") as (reader, chosen):
        verified_columns(reader.names, columns or ())
        batches = reader.batches(columns)
        if sample is None:
            scan_all(batches, looker, tally, columns)
        else:
            rows = scan_sample(batches, sample, looker, tally, columns)
        notes = options.notes_of(reader)
    _show(tally)
    risk = measured(file, kind, asked, quasi, sensitive, None) if quasi else None
    if report_paths:
        _write(report_paths, force, file, chosen, tally, None if sample is None else rows, risk, notes)


def _write(
    paths: tuple[Path, ...],
    force: bool,
    file: Path,
    kind: str,
    tally: Tally,
    rows: int | None,
    risk: Any,
    notes: Sequence[str],
) -> None:
    found = reports.columns_of(tally)
    report = reports.Report(
        "Personal data found",
        file.name,
        kind,
        tally.rows if rows is None else rows,
        None if rows is None else tally.rows,
        found,
        None if risk is None else reports.risk_of(risk),
        notes=notes,
        next=reports.advice(found, risk),
    )
    options.write_reports(report, paths, force=force)


def _show(tally: Tally) -> None:
    rows = [
        (entity.count, name, column, entity)
        for column, there in tally.columns.items()
        for name, entity in there.entities.items()
    ]
    if not rows:
        click.echo("No personal data was found.")
    for count, name, column, entity in sorted(rows, key=lambda row: (-row[0], row[1], row[2])):
        share = entity.rows / max(tally.rows, 1)
        samples = "  ".join(entity.samples)
        click.echo(f"{count:>9,}  {name:<22} {_plain(column):<20} {share:>6.1%} of rows  {samples}")


def _plain(name: str) -> str:
    """A name of a column comes from a file, and shall not steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in name[:60])


def _answer(file: Path, detectors: Detectors) -> None:
    """Answer line by line; whoever does not listen any more ends it."""
    with options.input_of(file) as stream:
        try:
            bad = _answer_lines(stream, detectors)
        except BrokenPipeError:
            # What is still in the buffer cannot be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.Abort from None
        except IsADirectoryError:
            raise ConfigurationError(f"cannot read {file}: it is a folder") from None
    if bad:
        raise BadRequestError(f"{bad} lines are no JSON objects with an id and a text; their answers say why")


def _answer_lines(stream: BinaryIO, detectors: Detectors) -> int:
    bad, number = 0, 1
    for lines in byte_lines(stream, lambda _: None):
        read = [_read(line, place) for place, line in enumerate(lines, number) if line.strip()]
        number += len(lines)
        found = iter(detectors.find_all([record[1] for record in read if isinstance(record, tuple)]))
        answers = []
        for record in read:
            if isinstance(record, str):
                bad += 1
                answers.append(json.dumps({"id": None, "error": record}))
            else:
                answers.append(f'{{"id": {record[0]}, "findings": {json.dumps([_row(one) for one in next(found)])}}}')
        sys.stdout.write("".join(answer + "\n" for answer in answers))
        sys.stdout.flush()
    return bad


def _read(line: bytes, number: int) -> tuple[str, str] | str:
    """Return the id as JSON, and the text; or what is wrong with the line."""
    try:
        record = parse_json(line)
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            return f"line {number} is no object with a text"
        return json.dumps(record.get("id"), allow_nan=False), record["text"]
    except BadRequestError as error:
        return f"line {number} is {error}"
    except (ValueError, RecursionError):
        return f"line {number} has an id with a number beyond a double, or nested too deeply"


def _row(finding: Finding) -> dict[str, Any]:
    return {"entity": finding.entity, "start": finding.start, "end": finding.end, "score": finding.score}
