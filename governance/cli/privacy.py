"""`bento-governance privacy`: find and change personal data in files."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from governance.canonical import parse_json
from governance.cli.reveal import reveal
from governance.errors import BadRequestError, ConfigurationError
from governance.keys import open_secret
from governance.privacy.detect import Detectors
from governance.privacy.finding import Finding
from governance.privacy.leaves import change_text
from governance.privacy.paths import EVERYWHERE
from governance.privacy.records import render_json
from governance.privacy.text import DEFAULT, Profile, TextAnonymizer
from governance.privacy.transform import Context

PATH = click.Path(path_type=Path, allow_dash=True)
BLOCK_BYTES, MAX_LINE_BYTES = 2**18, 64 * 2**20
SAMPLES = 3

patterns_option = click.option(
    "--patterns-only", is_flag=True, help="Without the tagger: no persons, places, organisations."
)
threshold_option = click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.4, show_default=True, help="Leave out what is less sure."
)


@click.group()
def command() -> None:
    """Find and change personal data in files."""


@command.command()
@click.argument("file", type=PATH)
@click.option("--json", "as_json", is_flag=True, help='FILE is JSON lines {"id", "text"}; answer each by a line.')
@patterns_option
@threshold_option
def scan(file: Path, as_json: bool, patterns_only: bool, threshold: float) -> None:
    """Find personal data in FILE, or in standard input (-).

    With --json each line is answered by {"id", "findings": [{"entity", "start", "end", "score"}]}, with offsets in code
    points; a line that cannot be read by {"id": null, "error"}, and the exit code is 6 then.
    """
    detectors = open_detectors(patterns_only, threshold)
    with _opened(file) as stream:
        if as_json:
            _scan_json_lines(detectors, stream)
        else:
            _scan_text(detectors, stream, file)


@command.command()
@click.argument("file", type=PATH)
@click.argument("output", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="FILE is JSON lines: every string in them is looked through.")
@click.option("--operator", "operators", multiple=True, help="ENTITY=OPERATOR, or OPERATOR for all others.")
@click.option("--key", help="URI of the secret for hash, token, ff1, surrogate and shift-date.")
@click.option("--scope", default="", help="Tenant, purpose and epoch: values are equal under the same one alone.")
@patterns_option
@threshold_option
def anonymize(
    file: Path,
    output: Path,
    as_json: bool,
    operators: tuple[str, ...],
    key: str | None,
    scope: str,
    patterns_only: bool,
    threshold: float,
) -> None:
    """Write FILE with its personal data changed to OUTPUT (- for standard output), line by line.

    Operators: replace (the default: <PERSON>), redact, mask[:N], hash, token, ff1, surrogate, shift-date[:DAYS],
    bucket[:N], truncate[:N], keep.
    """
    table = dict(item.partition("=")[::2] if "=" in item else (DEFAULT, item) for item in operators)
    context = Context(open_secret(key) if key is not None else None, scope)
    anonymizer = TextAnonymizer(open_detectors(patterns_only, threshold), Profile.parse(table), context)
    counts: Counter[str] = Counter()
    with _opened(file) as stream, _written(output) as target:
        for lines in _line_blocks(stream):
            for changed in _anonymized(lines, anonymizer, counts, as_json):
                target.write(changed + b"\n")
            target.flush()
    for entity, count in counts.most_common():
        click.echo(f"{count:>8,}  {entity}", err=True)


command.add_command(reveal)


def _anonymized(
    lines: Sequence[bytes], anonymizer: TextAnonymizer, counts: Counter[str], as_json: bool
) -> Iterator[bytes]:
    if not as_json:
        for text in anonymizer.anonymize([line.decode("utf-8", "replace") for line in lines]):
            counts.update(text.counts)
            yield text.text.encode("utf-8", "replace")
        return
    for number, line in enumerate(lines):
        try:
            document, found = change_text(parse_json(line), [EVERYWHERE], anonymizer.anonymize)
        except BadRequestError as error:
            raise BadRequestError(f"line {number + 1} of a block is {error}") from None
        counts.update(found)
        yield render_json(document)


def open_detectors(patterns_only: bool, threshold: float) -> Detectors:
    """Return detectors with the tagger that this package ships, or with patterns alone."""
    if patterns_only:
        return Detectors(threshold=threshold)
    from governance.privacy.tagger import shipped_tagger

    return Detectors(shipped_tagger().find, threshold)


def _scan_json_lines(detectors: Detectors, stream: BinaryIO) -> None:
    bad = 0
    for lines in _line_blocks(stream):
        read = [_read_record(line) for line in lines]
        found = iter(detectors.find_all([record[1] for record in read if isinstance(record, tuple)]))
        for record in read:
            if isinstance(record, str):
                bad += 1
                answer: dict[str, Any] = {"id": None, "error": record}
            else:
                answer = {"id": record[0], "findings": [_row(finding) for finding in next(found)]}
            sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    if bad:
        raise BadRequestError(f"{bad} lines are no JSON objects with an id and a text")


def _read_record(line: bytes) -> tuple[Any, str] | str:
    try:
        record = parse_json(line)
    except BadRequestError as error:
        return str(error)
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        return "it is no object with a text"
    return record.get("id"), record["text"]


def _scan_text(detectors: Detectors, stream: BinaryIO, file: Path) -> None:
    counts: Counter[str] = Counter()
    samples: dict[str, list[str]] = {}
    size = file.stat().st_size if str(file) != "-" and file.exists() else 0
    with click.progressbar(length=size, label="Scanning", file=sys.stderr, hidden=size < BLOCK_BYTES * 4) as bar:
        for lines in _line_blocks(stream):
            texts = [line.decode("utf-8", "replace") for line in lines]
            for text, findings in zip(texts, detectors.find_all(texts), strict=True):
                for finding in findings:
                    counts[finding.entity] += 1
                    few = samples.setdefault(finding.entity, [])
                    if len(few) < SAMPLES:
                        few.append(masked(text[finding.start : finding.end]))
            bar.update(sum(map(len, lines)) + len(lines))
    if not counts:
        click.echo("No personal data was found.")
    for entity, count in counts.most_common():
        click.echo(f"{count:>8,}  {entity:<24} {', '.join(samples[entity])}")


def masked(text: str) -> str:
    """Return a sample that shows what kind of thing it is, and not what it is."""
    shown = "".join("*" if character.isalnum() else character for character in text[:40])
    return f"{text[0]}{shown[1:]}"


def _row(finding: Finding) -> dict[str, Any]:
    return {"entity": finding.entity, "start": finding.start, "end": finding.end, "score": finding.score}


def _line_blocks(stream: BinaryIO) -> Iterator[Sequence[bytes]]:
    """Yield as many whole lines as are there; who asks line by line is answered line by line."""
    rest = b""
    while block := os.read(stream.fileno(), BLOCK_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise BadRequestError(f"a line is longer than {MAX_LINE_BYTES} bytes")
        lines = [line for line in lines if line.strip()]
        if lines:
            yield lines
    if rest.strip():
        yield [rest]


@contextmanager
def _written(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdout.buffer
        return
    try:
        with file.open("xb") as target:
            yield target
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from None


def _opened(file: Path) -> BinaryIO:
    if str(file) == "-":
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    try:
        return file.open("rb")
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
