"""What the commands on data sets share: options, opening, progress, detectors and reports."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets.findings import Looker
from governance.privacy.datasets.formats.batch import Asked, Reader
from governance.privacy.datasets.formats.choose import FORMATS, format_of, open_reader
from governance.privacy.datasets.formats.delimited import CsvReader
from governance.privacy.datasets.formats.output import complete_or_absent
from governance.privacy.datasets.report import Report
from governance.privacy.datasets.treatment import Treatment
from governance.privacy.find.detect import Detectors

PATH = click.Path(path_type=Path, allow_dash=True)
THRESHOLD = 0.4
MAX_PROFILE_BYTES = 2**20

Command = Callable[..., None]


class Names(click.ParamType[tuple[str, ...]]):
    """Names separated by commas."""

    name = "NAME,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names."""
        return value if isinstance(value, tuple) else tuple(item.strip() for item in value.split(",") if item.strip())


def reading(command: Command) -> Command:
    """Add the options on how a file is read."""
    for option in (
        click.option(
            "--no-header", is_flag=True, help="The CSV has no header line; its columns are named 1, 2, 3 and so on."
        ),
        click.option(
            "--delimiter", help="Delimiter of CSV; write \\t for a tab. Default: the one of , ; | and tab that fits."
        ),
        click.option(
            "--encoding",
            help="Encoding of text and CSV, such as cp1252. Default: UTF-8, or as the byte order mark says.",
        ),
        click.option(
            "--format", "kind", type=click.Choice(FORMATS), help="Format of the file. Default: by its suffix."
        ),
    ):
        command = option(command)
    return command


def finding(command: Command) -> Command:
    """Add the options on how personal data is found."""
    for option in (
        click.option(
            "--threshold", type=click.FloatRange(0, 1), default=THRESHOLD, show_default=True,
            help="Least confidence of a finding, from 0 to 1.",
        ),
        click.option(
            "--tagger/--no-tagger", default=True, show_default=True,
            help="Use the tagger too: it finds persons, places, organisations and addresses. Without it: faster.",
        ),
        click.option("--patterns-only", is_flag=True, hidden=True),
    ):  # fmt: skip
        command = option(command)
    return command


def reporting(command: Command) -> Command:
    """Add the options on reports."""
    for option in (
        click.option("--force", is_flag=True, help="Replace existing files."),
        click.option(
            "--report", "report_paths", type=click.Path(path_type=Path), multiple=True,
            help="Write a report to FILE.json or FILE.html. May be repeated.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def detectors_of(tagger: bool, threshold: float) -> Detectors:
    """Return detectors with the tagger that this package ships, or with patterns alone."""
    if not tagger:
        return Detectors(threshold=threshold)
    from governance.privacy.tagger.tagger import shipped_tagger

    return Detectors(shipped_tagger().find, threshold)


def looker_of(tagger: bool, threshold: float) -> Looker:
    """Return what looks into columns."""
    return Looker(detectors_of(True, threshold) if tagger else None, Detectors(threshold=threshold))


def asked_of(encoding: str | None, delimiter: str | None, no_header: bool) -> Asked:
    """Return how a file is to be read.

    Raises:
        ConfigurationError: for a delimiter that is none.
    """
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise ConfigurationError("--delimiter is one character, and no quote or line end")
    return Asked(encoding, delimiter, not no_header)


def input_of(file: Path) -> BinaryIO:
    """Open a file, or standard input for `-`, without a buffer: what is there is read, and nothing is waited for.

    Raises:
        ConfigurationError: if it cannot be opened.
    """
    try:
        opened = FileIO(0, closefd=False) if str(file) == "-" else FileIO(file)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    return cast(BinaryIO, opened)


@contextmanager
def opened(file: Path, kind: str | None, asked: Asked, label: str | None = None) -> Iterator[tuple[Reader, str]]:
    """Open a file, or standard input for `-`; errors say which file it is.

    Args:
        label: of the progress bar, which is shown where somebody watches.
    """
    chosen = format_of(file, kind)
    with input_of(file) as stream:
        hidden = label is None or not sys.stderr.isatty()
        with click.progressbar(length=0, label=label, file=sys.stderr, hidden=hidden, show_pos=True) as bar:
            try:
                reader = open_reader(stream, chosen, replace(asked, progress=bar.update))
                bar.length = reader.total
                yield reader, chosen
                if isinstance(reader, CsvReader) and reader.formulas and label is not None:
                    click.echo(formulas_note(reader), err=True)
            except IsADirectoryError:
                raise ConfigurationError(f"cannot read {file}: it is a folder") from None
            except BadRequestError as error:
                raise type(error)(f"{file}: {error}") from None


def formulas_note(reader: CsvReader) -> str:
    """Say that a spreadsheet would run some cells."""
    return (
        f"{reader.formulas:,} cells begin like a formula (= + - @): they are kept as they are, and a spreadsheet "
        "may run them"
    )


def notes_of(reader: Reader) -> list[str]:
    """Return what a reader noticed."""
    return [formulas_note(reader) + "."] if isinstance(reader, CsvReader) and reader.formulas else []


def read_toml(path: Path) -> dict[str, Any]:
    """Read a profile or hierarchies.

    Raises:
        ConfigurationError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(MAX_PROFILE_BYTES).decode())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from None


def treatment_of(profile: Path | None) -> Treatment:
    """Return what a profile says, or the default: all is searched, and what is found is replaced."""
    if profile is None:
        return Treatment()
    try:
        return Treatment.parse(read_toml(profile))
    except ConfigurationError as error:
        raise ConfigurationError(f"{profile}: {error}") from None


def write_reports(report: Report, paths: tuple[Path, ...], *, force: bool) -> None:
    """Write a report in the form of each path's suffix."""
    for path in paths:
        text = report.page() if path.suffix == ".html" else json.dumps(report.document(), indent=2) + "\n"
        with complete_or_absent(path, force=force) as file:
            file.write(text.encode())
        click.echo(f"{path}: the report.", err=True)


def verified_reports(paths: tuple[Path, ...], *, force: bool) -> None:
    """Refuse reports that could not be written, before hours of work.

    Raises:
        ConfigurationError: for another suffix, or a file that is there.
    """
    for path in paths:
        if path.suffix not in (".json", ".html"):
            raise ConfigurationError(f"a report is FILE.json or FILE.html, and not {path}")
        if path.exists() and not force:
            raise ConfigurationError(f"{path} exists already: name another file, or say --force to replace it")
