"""Remarks on valid policies: those that can never apply, and those that change no decision.

Only scopes are compared, so every remark is true; a policy whose conditions can never hold is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from governance.access.policies.cedar.index import Uid, scope_entity
from governance.access.policies.cedar.text import Policy
from governance.access.policies.obligations import NO_OBLIGATIONS

Ancestors = Callable[[Iterable[Uid]], set[Uid]]


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark.

    Attributes:
        policy: Id of the policy.
        place: File and line.
        reason: What is wrong, in one sentence.
    """

    policy: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}, policy '{self.policy}': {self.reason}"


def review(
    policies: Iterable[Policy], actions: frozenset[str], resources: Mapping[Uid, set[Uid]], ancestors: Ancestors
) -> Iterator[Remark]:
    """Yield remarks on policies.

    Args:
        policies: Policies and links of templates.
        actions: Actions of the service's routes.
        resources: Uids of the models and the service, each with itself and its ancestors.
        ancestors: Returns the given entities and their ancestors.
    """
    listed = list(policies)
    for policy in listed:
        wanted = _actions(policy)
        if wanted is not None and not wanted & actions:
            yield Remark(policy.id, policy.place, f"no route has the action {', '.join(sorted(wanted))}")
        target = scope_entity(policy.document["resource"])
        if target is not None and not any(target in within for within in resources.values()):
            yield Remark(policy.id, policy.place, f"no model or service is, or belongs to, {target[0]}::{target[1]!r}")
        yield from _overshadowed(policy, listed, ancestors)


def _overshadowed(policy: Policy, others: Iterable[Policy], ancestors: Ancestors) -> Iterator[Remark]:
    for other in others:
        if other is policy or other.document["conditions"] or not _covers(other, policy, ancestors):
            continue
        if policy.effect == "permit" and other.effect == "forbid":
            yield Remark(policy.id, policy.place, f"'{other.id}' forbids everything that it permits")
        # Of two policies that cover each other, only the later one gets a remark.
        elif policy.effect == other.effect and policy.obligations == NO_OBLIGATIONS == other.obligations:
            mutual = not policy.document["conditions"] and _covers(policy, other, ancestors)
            if not mutual or list(others).index(other) < list(others).index(policy):
                yield Remark(policy.id, policy.place, f"'{other.id}' already {policy.effect}s all of it")


def _covers(wide: Policy, narrow: Policy, ancestors: Ancestors) -> bool:
    """Return whether every request in the scope of `narrow` is in the scope of `wide`."""
    wide_actions, narrow_actions = _actions(wide), _actions(narrow)
    if wide_actions is not None and (narrow_actions is None or not narrow_actions <= wide_actions):
        return False
    return all(
        _scope_covers(wide.document[part], narrow.document[part], ancestors) for part in ("principal", "resource")
    )


def _scope_covers(wide: Mapping[str, Any], narrow: Mapping[str, Any], ancestors: Ancestors) -> bool:
    if wide["op"] == "All":
        return True
    outer, inner = scope_entity(wide), scope_entity(narrow)
    if wide["op"] == "is":
        kind = narrow.get("entity_type") or (inner[0] if narrow["op"] == "==" and inner else None)
        if kind != wide["entity_type"]:
            return False
        if outer is None:
            return True
    if inner is None or outer is None:
        return False
    if wide["op"] == "==":
        return inner == outer and narrow["op"] == "=="
    return outer in ancestors([inner])


def _actions(policy: Policy) -> frozenset[str] | None:
    scope = policy.document["action"]
    if scope["op"] == "All":
        return None
    listed = scope["entities"] if "entities" in scope else [scope["entity"]]
    return frozenset(item["id"] for item in listed)
