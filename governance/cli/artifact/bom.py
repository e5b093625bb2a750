"""`bento-governance bom`: a CycloneDX bill of materials of sealed models, new or added to another bill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from governance import __version__
from governance.artifacts.bill import bill_into, bill_of, model_component
from governance.artifacts.format.sources import CARD_FILE
from governance.artifacts.opening import open_sealed, verify_sealed
from governance.artifacts.trust.trust import Trust
from governance.canonical import parse_json
from governance.cli.artifact.options import KEY_URIS, trust_options
from governance.cli.options import PATH
from governance.errors import BadRequestError, ConfigurationError
from governance.keys import open_recipient_key

MAX_BASE_BYTES = 64 * 2**20


@click.command()
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@trust_options
@click.option(
    "--recipient-key", help=f"URI of the private key of a recipient ({KEY_URIS}). With it, the model cards are added."
)
@click.option(
    "--into", "base", type=PATH, help="CycloneDX 1.6 file (JSON) to which the models are added. Default: a new bill."
)
@click.option("--output", type=PATH, help="File to write. Default: standard output.")
def command(
    files: tuple[Path, ...],
    trust: Trust,
    recipient_key: str | None,
    base: Path | None,
    output: Path | None,
) -> None:
    """Write a bill of materials (CycloneDX 1.6, ML-BOM) of sealed models.

    Each FILE is verified first. With --into, the models are added to the bill of another tool, for example of
    cyclonedx-py environment.

    \b
    Examples:
      bento-governance bom digits.sealed --trust signing.key.pub
      bento-governance bom a.sealed b.sealed --trust signing.key.pub \\
        --into environment.json --output bom.json
    """
    key = None if recipient_key is None else open_recipient_key(recipient_key)
    components = []
    for file in files:
        facts = verify_sealed(file, trust=trust)
        card = None
        if key is not None:
            with open_sealed(file, name=facts.name, minimum_version=1, trust=trust, recipient_key=key) as opened:
                card = _card(file, opened.files)
        components.append(model_component(facts, card))
    if base is not None:
        bill = bill_into(_read_base(base), components)
    else:
        bill = bill_of(components, serial=uuid4(), made=datetime.now(UTC), version=__version__)
    text = json.dumps(bill, indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from None


def _card(file: Path, files: Mapping[str, memoryview]) -> Mapping[str, Any] | None:
    if CARD_FILE not in files:
        return None
    card = parse_json(bytes(files[CARD_FILE]))
    if not isinstance(card, dict):
        raise ConfigurationError(f"the card.json of {file} is not a JSON object")
    return card


def _read_base(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > MAX_BASE_BYTES:
            raise ConfigurationError(f"{path} is larger than {MAX_BASE_BYTES} bytes")
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except BadRequestError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} is not a JSON object")
    return document
