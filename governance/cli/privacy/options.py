"""What the commands on data sets share: groups of options, a progress bar, and reports.

Each group is a decorator that adds options to a command and passes them to it as one object.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from governance.errors import ConfigurationError
from governance.privacy.datasets.findings import DEFAULT_THRESHOLD, FindOptions
from governance.privacy.datasets.formats.batch import Format, ReadOptions
from governance.privacy.datasets.formats.open import FORMATS
from governance.privacy.datasets.report import Report, verify_report_path, write_report

PATH = click.Path(path_type=Path, allow_dash=True)
MAX_TOML_BYTES = 2**20

Command = Callable[..., None]


class Names(click.ParamType[tuple[str, ...]]):
    """Column names separated by commas: `age,zip` becomes `("age", "zip")`."""

    name = "NAME,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names without spaces around them."""
        return value if isinstance(value, tuple) else tuple(item.strip() for item in value.split(",") if item.strip())


def add_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add options to a command, in the order in which its help shows them."""
    for option in reversed(options):
        command = option(command)
    return command


def reading(command: Command) -> Command:
    """Add the options on how a file is read; the command gets them as `read: ReadOptions`."""

    @wraps(command)
    def with_read(
        *arguments: Any,
        file_format: Format | None,
        encoding: str | None,
        delimiter: str | None,
        no_header: bool,
        **others: Any,
    ) -> None:
        read = ReadOptions(file_format, encoding, "\t" if delimiter == "\\t" else delimiter, not no_header)
        command(*arguments, read=read, **others)

    return add_options(
        with_read,
        click.option(
            "--format", "file_format", type=click.Choice(FORMATS), help="Format of the file. Default: by its suffix."
        ),
        click.option(
            "--encoding",
            help="Encoding of text and CSV, such as cp1252. Default: UTF-8, or as the byte order mark says.",
        ),
        click.option(
            "--delimiter", help="Delimiter of CSV; write \\t for a tab. Default: the one of , ; | and tab that fits."
        ),
        click.option(
            "--no-header", is_flag=True, help="The CSV has no header line; its columns are named 1, 2, 3 and so on."
        ),
    )


def finding(command: Command) -> Command:
    """Add the options on how personal data is found; the command gets them as `find: FindOptions`."""

    @wraps(command)
    def with_find(*arguments: Any, tagger: bool, patterns_only: bool, threshold: float, **others: Any) -> None:
        command(*arguments, find=FindOptions(tagger and not patterns_only, threshold), **others)

    return add_options(
        with_find,
        click.option("--patterns-only", is_flag=True, hidden=True),
        click.option(
            "--tagger/--no-tagger",
            default=True,
            show_default=True,
            help="Use the tagger too: it finds persons, places, organisations and addresses. Without it: faster.",
        ),
        click.option(
            "--threshold",
            type=click.FloatRange(0, 1),
            default=DEFAULT_THRESHOLD,
            show_default=True,
            help="Least confidence of a finding, from 0 to 1.",
        ),
    )


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Which reports are written.

    Attributes:
        paths: Their files.
        force: Whether existing files are replaced.
    """

    paths: tuple[Path, ...]
    force: bool

    def verify(self) -> None:
        """Refuse reports that could not be written, before a long run.

        Raises:
            ConfigurationError: For another suffix, or an existing file.
        """
        for path in self.paths:
            verify_report_path(path, force=self.force)

    def write(self, report: Callable[[], Report]) -> None:
        """Write the report to each file, if there are any, and print their names.

        Args:
            report: Makes the report.
        """
        for path in self.paths:
            write_report(report(), path, force=self.force)
            click.echo(f"{path}: report written", err=True)


def reporting(command: Command) -> Command:
    """Add the options on reports; the command gets them as `reports: ReportOptions`."""

    @wraps(command)
    def with_reports(*arguments: Any, report_paths: tuple[Path, ...], force: bool, **others: Any) -> None:
        command(*arguments, reports=ReportOptions(report_paths, force), **others)

    return add_options(
        with_reports,
        click.option(
            "--report",
            "report_paths",
            type=click.Path(path_type=Path),
            multiple=True,
            help="Write a report to FILE.json or FILE.html. May be repeated.",
        ),
        click.option("--force", is_flag=True, help="Replace existing files."),
    )


class ProgressBar:
    """Shows the progress of each stage on standard error, if that is a terminal; it is a `StageProgress`."""

    def __init__(self) -> None:
        self._stage, self._done = "", 0
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        """Return the bar; it is shown when the first stage begins."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the line of the last stage."""
        self._finish()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how much of a stage is done."""
        if self._bar is None or stage != self._stage or done < self._done:
            self._finish()
            hidden = not sys.stderr.isatty()
            self._bar = click.progressbar(length=total, label=stage, file=sys.stderr, hidden=hidden, show_pos=True)
            self._bar.__enter__()
            self._stage, self._done = stage, 0
        self._bar.update(done - self._done)
        self._done = done

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


@contextmanager
def ended_by_closed_pipe() -> Iterator[None]:
    """End the command without a traceback when the reader of standard output closes the pipe."""
    try:
        yield
    except BrokenPipeError:
        # Python flushes standard output at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.Abort from None


def show_notes(notes: tuple[str, ...]) -> None:
    """Print sentences on the file to standard error."""
    for note in notes:
        click.echo(note, err=True)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigurationError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(MAX_TOML_BYTES).decode())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
