"""`privacy reveal`: decrypts tokens for a caller with permission, with an entry in the audit log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click

from governance.canonical import parse_json
from governance.contract.exchange import new_exchange
from governance.errors import ConfigurationError
from governance.gate.pipeline import Pipeline
from governance.keys.uri import read
from governance.settings import Settings, load_settings

BLOCK_LINES = 1_000


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    default=Path("governance.toml"),
    show_default=True,
    help="Settings file of the service.",
)
@click.option("--credential", required=True, help="URI of your own API key or token: env:NAME or file:PATH.")
@click.option("--purpose", help="Purpose, if the policies ask for one.")
@click.option("--scope", help="Scope of the tokens. Default: the scope in [privacy] of the settings.")
def reveal(file: BinaryIO, settings: Path, credential: str, purpose: str | None, scope: str | None) -> None:
    """Print FILE with its tokens decrypted.

    The policies of the service must permit the action `reveal`. The audit log gets an entry for each block of lines
    before it is printed. A running service does the same at POST /governance/reveal. Input and output:
    <PERSON:3q2-7wAA...> becomes Ada Lovelace.

    \b
    Examples:
      bento-governance privacy reveal letters.clean.txt --credential env:MY_KEY
      bento-governance privacy reveal letters.clean.txt \\
        --credential file:my.key --purpose treatment
    """
    asyncio.run(_reveal(file, load_settings(settings), read(credential).strip(), purpose, scope))


async def _reveal(file: BinaryIO, settings: Settings, token: bytes, purpose: str | None, scope: str | None) -> None:
    from governance.host.plugins import load_plugins
    from governance.plugins.privacy.reveal import REVEAL

    plugins = [plugin for plugin in load_plugins(settings) if not plugin.worker_only]
    missing = {"audit", "identity", "policy", "privacy"} - {plugin.name for plugin in plugins}
    if missing or not settings.privacy.reveal:
        what = f"the plugins {', '.join(sorted(missing))}" if missing else "reveal = true in [privacy]"
        raise ConfigurationError(f"revealing tokens needs {what}")
    headers = [(b"authorization", b"Bearer " + token), (b"content-type", b"application/json")]
    if purpose is not None:
        headers.append((b"governance-purpose", purpose.encode()))
    pipeline = Pipeline(plugins)
    server = next(routes[REVEAL] for plugin in plugins if REVEAL in (routes := plugin.routes()))
    handle = pipeline.around(server)
    await pipeline.open()
    kept = 0
    try:
        for lines in _blocks(file):
            document = {"texts": lines} if scope is None else {"texts": lines, "scope": scope}
            reply = await handle(new_exchange(REVEAL, headers, json.dumps(document).encode()))
            answer = parse_json(b"".join(reply.body))
            click.echo("\n".join(answer["texts"]))
            kept += answer.get("kept", 0)
        if kept:
            click.echo(f"{kept} tokens stay: they are of another key or scope, or were changed", err=True)
    finally:
        await pipeline.close()


def _blocks(file: BinaryIO) -> Iterator[list[str]]:
    while lines := list(islice(file, BLOCK_LINES)):
        yield [line.decode("utf-8", "replace").rstrip("\n") for line in lines]
