"""Finds the few policies that can speak of a request, by their scopes alone.

A policy whose scope does not match a request decides nothing and cannot err, so leaving it out changes no decision
(policy slicing: Cutler et al., "Cedar: A New Language for Expressive, Fast, Safe, and Analyzable Authorization", 2024).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from governance.access.policies.text import Policy

Uid = tuple[str, str]


class PolicyIndex:
    """Policies by the entities that their scopes name."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._by_scope: dict[tuple[Uid | None, Uid | None], list[Policy]] = {}
        for policy in policies:
            key = scope_entity(policy.document["principal"]), scope_entity(policy.document["resource"])
            self._by_scope.setdefault(key, []).append(policy)

    def find(self, principals: Iterable[Uid], action: str, resources: Iterable[Uid]) -> list[Policy]:
        """Return the policies that may match.

        Args:
            principals: the caller and all that it is in.
            resources: the resource and all that it is in.
        """
        places: tuple[Uid | None, ...] = (None, *resources)
        callers: tuple[Uid | None, ...] = (None, *principals)
        return [
            policy
            for principal in callers
            for resource in places
            for policy in self._by_scope.get((principal, resource), ())
            if _concerns(policy.document["action"], action)
        ]


def scope_entity(scope: Mapping[str, Any]) -> Uid | None:
    """Return the entity that a scope names, or None if it takes any (of a type)."""
    inner = scope.get("in", scope) if scope["op"] == "is" else scope
    entity = inner.get("entity")
    return None if entity is None else (entity["type"], entity["id"])


def _concerns(scope: Mapping[str, Any], action: str) -> bool:
    """Only `==` is looked at: what `in` names may be a group of actions."""
    return scope["op"] != "==" or bool(scope["entity"]["id"] == action)
