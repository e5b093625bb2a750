"""`bento-governance policy`: check Cedar policies, and test them against a table of cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

from governance.access.policy import PolicySet, Request
from governance.errors import ConfigurationError
from governance.settings import Settings, load_settings

PATH = click.Path(path_type=Path)
settings_option = click.option(
    "--settings", type=PATH, default=Path("governance.toml"), show_default=True, help="The service's settings."
)


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One row: who, what, on what, for which purpose → decision, and optionally by which policies."""

    name: str
    action: str
    decision: Literal["allow", "deny"]
    roles: list[str] = []
    caller: str = "somebody"
    model: str | None = None
    purpose: str | None = None
    route: str = "/"
    policies: list[str] | None = None


@click.group()
def command() -> None:
    """Check Cedar policies, and test them against a table of cases."""


@command.command()
@settings_option
def check(settings: Path) -> None:
    """Parse the policies, and validate them against the schema."""
    policies = _policies(load_settings(settings), settings)
    click.echo(f"The policies parse and fit the schema: {policies.digest}")


@command.command()
@click.argument("cases", type=PATH)
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(cases: Path, settings: Path, as_json: bool) -> None:
    """Decide every row of CASES, and fail with the rows that come out otherwise."""
    loaded = load_settings(settings)
    policies = _policies(loaded, settings)
    rows = [_decide(case, policies, loaded) for case in _cases(cases)]
    failed = [row for row in rows if not row["passed"]]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            mark = "ok  " if row["passed"] else "FAIL"
            click.echo(f"{mark}  {row['decided']:<5}  {row['name']}  ({', '.join(row['policies']) or 'no policy'})")
    if failed:
        first = failed[0]
        raise ConfigurationError(
            f"{len(failed)} of {len(rows)} cases failed; '{first['name']}' should be {first['expected']} "
            f"and is {first['decided']} by {', '.join(first['policies']) or 'no policy'}"
        )


def _policies(settings: Settings, file: Path) -> PolicySet:
    if settings.policy is None:
        raise ConfigurationError(f"{file} has no [policy] section")
    return PolicySet.from_files(settings.policy.policies, settings.policy.cedar_schema, settings.policy.entities)


def _cases(file: Path) -> list[Case]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Case])
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{file} is not a table of cases: {error}") from None


def _decide(case: Case, policies: PolicySet, settings: Settings) -> dict[str, Any]:
    model = settings.models.get(case.model) if case.model is not None else None
    verdict = policies.decide(
        Request(
            caller=case.caller,
            roles=tuple(case.roles),
            action=case.action,
            resource=("Service", settings.service.name) if case.model is None else ("Model", case.model),
            groups=model.groups if model is not None else (),
            route=case.route,
            purpose=case.purpose,
        )
    )
    decided = "allow" if verdict.allowed else "deny"
    by_policies = case.policies is None or sorted(case.policies) == list(verdict.policy_ids)
    return {
        "name": case.name,
        "expected": case.decision,
        "decided": decided,
        "policies": list(verdict.policy_ids),
        "passed": decided == case.decision and by_policies,
    }
