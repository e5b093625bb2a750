"""Anonymizing a file: it is written again with its personal data changed, and if asked for with k-anonymity."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.change.text import TextAnonymizer
from governance.privacy.datasets.change import BatchChanger
from governance.privacy.datasets.findings import FindingCounts, FindOptions
from governance.privacy.datasets.formats.batch import Format, ReadOptions, RowBatch, TableReader, verify_columns
from governance.privacy.datasets.formats.open import (
    STANDARD_INPUT,
    StageProgress,
    ignore_progress,
    open_reader,
    open_table,
)
from governance.privacy.datasets.formats.output import complete_or_absent
from governance.privacy.datasets.formats.parquet import ParquetReader, arrow
from governance.privacy.datasets.measure import read_columns
from governance.privacy.datasets.profile import DatasetProfile
from governance.privacy.datasets.risk.columns import EncodedColumn, encode, without_gaps
from governance.privacy.datasets.risk.generalise import Generalisation, KAnonymity, generalise
from governance.privacy.datasets.risk.hierarchy import levels_of
from governance.privacy.datasets.risk.measures import Risk, measure

_CHANGED_MEANWHILE = "the file changed while it was read"
_NEEDS_FILES = "k-anonymity (--k) reads its input twice and measures its output: name files, not pipes"


@dataclass(frozen=True, slots=True)
class AnonymizeOptions:
    """How a file is anonymized.

    Attributes:
        profile: What happens to its columns and findings. The default searches all columns, and replaces findings.
        context: Key and scope of the operators.
        k_anonymity: What its quasi-identifiers must reach; None to change them like other columns.
        hierarchies: By quasi-identifier, how its values become coarser (see `levels_of`); others are chosen by their
            values.
        find: How personal data is found.
        read: How the file is read.
        force: Whether an existing output file is replaced.

    Raises:
        ConfigurationError: If they contradict each other.
    """

    profile: DatasetProfile = field(default_factory=DatasetProfile)
    context: Context = field(default_factory=Context)
    k_anonymity: KAnonymity | None = None
    hierarchies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    find: FindOptions = field(default_factory=FindOptions)
    read: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        self.profile.verify(self.context)
        if self.k_anonymity is None:
            return
        quasi = self.profile.quasi
        if not quasi:
            raise ConfigurationError("k-anonymity needs quasi-identifiers: --quasi, or quasi = […] in a profile")
        if self.k_anonymity.l > 1 and not self.profile.sensitive:
            raise ConfigurationError("l-diversity needs sensitive columns: --sensitive, or the profile's list")
        if ruled := [name for name in quasi if name in self.profile.columns]:
            raise ConfigurationError(f"'{ruled[0][:80]}' has a rule and is made coarser by --k: choose one of them")
        if unknown := set(self.hierarchies) - set(quasi):
            raise ConfigurationError(f"'{min(unknown)[:80]}' has a hierarchy, but is not a quasi-identifier")


@dataclass(frozen=True, slots=True)
class GeneralisationPlan:
    """The levels that were chosen before anything is written.

    Attributes:
        target: What must be reached.
        quasi: The quasi-identifiers as they were read.
        sensitive: Names of the sensitive columns.
        chosen: The level of each quasi-identifier, and the rows that are kept.
    """

    target: KAnonymity
    quasi: tuple[EncodedColumn, ...]
    sensitive: tuple[str, ...]
    chosen: Generalisation

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the quasi-identifiers."""
        return tuple(column.name for column in self.quasi)

    @property
    def suppressed(self) -> int:
        """Number of rows that are left out."""
        return int((~self.chosen.kept).sum())

    def labels(self) -> dict[str, dict[Any, Any]]:
        """Return for each column that becomes coarser what each of its values becomes."""
        return {
            column.name: dict(zip(column.values, level.labels, strict=True))
            for column, level in zip(self.quasi, self.chosen.levels, strict=True)
            if level.labels != column.values
        }

    def sentence(self) -> str:
        """Return what was chosen, and what it costs, for a person."""
        levels = ", ".join(f"{name}: {level.name}" for name, level in zip(self.names, self.chosen.levels, strict=True))
        return (
            f"k = {self.target.k} is reached with {levels}; information loss {self.chosen.loss:.1%} (NCP), "
            f"discernibility {self.chosen.discernibility:,}, {self.suppressed:,} of {len(self.chosen.kept):,} rows "
            "left out."
        )


@dataclass(frozen=True, slots=True)
class AnonymizeResult:
    """What was done to a file.

    Attributes:
        file: Name of the file that was read.
        format: Its format.
        counts: Findings by column and entity, with masked samples.
        plan: The levels that reach k-anonymity; None if it was not asked for.
        risk: The risk of what was written; None without k-anonymity.
        notes: Sentences on what a person should know, such as the columns that were not searched.
    """

    file: str
    format: Format
    counts: FindingCounts
    plan: GeneralisationPlan | None
    risk: Risk | None
    notes: tuple[str, ...]


def anonymize_file(
    source: Path, output: Path, options: AnonymizeOptions, progress: StageProgress = ignore_progress
) -> AnonymizeResult:
    """Write a file again with its personal data changed, in the same format.

    The output appears only when it is complete. With k-anonymity the file is read twice, and what was written is
    measured before it appears.

    Example:
        `anonymize_file(Path("letter.txt"), Path("clean.txt"), AnonymizeOptions())` makes `Ask <PERSON>` of
        `Ask Ada Lovelace`.

    Args:
        source: The file to read; `-` is standard input.
        output: The file to write.
        options: What is changed, and how.
        progress: Is called while the file is read.

    Raises:
        BadRequestError: If the file cannot be read as its format, a value cannot be changed, or k or l cannot be
            reached; there is no output then.
        ConfigurationError: If a file cannot be opened, the output exists and must not be replaced, or the options do
            not fit the file.
    """
    plan = _plan(source, options, progress)
    with complete_or_absent(output, force=options.force) as target:
        return _anonymize(source, target, options, plan, progress)


def anonymize_stream(
    source: Path, target: BinaryIO, options: AnonymizeOptions, progress: StageProgress = ignore_progress
) -> AnonymizeResult:
    """Write a file to an opened one, such as standard output, as `anonymize_file` does; each batch is flushed.

    Args:
        source: The file to read; `-` is standard input.
        target: The file to write.
        options: What is changed, and how; without k-anonymity.
        progress: Is called while the file is read.

    Raises:
        BadRequestError: If the file cannot be read as its format, or a value cannot be changed; a part is written then.
        ConfigurationError: If the file cannot be opened, or the options do not fit it or ask for k-anonymity.
    """
    if options.k_anonymity is not None:
        raise ConfigurationError(_NEEDS_FILES)
    return _anonymize(source, target, options, None, progress)


def _plan(source: Path, options: AnonymizeOptions, progress: StageProgress) -> GeneralisationPlan | None:
    """Read the quasi-identifiers, and choose how coarse they become."""
    target, profile = options.k_anonymity, options.profile
    if target is None:
        return None
    if source == STANDARD_INPUT:
        raise ConfigurationError(_NEEDS_FILES)
    columns, _, _ = read_columns(source, (*profile.quasi, *profile.sensitive), options.read, "Reading", progress)
    quasi = tuple(columns[name] for name in profile.quasi)
    if not len(quasi[0].codes):
        raise BadRequestError(f"{source} has no rows, so k-anonymity has no meaning")
    levels = [levels_of(column, options.hierarchies.get(column.name)) for column in quasi]
    chosen = generalise(quasi, levels, [columns[name] for name in profile.sensitive], target)
    return GeneralisationPlan(target, quasi, profile.sensitive, chosen)


def _anonymize(
    source: Path, target: BinaryIO, options: AnonymizeOptions, plan: GeneralisationPlan | None, progress: StageProgress
) -> AnonymizeResult:
    profile, counts = options.profile, FindingCounts()
    with open_table(source, options.read, "Anonymizing", progress) as reader:
        verify_columns(reader.names, profile.named_columns())
        patterns = FindOptions(tagger=False, threshold=options.find.threshold).detectors()
        changer = BatchChanger(
            profile,
            options.context,
            options.find.column_detector(),
            TextAnonymizer(patterns, profile.entities, options.context),
            counts,
            is_typed=reader.is_typed,
        )
        _write_all(reader, target, profile, changer, plan)
        risk = None if plan is None else _verified_risk(target, reader.again(options.read), plan)
    notes = list(reader.notes)
    if changer.kept:
        notes.append(f"Kept as they are, and not searched: {', '.join(sorted(changer.kept))}.")
    if plan is not None:
        notes.append(plan.sentence())
    return AnonymizeResult(source.name, reader.format, counts, plan, risk, tuple(notes))


def _write_all(
    reader: TableReader,
    target: BinaryIO,
    profile: DatasetProfile,
    changer: BatchChanger,
    plan: GeneralisationPlan | None,
) -> None:
    names, labels = (plan.names, plan.labels()) if plan is not None else ((), {})
    as_text = [*labels, *_columns_that_become_text(reader, profile, names)]
    seen = 0
    with closing(reader.writer(target, _dropped(reader, profile, names), as_text)) as writer:
        for batch in reader.batches():
            changed, rows = changer.change(batch, names), None
            if plan is not None:
                kept = plan.chosen.kept[seen : seen + batch.rows]
                rows = [row for row, stays in enumerate(kept.tolist()) if stays]
                changed |= _coarser(batch, labels, len(kept))
            seen += batch.rows
            writer.write(batch, changed, rows)
    if plan is not None and seen != len(plan.chosen.kept):
        raise BadRequestError(_CHANGED_MEANWHILE)
    target.flush()


def _dropped(reader: TableReader, profile: DatasetProfile, but: tuple[str, ...]) -> list[str]:
    dropped = [name for name, rule in profile.columns.items() if rule.drops]
    if not profile.others.drops:
        return dropped
    if reader.names is None:
        raise ConfigurationError("others = 'drop' needs a file whose columns are known; those of JSON lines are not")
    return dropped + [name for name in reader.names if profile.of(name).drops and name not in but]


def _coarser(batch: RowBatch, labels: Mapping[str, Mapping[Any, Any]], rows: int) -> dict[str, list[Any]]:
    """Return the columns that become coarser; `rows` is how many rows the plan has for this batch."""
    if rows != batch.rows:
        raise BadRequestError(_CHANGED_MEANWHILE)
    try:
        return {name: [known[value] for value in without_gaps(batch.values(name))] for name, known in labels.items()}
    except KeyError:
        raise BadRequestError(_CHANGED_MEANWHILE) from None


def _columns_that_become_text(reader: TableReader, profile: DatasetProfile, but: tuple[str, ...]) -> list[str]:
    """Return the columns of Parquet whose type their operator does not keep."""
    if not isinstance(reader, ParquetReader):
        return []
    types, texts = arrow().types, []
    for name, kind in reader.types().items():
        rule = profile.of(name)
        if name in but or rule.operator is None or rule.keeps or rule.drops:
            continue
        is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        is_date = types.is_date(kind) or types.is_timestamp(kind)
        if ("number" if is_number else "date" if is_date else None) not in rule.operator.definition.applies_to:
            texts.append(name)
    return texts


def _verified_risk(target: BinaryIO, read: ReadOptions, plan: GeneralisationPlan) -> Risk:
    """Read what was written, and return its risk.

    Raises:
        BadRequestError: If k or l is not reached, as an operator may make sensitive values equal.
    """
    with os.fdopen(os.dup(target.fileno()), "rb", buffering=0) as written:
        written.seek(0)
        names = (*plan.names, *plan.sensitive)
        columns = encode(open_reader(written, read, lambda _: None).batches(names), names)
    risk = measure([columns[name] for name in plan.names], [columns[name] for name in plan.sensitive])
    least = min([item.distinct_l for item in risk.sensitive], default=plan.target.l)
    if risk.k < plan.target.k or least < plan.target.l:
        raise BadRequestError(
            f"the output has k = {risk.k} and l = {least}, but k = {plan.target.k} and l = {plan.target.l} must be "
            "reached: an operator has made sensitive values equal; the output is discarded"
        )
    return risk
