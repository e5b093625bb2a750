"""Routes against the schema: each route must give a request that Cedar can decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from governance.access.policies.policy_set import PolicySet
from governance.access.policies.verdict import PolicyRequest
from governance.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class DecidedRoute:
    """A route as policies see it.

    Attributes:
        template: Template of the route, such as `/classify`.
        action: Id of the Cedar action.
        models: Models that the route may call; empty if its resource is the service.
    """

    template: str
    action: str
    models: tuple[str, ...] = ()


def verify_routes(policies: PolicySet, service: str, routes: Iterable[DecidedRoute]) -> None:
    """Refuse routes whose requests would all be denied, because they do not fit the schema.

    Args:
        policies: The policies with their schema.
        service: Name of the service, the resource of routes without a model.
        routes: Routes that need a decision.

    Raises:
        ConfigurationError: with the route, the reason, and what to change.
    """
    for route in routes:
        resources = [("Model", model) for model in route.models] or [("Service", service)]
        for resource in resources:
            try:
                policies.verify_request(_example(route, resource))
            except ConfigurationError as error:
                raise ConfigurationError(
                    f"every request of the route {route.template} (action {route.action}, resource {resource[0]}) "
                    f"would be denied, because it does not fit the schema: {error}. {_remedy(route)}"
                ) from None


def _example(route: DecidedRoute, resource: tuple[str, str]) -> PolicyRequest:
    """Return a request with every attribute that a real one may have."""
    return PolicyRequest(
        caller="example",
        roles=(),
        action=route.action,
        resource=resource,
        groups=(),
        route=route.template,
        purpose="example",
        client_ip="127.0.0.1",
        minute=0,
        data_classes=(),
        emergency="example",
    )


def _remedy(route: DecidedRoute) -> str:
    if route.models:
        return f"Declare the action '{route.action}' for Model in the schema, or give the route another action"
    return f"Give the route a model, another action, or declare the action '{route.action}' for Service in the schema"
