"""Conditions that can never hold, as of a `forbid` with a misspelt attribute: it would load, and never apply.

Cedar's validator gives `has` of an undeclared attribute the type False, and does not check what follows a False operand
of `&&`. So a condition is False for every request of its scope if the validator accepts it with a wrong operand behind.

Source: https://docs.cedarpolicy.com/policies/validation.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import cedarpy

from governance.access.policies.cedar.text import Policy, parsed
from governance.errors import ConfigurationError

_WRONG: Mapping[str, Any] = {".": {"left": {"Var": "context"}, "attr": "an attribute that no schema declares"}}


@dataclass(frozen=True, slots=True)
class _Probe:
    policy: Policy
    document: Mapping[str, Any]
    finding: str


def verify_conditions(policies: Iterable[Policy], schema: str) -> None:
    """Refuse policies with a condition that holds for no request of their scope.

    Args:
        policies: Valid policies, links and templates.
        schema: Text of the schema.

    Raises:
        ConfigurationError: with place and reason of each.
    """
    with_conditions = [policy for policy in policies if policy.document["conditions"]]
    found = [
        f"{policy.place}, policy '{policy.id}': its condition can never be true: {contradiction}"
        for policy in with_conditions
        if (contradiction := _contradiction(policy)) is not None
    ]
    probes = [probe for policy in with_conditions for probe in _probes(policy)]
    if probes:
        result = cedarpy.validate_policies("\n".join(map(_text, probes)), schema)
        possible = {error.policy_id for error in result.errors}
        found += [
            f"{probe.policy.place}, policy '{probe.policy.id}': {probe.finding}"
            for number, probe in enumerate(probes)
            if f"policy{number}" not in possible
        ]
    if found:
        raise ConfigurationError("; ".join(dict.fromkeys(found))[:1000])


def _probes(policy: Policy) -> Iterator[_Probe]:
    conditions = policy.document["conditions"]
    wrong = {"kind": "when", "body": _WRONG}
    for test in _tests_of_attributes(conditions):
        guarded = {"kind": "when", "body": _and(*_guards(test["left"]), {"has": test}, _WRONG)}
        finding = f"it tests for the attribute '{test['attr']}', which the schema does not declare there"
        yield _Probe(policy, {**policy.document, "conditions": [guarded]}, finding)
    finding = "its condition can never be true for what the schema declares"
    yield _Probe(policy, {**policy.document, "conditions": [*conditions, wrong]}, finding)


def _text(probe: _Probe) -> str:
    document = {name: _any_entity(part) for name, part in probe.document.items()}
    policies = {"staticPolicies": {"probe": document}, "templates": {}, "templateLinks": []}
    return str(parsed(partial(cedarpy.policies_from_json_str, json.dumps(policies)), probe.policy.place))


def _any_entity(scope: Any) -> Any:
    """Return a scope without the slot of a template, which stands for any entity."""
    if isinstance(scope, Mapping) and "slot" in scope:
        return {"op": "All"}
    if isinstance(scope, Mapping) and "slot" in scope.get("in", {}):
        return {name: part for name, part in scope.items() if name != "in"}
    return scope


def _tests_of_attributes(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield each operand pair of `has` in an expression."""
    if isinstance(value, Mapping):
        if isinstance(value.get("has"), Mapping) and len(value) == 1:
            yield value["has"]
        for item in value.values():
            yield from _tests_of_attributes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _tests_of_attributes(item)


def _guards(value: Any) -> list[Any]:
    """Return a `has` for each attribute that an expression reads, from the outermost: it may be optional."""
    read = value.get(".") if isinstance(value, Mapping) else None
    return [] if read is None else [*_guards(read["left"]), {"has": read}]


def _and(*operands: Any) -> Any:
    joined = operands[-1]
    for operand in reversed(operands[:-1]):
        joined = {"&&": {"left": operand, "right": joined}}
    return joined


def _contradiction(policy: Policy) -> str | None:
    """Return what a conjunction demands twice, differently: one text of an attribute and another, or X and not X."""
    wanted: dict[str, Any] = {}
    for operand, holds in _demands(policy):
        for read, value in ((operand, holds), *(_equalities(operand) if holds else ())):
            key = json.dumps(read, sort_keys=True)
            if wanted.setdefault(key, value) != value:
                return f"it demands {json.dumps(wanted[key])} and {json.dumps(value)} of one value"
    return None


def _demands(policy: Policy) -> Iterator[tuple[Any, bool]]:
    """Yield operands of the whole condition as a conjunction, each with whether it must be true or false."""
    pending = [(item["body"], item["kind"] == "when") for item in policy.document["conditions"]]
    while pending:
        value, holds = pending.pop()
        joined = value.get("&&" if holds else "||") if isinstance(value, Mapping) else None
        if joined is not None:
            pending += [(joined["right"], holds), (joined["left"], holds)]
        elif isinstance(value, Mapping) and "!" in value:
            pending.append((value["!"]["arg"], not holds))
        else:
            yield value, holds


def _equalities(operand: Any) -> Iterator[tuple[Any, Any]]:
    """Yield expression and literal of `expression == literal`."""
    sides = operand.get("==") if isinstance(operand, Mapping) else None
    if sides is not None:
        for read, literal in ((sides["left"], sides["right"]), (sides["right"], sides["left"])):
            if "Value" in literal and "Value" not in read:
                yield read, literal["Value"]
