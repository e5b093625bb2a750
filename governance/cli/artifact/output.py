"""What artifact commands print: facts of a verified artifact, and a progress bar for large files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from governance.artifacts.format.manifest import Progress
from governance.artifacts.seal import SealedFacts
from governance.errors import ConfigurationError

SHOW_PROGRESS_FROM_BYTES = 64 * 2**20


def print_facts(facts: SealedFacts, as_json: bool, sentence: str) -> None:
    """Print what an artifact holds and who signed it: as JSON, or as lines that begin with `sentence`."""
    if as_json:
        document = {
            "name": facts.name,
            "version": facts.version,
            "created": facts.created,
            "digest": facts.digest,
            "signed_by": list(facts.signers),
            "files": facts.manifest.to_json(),
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{sentence}: {facts.name} version {facts.version}, {len(facts.manifest.files)} files")
    click.echo(f"  {facts.digest}")
    for signer in facts.signers:
        click.echo(f"  signed by {signer}")


def size_of(file: Path) -> int:
    """Return the size of a file in bytes.

    Raises:
        ConfigurationError: if it cannot be read.
    """
    try:
        return file.stat().st_size
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None


@contextmanager
def show_progress(label: str, total: int) -> Iterator[Progress]:
    """Yield a function that takes the number of bytes done since its last call.

    It moves a bar on standard error; with fewer than `SHOW_PROGRESS_FROM_BYTES` in total, no bar is shown.
    """
    if total < SHOW_PROGRESS_FROM_BYTES:
        yield lambda _: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        advance: Callable[[int], None] = bar.update
        yield advance
