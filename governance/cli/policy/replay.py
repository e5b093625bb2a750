"""`bento-governance policy replay`: decide logged requests by candidate policies, and print what would change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from governance.access.policies.policy_set import PolicySet
from governance.audit.entry import Entry, decode_entry
from governance.audit.log_files import ENTRIES, logs_below
from governance.cli.options import PATH, json_option, settings_option
from governance.cli.policy.case import Case, request_of
from governance.errors import ConfigurationError
from governance.plugins.policy import policy_files
from governance.settings import Settings, load_settings

SHOWN = 20


@click.command()
@click.argument("audit", type=PATH)
@click.option(
    "--candidate", type=PATH, required=True, help="Policies to try: a file, or a folder whose *.cedar files are read."
)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Only requests from this day on (UTC)."
)
@settings_option
@json_option
def replay(audit: Path, candidate: Path, since: datetime | None, settings: Path, as_json: bool) -> None:
    """Decide the logged requests again by candidate policies, and print what would change.

    AUDIT is the folder of the audit log. The log holds neither addresses nor attributes of callers, so policies that
    use them decide as if they were unknown.

    \b
    Examples:
      bento-governance policy replay state/audit --candidate new.cedar
      bento-governance policy replay state/audit --candidate new.cedar \\
        --since 2026-01-31
    """
    loaded = load_settings(settings)
    if loaded.policy is None:
        raise ConfigurationError(f"{settings} has no [policy] section")
    policies = policy_files(loaded.policy, candidate).load()
    first_us = 0 if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1_000_000)
    total, changes = 0, Counter[tuple[str, ...]]()
    for entry in _decided(audit, first_us):
        total += 1
        change = _change(entry, policies, loaded)
        if change is not None:
            changes[change] += 1
    _print_changes(total, changes, as_json)


def _print_changes(total: int, changes: Counter[tuple[str, ...]], as_json: bool) -> None:
    names = ("change", "caller", "roles", "action", "model", "purpose", "because")
    rows = [{**dict(zip(names, change, strict=True)), "requests": count} for change, count in changes.most_common()]
    sums = Counter[str]()
    for change, count in changes.items():
        sums[change[0]] += count
    if as_json:
        click.echo(json.dumps({"requests": total, "changed": dict(sums), "rows": rows}, indent=2))
        return
    if not rows:
        click.echo(f"None of {total:,} requests would be decided differently.")
    for kind, count in sums.most_common():
        click.echo(f"{count:,} of {total:,} would be {kind}:")
        for row in [row for row in rows if row["change"] == kind][:SHOWN]:
            purpose = f" for {row['purpose']}" if row["purpose"] else ""
            where = f"{row['action']} {row['model'] or 'the service'}{purpose}"
            click.echo(f"  {row['requests']:>8,}  {row['caller']} [{row['roles']}]  {where}: {row['because']}")


def _change(entry: Entry, policies: PolicySet, settings: Settings) -> tuple[str, ...] | None:
    """Return what would change for a logged request, or None."""
    case = Case(
        "",
        entry.action,
        "allow",
        roles=list(entry.roles),
        caller=entry.caller or "",
        model=entry.model,
        purpose=entry.purpose,
        route=entry.route,
        time=datetime.fromtimestamp(entry.time_us / 1e6, UTC),
        data_classes=list(entry.data_classes),
    )
    verdict, was_allowed = policies.decide(request_of(case, settings)), not entry.detail
    if verdict.allowed != was_allowed:
        kind = "allowed" if verdict.allowed else "denied"
    elif verdict.allowed and str(verdict.obligations) != entry.obligations:
        kind = "answered under other obligations"
    else:
        return None
    because = f"{verdict}" + (f" ({verdict.obligations})" if str(verdict.obligations) else "")
    return kind, case.caller, ", ".join(entry.roles), entry.action, entry.model or "", entry.purpose or "", because


def _decided(audit: Path, first_us: int) -> Iterator[Entry]:
    """Yield the entries of the log that policies decided."""
    for folder in logs_below(audit):
        try:
            with (folder / ENTRIES).open("rb") as lines:
                for number, line in enumerate(lines):
                    try:
                        entry = decode_entry(line)
                    except msgspec.MsgspecError:
                        raise ConfigurationError(f"{folder}: entry {number} is not valid: run `audit verify`") from None
                    # Requests that a grant allowed are skipped: the log does not hold their reason code.
                    decided = (
                        entry.policy_digest is not None
                        and entry.outcome != "event"
                        and entry.stream != "ended"
                        and not entry.grant
                    )
                    if decided and entry.time_us >= first_us:
                        yield entry
        except OSError as error:
            raise ConfigurationError(f"cannot read {folder / ENTRIES}: {error.strerror}") from None
