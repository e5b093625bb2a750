"""`bento-governance policy test`: decide a table of cases and compare the decisions with the expected ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from governance.access.policies.policy_set import PolicySet
from governance.cli.options import PATH, json_option, settings_option
from governance.cli.policy.case import Case, load_policies, request_of, word_of
from governance.errors import ConfigurationError
from governance.settings import Settings, load_settings


@click.command()
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
    policies = load_policies(loaded, settings)
    rows = [_decide(case, policies, loaded) for case in _read_cases(cases)]
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


def _read_cases(file: Path) -> list[Case]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Case])
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{file} is not a table of cases: {error}") from None


def _decide(case: Case, policies: PolicySet, settings: Settings) -> dict[str, Any]:
    verdict = policies.decide(request_of(case, settings))
    decided = word_of(verdict)
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
