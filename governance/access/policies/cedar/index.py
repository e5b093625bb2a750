"""Selection of the policies that a request can match, by their scopes (policy slicing).

A policy whose scope does not match a request has no effect and cannot raise an error, so leaving it out changes no
decision. Source: Cutler et al., "Cedar: A New Language for Expressive, Fast, Safe, and Analyzable Authorization", 2024.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from governance.access.policies.cedar.text import Policy

Uid = tuple[str, str]


class PolicyIndex:
    """Policies by the principal and resource that their scopes name."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._by_scope: dict[tuple[Uid | None, Uid | None], list[Policy]] = {}
        for policy in policies:
            key = scope_entity(policy.document["principal"]), scope_entity(policy.document["resource"])
            self._by_scope.setdefault(key, []).append(policy)

    def find(self, principals: Iterable[Uid], action: str, resources: Iterable[Uid]) -> list[Policy]:
        """Return the policies that can match.

        Args:
            principals: The caller and its ancestors.
            action: Id of the action.
            resources: The resource and its ancestors.
        """
        all_resources: tuple[Uid | None, ...] = (None, *resources)
        all_principals: tuple[Uid | None, ...] = (None, *principals)
        return [
            policy
            for principal in all_principals
            for resource in all_resources
            for policy in self._by_scope.get((principal, resource), ())
            if _concerns(policy.document["action"], action)
        ]


def scope_entity(scope: Mapping[str, Any]) -> Uid | None:
    """Return the entity that a scope names, or None if the scope accepts any entity, or any of a type."""
    inner = scope.get("in", scope) if scope["op"] == "is" else scope
    entity = inner.get("entity")
    return None if entity is None else (entity["type"], entity["id"])


def _concerns(scope: Mapping[str, Any], action: str) -> bool:
    """Return False only for `== another action`: an action named by `in` may be a group of actions."""
    return scope["op"] != "==" or bool(scope["entity"]["id"] == action)
