"""A request to the policies, as a case in JSON or from options, and the policies of the settings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from governance.access.policies.policy_set import PolicySet
from governance.access.policies.verdict import PolicyRequest, Verdict
from governance.errors import ConfigurationError
from governance.plugins.policy import policy_files
from governance.settings import Settings


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """A request to the policies and, in a table of cases, the expected result.

    Attributes:
        name: What the case shows.
        action: Cedar action.
        decision: Expected decision.
        roles: Roles of the caller.
        caller: Id of the caller.
        attributes: Cedar attributes of the caller.
        model: Model that is the resource, or None for the service.
        model_attributes: Cedar attributes of the model.
        purpose: Purpose, or None.
        route: Route of the request.
        client_ip: IP address of the client, or None.
        time: Time of the request, or None for now.
        data_classes: Data classes in the request.
        emergency: Reason code of an emergency grant, or None.
        policies: Expected ids of the deciding policies, or None for any.
        obligations: Expected obligations as the audit log writes them, such as `output=label`, or None for any.
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


def load_policies(settings: Settings, file: Path) -> PolicySet:
    """Return the policies of the settings.

    Raises:
        ConfigurationError: if there are none, or they are not valid.
    """
    if settings.policy is None:
        raise ConfigurationError(f"{file} has no [policy] section")
    return policy_files(settings.policy).load()


def request_of(case: Case, settings: Settings) -> PolicyRequest:
    """Return the request of a case, with the groups of its model from the settings."""
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


def word_of(verdict: Verdict) -> str:
    """Return `allow` or `deny`."""
    return "allow" if verdict.allowed else "deny"


def _pairs(attributes: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((k, tuple(sorted(v)) if isinstance(v, list) else v) for k, v in sorted(attributes.items()))
