"""`bento-governance audit`: verify the log, and prove what was answered."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from governance.audit.evidence import prove, verify_evidence
from governance.audit.log_files import ENTRIES, logs_below
from governance.audit.receipt import Receipt
from governance.audit.verify import verify_log
from governance.canonical import parse_json
from governance.cli.help import Group
from governance.cli.options import PATH, json_option
from governance.errors import ConfigurationError
from governance.keys import load_verifying_key

SHOW_PROGRESS_FROM_BYTES = 16 * 2**20
UNCOVERED = "not covered by a checkpoint yet: only the service can tell whether it wrote them"

key_option = click.option(
    "--key", type=PATH, required=True, help="Public key of the checkpoints (the .pub file of the checkpoint key)."
)


@click.group(cls=Group)
def command() -> None:
    """Verify the audit log and prove a single answer.

    \b
    Examples:
      bento-governance audit verify state/audit --key checkpoint.key.pub
      bento-governance audit prove state/audit "$RECEIPT" >evidence.json
      bento-governance audit check evidence.json --key checkpoint.key.pub
    """


@command.command()
@click.argument("directory", type=PATH)
@key_option
@json_option
def verify(directory: Path, key: Path, as_json: bool) -> None:
    """Verify every entry and every checkpoint in the logs below DIRECTORY.

    The first entry that is not as it was signed is named, and the exit status is 5. A log that is being written may be
    verified too.

    \b
    Examples:
      bento-governance audit verify state/audit --key checkpoint.key.pub
    """
    verifying, folders = load_verifying_key(key), logs_below(directory)
    total = sum((folder / ENTRIES).stat().st_size for folder in folders if (folder / ENTRIES).exists())
    with click.progressbar(
        length=total, label="Verifying", file=sys.stderr, hidden=total < SHOW_PROGRESS_FROM_BYTES
    ) as bar:
        logs = [verify_log(folder, verifying, bar.update) for folder in folders]
    if as_json:
        click.echo(json.dumps([asdict(log) for log in logs], indent=2))
        return
    for log in logs:
        tail = f"; {log.uncovered} {UNCOVERED}" if log.uncovered else ""
        click.echo(f"ok  {log.origin}: {log.entries} entries, {log.checkpoints} checkpoints{tail}")


@command.command(name="prove")
@click.argument("directory", type=PATH)
@click.argument("receipt")
def prove_(directory: Path, receipt: str) -> None:
    """Print the evidence for a RECEIPT from the logs below DIRECTORY.

    RECEIPT is the Governance-Receipt header of an answer. The evidence is JSON; it proves that the entry is in the log.

    \b
    Examples:
      bento-governance audit prove state/audit "$RECEIPT" >evidence.json
    """
    click.echo(json.dumps(prove(directory, Receipt.from_text(receipt)), indent=2, ensure_ascii=False))


@command.command()
@click.argument("evidence", type=PATH)
@key_option
@click.option("--request", type=PATH, help="File with the body of the request, to compare with the entry.")
@click.option("--reply", type=PATH, help="File with the body of the answer, to compare with the entry.")
def check(evidence: Path, key: Path, request: Path | None, reply: Path | None) -> None:
    """Check EVIDENCE, the output of `audit prove`, without the log.

    Prints the request, the decision and the outcome. If a body is not the one in the entry, the exit status is 5.

    \b
    Examples:
      bento-governance audit check evidence.json --key checkpoint.key.pub
      bento-governance audit check evidence.json --key checkpoint.key.pub \\
        --request request.json --reply reply.json
    """
    bodies = [None if file is None else _read(file) for file in (request, reply)]
    entry = verify_evidence(parse_json(_read(evidence)), load_verifying_key(key), request=bodies[0], reply=bodies[1])
    compared = [kind for kind, body in zip(("request", "reply"), bodies, strict=True) if body is not None]
    click.echo(f"Proved: {entry.method} {entry.route} was {entry.outcome} for {entry.caller or 'an unknown caller'}")
    click.echo(f"  model {entry.model} version {entry.version} ({entry.model_digest})")
    click.echo(f"  policies {', '.join(entry.policies) or 'none'} ({entry.policy_digest})")
    click.echo(f"  bodies compared: {', '.join(compared) or 'none'}")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
