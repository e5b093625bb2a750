"""`privacy anonymize`: a file written again without its personal data, or until k rows look alike."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, BinaryIO

import click

from governance.cli.privacy import options
from governance.errors import BadRequestError, ConfigurationError
from governance.keys import open_secret
from governance.privacy.change.context import Context
from governance.privacy.change.text import DEFAULT, AnonymizationProfile, TextAnonymizer
from governance.privacy.datasets import report as reports
from governance.privacy.datasets.change import Changer
from governance.privacy.datasets.findings import Tally
from governance.privacy.datasets.formats.batch import Asked, Reader
from governance.privacy.datasets.formats.choose import open_reader
from governance.privacy.datasets.formats.output import complete_or_absent
from governance.privacy.datasets.formats.parquet import ParquetReader, arrow
from governance.privacy.datasets.risk.generalise import Generalised, Wanted, generalise
from governance.privacy.datasets.risk.hierarchy import levels_of
from governance.privacy.datasets.risk.risk import Coded, Risk, encode, measure, without_gaps
from governance.privacy.datasets.scan import verified_columns
from governance.privacy.datasets.treatment import Rule, Treatment


@dataclass(frozen=True, slots=True)
class Plan:
    """What was chosen before anything is written: the columns' codes, and the levels that hold."""

    wanted: Wanted
    quasi: tuple[Coded, ...]
    sensitive: tuple[str, ...]
    done: Generalised

    def names(self) -> tuple[str, ...]:
        """Return the quasi-identifiers."""
        return tuple(column.name for column in self.quasi)

    def coarser(self) -> dict[str, dict[Any, Any]]:
        """Return for each column that becomes coarser what each value becomes."""
        return {
            column.name: dict(zip(column.values, level.labels, strict=True))
            for column, level in zip(self.quasi, self.done.levels, strict=True)
            if level.labels != column.values
        }


@click.command()
@click.argument("file", metavar="IN", type=options.PATH)
@click.argument("output", metavar="OUT", type=options.PATH)
@click.option(
    "--profile", type=click.Path(path_type=Path), help="TOML file with rules for columns and operators for entities."
)
@click.option("--column", "rules", multiple=True, help="NAME=OPERATOR: what happens to a column. May be repeated.")
@click.option(
    "--columns",
    type=options.Names(),
    help="Columns to search, such as a,b,c; others are kept as they are. Default: all.",
)
@click.option(
    "--operator",
    "operators",
    multiple=True,
    help="ENTITY=OPERATOR in texts, or OPERATOR for all others. May be repeated.",
)
@click.option("--key", help="URI of the secret for hash, token, ff1, surrogate, noise and shift-date.")
@click.option("--scope", help="Equal values get equal results only under one scope, such as study-7/2026.")
@click.option(
    "--k", type=click.IntRange(2), help="Make quasi-identifiers coarser until each row equals k-1 others in them."
)
@click.option("--quasi", type=options.Names(), default=(), help="Quasi-identifiers, such as age,zip,sex.")
@click.option(
    "--l",
    "diversity",
    type=click.IntRange(2),
    help="With --k: least number of different sensitive values among equal rows.",
)
@click.option("--sensitive", type=options.Names(), default=(), help="Sensitive columns; they are kept as they are.")
@click.option("--hierarchy", type=click.Path(path_type=Path), help="TOML file that says how values become coarser.")
@click.option(
    "--max-suppression",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of rows that may be left out to reach k, from 0 to 1.",
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format jsonl.")
@options.reporting
@options.finding
@options.reading
def anonymize(
    file: Path,
    output: Path,
    profile: Path | None,
    rules: tuple[str, ...],
    columns: tuple[str, ...] | None,
    operators: tuple[str, ...],
    key: str | None,
    scope: str | None,
    k: int | None,
    quasi: tuple[str, ...],
    diversity: int | None,
    sensitive: tuple[str, ...],
    hierarchy: Path | None,
    max_suppression: float,
    as_json: bool,
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
    options.verified_reports(report_paths, force=force)
    treatment = _treatment(options.treatment_of(profile), rules, operators, quasi, sensitive, columns)
    if k is None and (diversity or hierarchy or max_suppression):
        raise click.UsageError("--l, --hierarchy and --max-suppression need --k")
    if k is not None and not treatment.quasi:
        raise click.UsageError("--k needs --quasi, or quasi = […] in the profile")
    if diversity is not None and not treatment.sensitive:
        raise click.UsageError("--l needs --sensitive")
    if k is not None and "-" in (str(file), str(output)):
        raise ConfigurationError("--k reads IN twice and measures OUT again: name files, and no pipes")
    context = Context(open_secret(key) if key is not None else None, scope if scope is not None else treatment.scope)
    treatment.verify(context)
    asked = options.asked_of(encoding, delimiter, no_header)
    kind = "jsonl" if as_json else kind
    tagger = tagger and not patterns_only
    tally = Tally()
    wanted = None if k is None else Wanted(k, diversity or 1, max_suppression)
    plan = None if wanted is None else _plan(file, kind, asked, treatment, wanted, hierarchy)
    with _unless_ended(), options.opened(file, kind, asked, "Anonymizing") as (reader, chosen):
        verified_columns(reader.names, _named(treatment))
        changer = Changer(
            treatment,
            context,
            options.looker_of(tagger, threshold),
            TextAnonymizer(options.detectors_of(False, threshold), treatment.entities, context),
            tally,
            is_typed=reader.is_typed,
        )
        with _written(output, force) as target:
            _change_all(reader, target, treatment, changer, plan)
            risk = None if plan is None else _measured_again(target, chosen, asked, plan, reader)
        notes = options.notes_of(reader)
    notes += _said(tally, plan, changer)
    if report_paths:
        _write_reports(report_paths, file, chosen, tally, plan, risk, notes, force=force)


def _treatment(
    treatment: Treatment,
    rules: tuple[str, ...],
    operators: tuple[str, ...],
    quasi: tuple[str, ...],
    sensitive: tuple[str, ...],
    columns: tuple[str, ...] | None,
) -> Treatment:
    """Add the command line to a profile; the command line counts more."""
    own = dict(treatment.columns)
    for item in rules:
        name, equals, operator = item.rpartition("=")
        if not equals or not name:
            raise click.UsageError(f"--column is NAME=OPERATOR, and not '{item[:80]}'")
        own[name] = Rule.parse(operator)
    if columns is not None:
        own |= {name: Rule() for name in columns if name not in own}
        treatment = replace(treatment, others=Rule.parse("keep"))
    table = dict(treatment.entities.operators)
    given = dict(item.partition("=")[::2] if "=" in item else (DEFAULT, item) for item in operators)
    table |= {entity: AnonymizationProfile.parse(given).operators[entity] for entity in given}
    treatment = replace(
        treatment,
        columns=MappingProxyType(own),
        entities=AnonymizationProfile(MappingProxyType(table)),
        quasi=quasi or treatment.quasi,
        sensitive=sensitive or treatment.sensitive,
    )
    if both := set(treatment.quasi) & (
        set(treatment.sensitive) | ({treatment.subject} if treatment.subject else set())
    ):
        raise ConfigurationError(f"'{min(both)[:80]}' cannot be a quasi-identifier and something else")
    return treatment


def _named(treatment: Treatment) -> tuple[str, ...]:
    subject = () if treatment.subject is None else (treatment.subject,)
    return (*treatment.columns, *treatment.quasi, *treatment.sensitive, *subject)


def _plan(
    file: Path, kind: str | None, asked: Asked, treatment: Treatment, wanted: Wanted, hierarchy: Path | None
) -> Plan:
    """Read the quasi-identifiers, and choose how coarse they become."""
    if ruled := [name for name in treatment.quasi if name in treatment.columns]:
        raise ConfigurationError(f"'{ruled[0][:80]}' has a rule and is made coarser by --k: choose one of them")
    given = {} if hierarchy is None else options.read_toml(hierarchy)
    if unknown := set(given) - set(treatment.quasi):
        raise ConfigurationError(f"{hierarchy}: '{min(unknown)[:80]}' is no quasi-identifier")
    names = (*treatment.quasi, *treatment.sensitive)
    with options.opened(file, kind, asked, "Reading") as (reader, chosen):
        if chosen == "text":
            raise ConfigurationError(f"{file} is text and has no columns: say --format if it is a table")
        verified_columns(reader.names, names)
        columns = encode(reader.batches(names), names)
    if not len(next(iter(columns.values())).codes):
        raise BadRequestError(f"{file} has no rows, of which none can look like another")
    quasi = tuple(columns[name] for name in treatment.quasi)
    levels = [levels_of(column, given.get(column.name)) for column in quasi]
    done = generalise(quasi, levels, [columns[name] for name in treatment.sensitive], wanted)
    return Plan(wanted, quasi, treatment.sensitive, done)


def _change_all(reader: Reader, target: BinaryIO, treatment: Treatment, changer: Changer, plan: Plan | None) -> None:
    coarser = {} if plan is None else plan.coarser()
    names = () if plan is None else plan.names()
    dropped = [name for name, rule in treatment.columns.items() if rule.is_drop]
    if treatment.others.is_drop and reader.names is not None:
        dropped += [name for name in reader.names if treatment.of(name).is_drop and name not in names]
    elif treatment.others.is_drop:
        raise ConfigurationError("others = 'drop' needs a file whose columns are known, and JSON lines' are not")
    writer = reader.writer(target, dropped, [*coarser, *_as_text(reader, treatment, names)])
    seen = 0
    with closing(writer):
        for batch in reader.batches():
            changed = changer.change(batch, names)
            rows = None
            if plan is not None:
                kept = plan.done.kept[seen : seen + batch.rows]
                rows = [row for row, stays in enumerate(kept.tolist()) if stays]
                changed |= _coarser(batch, coarser, len(kept))
            seen += batch.rows
            writer.write(batch, changed, rows)
    if plan is not None and seen != len(plan.done.kept):
        raise BadRequestError("the file changed while it was read")
    target.flush()


def _coarser(batch: Any, coarser: dict[str, dict[Any, Any]], rows: int) -> dict[str, list[Any]]:
    try:
        if rows != batch.rows:
            raise KeyError
        return {name: [table[value] for value in without_gaps(batch.values(name))] for name, table in coarser.items()}
    except KeyError:
        raise BadRequestError("the file changed while it was read") from None


def _as_text(reader: Reader, treatment: Treatment, but: tuple[str, ...]) -> list[str]:
    """Return the typed columns of which their operators make text."""
    if not isinstance(reader, ParquetReader):
        return []
    types, texts = arrow().types, []
    for name, kind in reader.types().items():
        rule = treatment.of(name)
        if name in but or rule.operator is None or rule.is_keep or rule.is_drop:
            continue
        is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        is_date = types.is_date(kind) or types.is_timestamp(kind)
        if ("number" if is_number else "date" if is_date else "") not in rule.operator.definition.applies_to:
            texts.append(name)
    return texts


def _measured_again(target: BinaryIO, kind: str, asked: Asked, plan: Plan, reader: Reader) -> Risk:
    """Read what was written, and refuse it if it is not what was promised.

    Raises:
        BadRequestError: if k or l does not hold.
    """
    names = (*plan.names(), *plan.sensitive)
    encoding = getattr(reader, "encoding", asked.encoding)
    delimiter = reader.form.delimiter if hasattr(reader, "form") else asked.delimiter
    with os.fdopen(os.dup(target.fileno()), "rb", buffering=0) as again:
        again.seek(0)
        columns = encode(open_reader(again, kind, Asked(encoding, delimiter, asked.header)).batches(names), names)
    risk = measure([columns[name] for name in plan.names()], [columns[name] for name in plan.sensitive])
    if risk.k < plan.wanted.k or any(item.distinct_l < plan.wanted.l for item in risk.sensitive):
        least = min([item.distinct_l for item in risk.sensitive], default=1)
        raise BadRequestError(
            f"what was written has k = {risk.k} and l = {least}, and k = {plan.wanted.k}, l = {plan.wanted.l} was "
            "asked for: an operator has made sensitive values equal; nothing is kept of it"
        )
    return risk


def _said(tally: Tally, plan: Plan | None, changer: Changer) -> list[str]:
    """Print what was done, and return it for the report."""
    totals: dict[str, int] = {}
    for column in tally.columns.values():
        for entity, item in column.entities.items():
            totals[entity] = totals.get(entity, 0) + item.count
    for entity, count in sorted(totals.items(), key=lambda row: -row[1]):
        click.echo(f"{count:>9,}  {entity}", err=True)
    notes = []
    if changer.kept:
        notes.append(f"Kept as they are, and not searched: {', '.join(sorted(changer.kept))}.")
    if plan is not None:
        levels = ", ".join(f"{c.name}: {level.name}" for c, level in zip(plan.quasi, plan.done.levels, strict=True))
        gone = int((~plan.done.kept).sum())
        notes.append(
            f"k = {plan.wanted.k} holds with {levels}; information loss {plan.done.loss:.1%} (NCP), discernibility "
            f"{plan.done.discernibility:,}, {gone:,} of {len(plan.done.kept):,} rows left out."
        )
    for note in notes:
        click.echo(note, err=True)
    return notes


def _write_reports(
    paths: tuple[Path, ...],
    file: Path,
    kind: str,
    tally: Tally,
    plan: Plan | None,
    risk: Risk | None,
    notes: list[str],
    *,
    force: bool,
) -> None:
    report = reports.Report(
        "What was anonymized",
        file.name,
        kind,
        tally.rows,
        columns=reports.columns_of(tally),
        risk=None if risk is None else reports.risk_of(risk),
        generalised=None if plan is None else reports.generalised_of(plan.done, plan.quasi, plan.wanted),
        notes=notes,
        next=["Scan what was written, and read a sample of it: what was not found is still there."],
    )
    options.write_reports(report, paths, force=force)


@contextmanager
def _written(path: Path, force: bool) -> Iterator[BinaryIO]:
    if str(path) != "-":
        with complete_or_absent(path, force=force) as file:
            yield file
        return
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.Abort from None


@contextmanager
def _unless_ended() -> Iterator[None]:
    """Whoever ends the program (SIGTERM) ends it as Ctrl-C does: nothing half is left."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
