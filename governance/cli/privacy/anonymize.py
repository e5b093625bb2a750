"""`privacy anonymize`: writes a file again with its personal data changed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from types import FrameType, MappingProxyType
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
    read_toml,
    reading,
    reporting,
    show_notes,
)
from governance.errors import ConfigurationError
from governance.keys import open_secret
from governance.privacy.change.context import Context
from governance.privacy.change.text import DEFAULT, AnonymizationProfile
from governance.privacy.datasets.anonymize import AnonymizeOptions, AnonymizeResult, anonymize_file, anonymize_stream
from governance.privacy.datasets.findings import FindOptions
from governance.privacy.datasets.formats.batch import ReadOptions
from governance.privacy.datasets.formats.open import StageProgress
from governance.privacy.datasets.profile import KEEP_COLUMN, SEARCH, ColumnRule, DatasetProfile
from governance.privacy.datasets.report import anonymize_report
from governance.privacy.datasets.risk.generalise import KAnonymity

STANDARD_OUTPUT = Path("-")


@dataclass(frozen=True, slots=True)
class ChangeOptions:
    """What happens to columns and findings, as the command line says it.

    Attributes:
        profile_path: TOML file with a profile; None for the default.
        rules: NAME=OPERATOR for columns.
        columns: The only columns to search; None for all.
        operators: ENTITY=OPERATOR for findings, or OPERATOR for all others.
        key: URI of the secret; None for none.
        scope: The scope; None for that of the profile.
    """

    profile_path: Path | None
    rules: tuple[str, ...]
    columns: tuple[str, ...] | None
    operators: tuple[str, ...]
    key: str | None
    scope: str | None

    def profile(self) -> DatasetProfile:
        """Return the profile with the options added, which override it.

        Raises:
            ConfigurationError: If the profile cannot be read, or there is no such operator.
        """
        profile = self._read_profile()
        columns = dict(profile.columns)
        for item in self.rules:
            name, equals, operator = item.rpartition("=")
            if not equals or not name:
                raise click.UsageError(f"--column is NAME=OPERATOR, not '{item[:80]}'")
            columns[name] = ColumnRule.parse(operator)
        if self.columns is not None:
            columns |= {name: SEARCH for name in self.columns if name not in columns}
            profile = replace(profile, others=KEEP_COLUMN)
        given = dict(item.partition("=")[::2] if "=" in item else (DEFAULT, item) for item in self.operators)
        parsed = AnonymizationProfile.parse(given).operators
        operators = {**profile.entities.operators, **{entity: parsed[entity] for entity in given}}
        return replace(
            profile,
            columns=MappingProxyType(columns),
            entities=AnonymizationProfile(MappingProxyType(operators)),
            scope=profile.scope if self.scope is None else self.scope,
        )

    def _read_profile(self) -> DatasetProfile:
        if self.profile_path is None:
            return DatasetProfile()
        try:
            return DatasetProfile.parse(read_toml(self.profile_path))
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.profile_path}: {error}") from None

    def context(self, profile: DatasetProfile) -> Context:
        """Return key and scope.

        Raises:
            ConfigurationError: If the key cannot be read.
        """
        return Context(None if self.key is None else open_secret(self.key), profile.scope)


def changing(command: Command) -> Command:
    """Add the options on columns and findings; the command gets them as `change: ChangeOptions`."""

    @wraps(command)
    def with_change(
        *arguments: Any,
        profile: Path | None,
        rules: tuple[str, ...],
        columns: tuple[str, ...] | None,
        operators: tuple[str, ...],
        key: str | None,
        scope: str | None,
        **others: Any,
    ) -> None:
        command(*arguments, change=ChangeOptions(profile, rules, columns, operators, key, scope), **others)

    return add_options(
        with_change,
        click.option(
            "--profile",
            type=click.Path(path_type=Path),
            help="TOML file with rules for columns and operators for entities.",
        ),
        click.option(
            "--column", "rules", multiple=True, help="NAME=OPERATOR: what happens to a column. May be repeated."
        ),
        click.option(
            "--columns",
            type=Names(),
            help="Columns to search, such as a,b,c; others are kept as they are. Default: all.",
        ),
        click.option(
            "--operator",
            "operators",
            multiple=True,
            help="ENTITY=OPERATOR in texts, or OPERATOR for all others. May be repeated.",
        ),
        click.option("--key", help="URI of the secret for hash, token, ff1, surrogate, noise and shift-date."),
        click.option("--scope", help="Equal values get equal results only under one scope, such as study-7/2026."),
    )


@dataclass(frozen=True, slots=True)
class GeneraliseOptions:
    """What k-anonymity must reach, as the command line says it.

    Attributes:
        k: Least number of equal rows; None for no k-anonymity.
        quasi: Quasi-identifiers; none for those of the profile.
        l: Least number of different sensitive values among equal rows; None for 1.
        sensitive: Sensitive columns; none for those of the profile.
        hierarchy_path: TOML file that says how values become coarser; None to choose by the values.
        max_suppression: Share of rows that may be left out.
    """

    k: int | None
    quasi: tuple[str, ...]
    l: int | None  # noqa: E741 — the name in the literature
    sensitive: tuple[str, ...]
    hierarchy_path: Path | None
    max_suppression: float

    def add_to(self, profile: DatasetProfile) -> DatasetProfile:
        """Return the profile with the columns of the options, which override it.

        Raises:
            click.UsageError: If an option lacks another one that it needs.
        """
        profile = replace(profile, quasi=self.quasi or profile.quasi, sensitive=self.sensitive or profile.sensitive)
        if self.k is None and (self.l or self.hierarchy_path or self.max_suppression):
            raise click.UsageError("--l, --hierarchy and --max-suppression need --k")
        if self.k is not None and not profile.quasi:
            raise click.UsageError("--k needs --quasi, or quasi = […] in the profile")
        if self.l is not None and not profile.sensitive:
            raise click.UsageError("--l needs --sensitive, or sensitive = […] in the profile")
        return profile

    def target(self) -> KAnonymity | None:
        """Return what must be reached, or None."""
        return None if self.k is None else KAnonymity(self.k, self.l or 1, self.max_suppression)

    def hierarchies(self) -> Mapping[str, Any]:
        """Return the hierarchies by column.

        Raises:
            ConfigurationError: If their file cannot be read.
        """
        return {} if self.hierarchy_path is None else read_toml(self.hierarchy_path)


def generalising(command: Command) -> Command:
    """Add the options on k-anonymity; the command gets them as `generalise: GeneraliseOptions`."""

    @wraps(command)
    def with_generalise(
        *arguments: Any,
        k: int | None,
        quasi: tuple[str, ...],
        diversity: int | None,
        sensitive: tuple[str, ...],
        hierarchy: Path | None,
        max_suppression: float,
        **others: Any,
    ) -> None:
        generalise = GeneraliseOptions(k, quasi, diversity, sensitive, hierarchy, max_suppression)
        command(*arguments, generalise=generalise, **others)

    return add_options(
        with_generalise,
        click.option(
            "--k",
            type=click.IntRange(2),
            help="Make quasi-identifiers coarser until each row equals k-1 others in them.",
        ),
        click.option("--quasi", type=Names(), default=(), help="Quasi-identifiers, such as age,zip,sex."),
        click.option(
            "--l",
            "diversity",
            type=click.IntRange(2),
            help="With --k: least number of different sensitive values among equal rows.",
        ),
        click.option("--sensitive", type=Names(), default=(), help="Sensitive columns; they are kept as they are."),
        click.option(
            "--hierarchy", type=click.Path(path_type=Path), help="TOML file that says how values become coarser."
        ),
        click.option(
            "--max-suppression",
            type=click.FloatRange(0, 1),
            default=0.0,
            show_default=True,
            help="Share of rows that may be left out to reach k, from 0 to 1.",
        ),
    )


@click.command()
@click.argument("file", metavar="IN", type=PATH)
@click.argument("output", metavar="OUT", type=PATH)
@changing
@generalising
@click.option("--json", "as_json", is_flag=True, help="Same as --format jsonl.")
@reporting
@finding
@reading
def anonymize(
    file: Path,
    output: Path,
    *,
    change: ChangeOptions,
    generalise: GeneraliseOptions,
    as_json: bool,
    reports: ReportOptions,
    find: FindOptions,
    read: ReadOptions,
) -> None:
    """Write IN to OUT with its personal data changed.

    IN is text, JSON lines, CSV or Parquet; OUT gets the same format. - is standard input or output. All texts are
    searched and findings are changed, unless a column has a rule: by default "Ask Ada Lovelace" becomes "Ask <PERSON>".
    OUT appears only when it is complete; an existing file is replaced only with --force.

    Operators: replace (the default), redact, mask[:N], hash, token, ff1, surrogate, shift-date[:DAYS], bucket[:N],
    noise[:SCALE], truncate[:N], keep; for columns also drop, and text (search it).

    With --k, quasi-identifiers become coarser (ranges, first characters, month and year, or as --hierarchy says) by the
    combination that loses least information. The result is measured again before OUT appears.

    \b
    Examples:
      bento-governance privacy anonymize letters.txt letters.clean.txt
      bento-governance privacy anonymize in.csv out.csv --column name=drop \\
        --column age=bucket:10
      bento-governance privacy anonymize in.parquet out.parquet \\
        --profile study.toml --key file:secret.key
      bento-governance privacy anonymize in.csv out.csv --k 5 \\
        --quasi age,zip,sex --sensitive diagnosis --l 2
    """
    reports.verify()
    profile = generalise.add_to(change.profile())
    options = AnonymizeOptions(
        profile=profile,
        context=change.context(profile),
        k_anonymity=generalise.target(),
        hierarchies=generalise.hierarchies(),
        find=find,
        read=replace(read, format="jsonl") if as_json else read,
        force=reports.force,
    )
    with _interrupted_by_sigterm(), ProgressBar() as progress:
        result = _run(file, output, options, progress)
    for entity, count in result.counts.totals().items():
        click.echo(f"{count:>9,}  {entity}", err=True)
    show_notes(result.notes)
    reports.write(lambda: anonymize_report(result))


def _run(file: Path, output: Path, options: AnonymizeOptions, progress: StageProgress) -> AnonymizeResult:
    if output != STANDARD_OUTPUT:
        return anonymize_file(file, output, options, progress)
    with ended_by_closed_pipe():
        return anonymize_stream(file, sys.stdout.buffer, options, progress)


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """End the command on SIGTERM as on Ctrl-C, so that no incomplete file is left."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
