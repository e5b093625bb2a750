"""`bento-governance artifact inspect`: print the header of a sealed file, unverified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from governance.artifacts.format.container import UnverifiedContainer
from governance.artifacts.opening import inspect_sealed
from governance.artifacts.trust.bundle import unverified_signer, unverified_statement
from governance.cli.options import PATH, json_option
from governance.errors import GovernanceError


@click.command()
@click.argument("file", type=PATH)
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Print the header of FILE: name, version, signers, recipients, files.

    Nothing is verified; use `artifact verify` for that.

    \b
    Examples:
      bento-governance artifact inspect digits.sealed
      bento-governance artifact inspect digits.sealed --json
    """
    container = inspect_sealed(file)
    facts = _unverified_facts(container)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo("UNVERIFIED: read from the header of the file; `artifact verify` checks it.")
    for key in ("name", "version", "created"):
        click.echo(f"  {key}: {facts[key]}")
    for signature in facts["signatures"]:
        click.echo(f"  signed by {signature['signer']} as {signature['role']} at {signature['signed']}")
    for recipient in facts["recipients"]:
        click.echo(f"  encrypted for sha256:{recipient['key_id']} ({recipient['suite']})")
    for entry in container.header.manifest.files:
        click.echo(f"  {entry.size:>14,}  {entry.path}")


def _unverified_facts(container: UnverifiedContainer) -> dict[str, Any]:
    header, trailer = container.header, container.trailer
    return {
        "unverified": True,
        "name": header.name,
        "version": header.version,
        "created": header.created,
        "digest": header.manifest.digest,
        "header_sha256": container.header_sha256.hex(),
        "signatures": [_unverified_signature(entry) for entry in trailer.signatures],
        "recipients": [
            {"key_id": entry.get("key_id"), "suite": entry.get("suite")}
            for entry in trailer.recipients
            if isinstance(entry, dict)
        ],
        "files": header.manifest.to_json(),
    }


def _unverified_signature(entry: Any) -> dict[str, Any]:
    try:
        signer = unverified_signer(entry["model"])
        predicate = unverified_statement(entry["admission"])["predicate"]
        named = (
            f"sha256:{signer}" if isinstance(signer, str) else f"certificate {signer[0].subject.rfc4514_string()[:100]}"
        )
        return {
            "signer": named,
            "role": predicate.get("role"),
            "signed": predicate.get("signed"),
            "cosigned": "cosignature" in entry,
        }
    except (GovernanceError, LookupError, TypeError, AttributeError):
        return {"signer": "malformed", "role": None, "signed": None, "cosigned": False}
