"""`bento-governance policy`: check, test and explain Cedar policies, and try new ones on the audit log's requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

from governance.access.policies.policy_set import PolicySet
from governance.access.policies.review import Remark, review
from governance.access.policies.route_check import DecidedRoute, verify_routes
from governance.access.policies.verdict import PolicyRequest, Verdict
from governance.audit.entry import Entry, decode_entry
from governance.audit.log_files import ENTRIES, logs_below
from governance.cli.help import Group
from governance.errors import ConfigurationError
from governance.oip.routes import oip_routes
from governance.plugins.policy import policy_files
from governance.settings import Settings, load_settings

PATH = click.Path(path_type=Path)
SHOWN = 20
settings_option = click.option(
    "--settings", type=PATH, default=Path("governance.toml"), show_default=True, help="Settings file of the service."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One test case: caller, action, resource and context, and the expected decision, policies and obligations.

    `time` is RFC 3339; `obligations` is as the audit log writes it: "output=label anonymize=PROFILE".
    """

    name: str
    action: str
    decision: Literal["allow", "deny"]
    roles: list[str] = []
    caller: str = "somebody"
    attributes: dict[str, str | int | bool | list[str]] = {}
    model: str | None = None
    model_attributes: dict[str, str | int | bool | list[str]] = {}
    purpose: str | None = None
    route: str = "/"
    client_ip: str | None = None
    time: datetime | None = None
    data_classes: list[str] = []
    emergency: str | None = None
    policies: list[str] | None = None
    obligations: str | None = None


@click.group(cls=Group)
def command() -> None:
    """Check, test, explain and replay Cedar policies.

    \b
    Examples:
      bento-governance policy check --strict
      bento-governance policy test policy_cases.json
    """


@command.command()
@settings_option
@click.option("--strict", is_flag=True, help="Fail if there are remarks.")
@json_option
def check(settings: Path, strict: bool, as_json: bool) -> None:
    """Parse the policies and validate them, and the routes of the settings, against the schema.

    Also prints a remark for each policy that can never apply, for example because it names a model that is not served.

    \b
    Examples:
      bento-governance policy check
      bento-governance policy check --strict --settings governance.toml
    """
    loaded = load_settings(settings)
    policies = _policies(loaded, settings)
    verify_routes(policies, loaded.service.name, _decided_routes(loaded))
    remarks = list(_review(policies, loaded))
    if as_json:
        document = {"digest": policies.digest, "policies": sorted(policies.policies)}
        click.echo(json.dumps({**document, "remarks": [str(remark) for remark in remarks]}, indent=2))
    else:
        click.echo(f"{len(policies.policies)} policies parse and fit the schema: {policies.digest}")
        for remark in remarks:
            click.echo(f"remark: {remark}")
    if strict and remarks:
        raise ConfigurationError(f"{len(remarks)} remarks on the policies; the first: {remarks[0]}")


@command.command()
@click.argument("cases", type=PATH)
@settings_option
@json_option
def test(cases: Path, settings: Path, as_json: bool) -> None:
    """Decide each case in the JSON file CASES and compare the decision with the expected one.

    If one differs, the exit status is 3. A case is, for example, {"name": "viewers may not infer", "roles": ["viewer"],
    "action": "infer", "model": "digits-cnn", "decision": "deny"}.

    \b
    Examples:
      bento-governance policy test policy_cases.json
    """
    loaded = load_settings(settings)
    policies = _policies(loaded, settings)
    rows = [_decide(case, policies, loaded) for case in _cases(cases)]
    failed = [row for row in rows if not row["passed"]]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    if failed:
        first = failed[0]
        raise ConfigurationError(
            f"{len(failed)} of {len(rows)} cases failed; '{first['name']}' should be {first['expected']} "
            f"and is {first['decided']} by {', '.join(first['policies']) or 'no policy'}"
            + (f" with {first['obligations']}" if first["obligations"] else "")
        )


@command.command()
@settings_option
@click.option("--caller", default="somebody", show_default=True, help="Id of the caller.")
@click.option("--role", "roles", multiple=True, help="Role of the caller. May be repeated.")
@click.option("--action", default="infer", show_default=True, help="Cedar action.")
@click.option("--model", help="Model that is the resource. Default: the service itself.")
@click.option("--purpose", help="Purpose, as in the Governance-Purpose header. Default: none.")
@click.option("--route", default="/", show_default=True, help="Route of the request.")
@click.option("--client-ip", help="IP address of the client. Default: unknown.")
@click.option("--data-class", "data_classes", multiple=True, help="Data class in the request. May be repeated.")
@click.option("--emergency", help="Reason code of an emergency grant. Default: no grant.")
@json_option
def explain(settings: Path, as_json: bool, roles: tuple[str, ...], data_classes: tuple[str, ...], **asked: Any) -> None:
    """Decide one request and print, for each policy that could apply, whether it does.

    \b
    Examples:
      bento-governance policy explain --role viewer --model digits-cnn
      bento-governance policy explain --role physician --model risk \\
        --purpose treatment --data-class health
    """
    loaded = load_settings(settings)
    policies = _policies(loaded, settings)
    case = Case("", decision="allow", roles=list(roles), data_classes=list(data_classes), **asked)
    request = _request(case, loaded)
    verdict, spoken = policies.decide(request), policies.explain(request)
    if as_json:
        listed = [{"policy": p.id, "effect": p.effect, "place": p.place, "says": says} for p, says in spoken]
        document = {"decision": _word(verdict), "because": str(verdict), "obligations": str(verdict.obligations)}
        click.echo(json.dumps({**document, "policies": listed}, indent=2))
        return
    click.echo(f"{_word(verdict)}: {verdict}")
    if str(verdict.obligations):
        click.echo(f"  obligation: {verdict.obligations}")
    for policy, says in spoken:
        click.echo(f"  {policy.effect:<6}  {policy.id}: {says}  ({policy.place})")
        if policy.description:
            click.echo(f"          {policy.description}")
    if not spoken:
        click.echo("  no policy applies to this caller, action and resource")


@command.command()
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
    verdict, was_allowed = policies.decide(_request(case, settings)), not entry.detail
    if verdict.allowed != was_allowed:
        kind = "allowed" if verdict.allowed else "denied"
    elif verdict.allowed and str(verdict.obligations) != entry.obligations:
        kind = "answered under other obligations"
    else:
        return None
    because = f"{verdict}" + (f" ({verdict.obligations})" if str(verdict.obligations) else "")
    return kind, case.caller, ", ".join(entry.roles), entry.action, entry.model or "", entry.purpose or "", because


def _decided(audit: Path, first_us: int) -> Any:
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


def _review(policies: PolicySet, settings: Settings) -> list[Remark]:
    actions = {route.action for route in oip_routes(0)} | {route.action for route in settings.routes} | {"metrics"}
    resources = {
        ("Model", name): policies.ancestors([("Model", name), *(("ModelGroup", group) for group in model.groups)])
        for name, model in settings.models.items()
    }
    service = ("Service", settings.service.name)
    resources[service] = policies.ancestors([service])
    return list(review(policies.policies.values(), frozenset(actions), resources, policies.ancestors))


def _decided_routes(settings: Settings) -> Iterator[DecidedRoute]:
    for route in settings.routes:
        if not route.public:
            models = {route.model, *route.models} - {None}
            yield DecidedRoute(route.path, route.action, tuple(sorted(map(str, models))))


def _policies(settings: Settings, file: Path) -> PolicySet:
    if settings.policy is None:
        raise ConfigurationError(f"{file} has no [policy] section")
    return policy_files(settings.policy).load()


def _cases(file: Path) -> list[Case]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Case])
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{file} is not a table of cases: {error}") from None


def _request(case: Case, settings: Settings) -> PolicyRequest:
    model = settings.models.get(case.model) if case.model is not None else None
    return PolicyRequest(
        caller=case.caller,
        roles=tuple(case.roles),
        action=case.action,
        resource=("Service", settings.service.name) if case.model is None else ("Model", case.model),
        groups=model.groups if model is not None else (),
        route=case.route,
        purpose=case.purpose,
        attributes=_pairs(case.attributes),
        model_attributes=_pairs(case.model_attributes),
        client_ip=case.client_ip,
        minute=int((case.time or datetime.now(UTC)).timestamp() // 60),
        data_classes=tuple(sorted(case.data_classes)),
        emergency=case.emergency,
    )


def _pairs(attributes: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((k, tuple(sorted(v)) if isinstance(v, list) else v) for k, v in sorted(attributes.items()))


def _decide(case: Case, policies: PolicySet, settings: Settings) -> dict[str, Any]:
    verdict = policies.decide(_request(case, settings))
    decided = _word(verdict)
    by_policies = case.policies is None or sorted(case.policies) == list(verdict.policy_ids)
    obliged = case.obligations is None or case.obligations == str(verdict.obligations)
    return {
        "name": case.name,
        "expected": case.decision,
        "decided": decided,
        "policies": list(verdict.policy_ids),
        "obligations": str(verdict.obligations),
        "passed": decided == case.decision and by_policies and obliged,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        mark, by = "ok  " if row["passed"] else "FAIL", ", ".join(row["policies"]) or "no policy"
        also = f"; {row['obligations']}" if row["obligations"] else ""
        click.echo(f"{mark}  {row['decided']:<5}  {row['name']:<{width}}  ({by}{also})")


def _word(verdict: Verdict) -> str:
    return "allow" if verdict.allowed else "deny"
