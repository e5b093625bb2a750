"""`bento-governance artifact fetch`: download a sealed artifact and keep it if it is the expected one."""

from __future__ import annotations

from pathlib import Path

import click

from governance.artifacts.fetch import fetch_artifact
from governance.artifacts.trust.trust import Trust
from governance.cli.artifact.options import trust_options
from governance.cli.options import PATH
from governance.errors import KeyUnavailableError


@click.command()
@click.argument("url")
@click.argument("output", type=PATH)
@click.option("--sha256", required=True, help="SHA-256 of the sealed file, as 64 hex digits.")
@trust_options
@click.option("--token-file", type=PATH, help="File with a bearer token for the host of URL, or with USER:PASSWORD.")
def fetch(
    url: str,
    output: Path,
    sha256: str,
    trust: Trust,
    token_file: Path | None,
) -> None:
    """Download a sealed artifact from URL to the file OUTPUT.

    It is kept only if its digest and its signatures are right. URL may be a blob in an OCI registry:
    https://HOST/v2/NAME/blobs/sha256:DIGEST

    \b
    Examples:
      bento-governance artifact fetch https://models.example.org/digits.sealed \\
        digits.sealed --sha256 "$DIGEST" --trust signing.key.pub
    """
    token = None if token_file is None else _read_token(token_file)
    facts = fetch_artifact(url, output, sha256=sha256, trust=trust, token=token)
    click.echo(f"Fetched {output}: {facts.name} version {facts.version}, signed by {', '.join(facts.signers)}")


def _read_token(file: Path) -> str:
    """Return a token from a file, without the end of the line."""
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise KeyUnavailableError(f"cannot read the token in {file}") from None
