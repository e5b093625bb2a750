"""Policies: do they parse, do they fit the routes, do they name what does not exist."""

from __future__ import annotations

from collections.abc import Iterator

from governance.access.policies.policy_set import PolicySet
from governance.access.policies.route_check import verify_routes
from governance.cli.doctor.finding import Finding
from governance.cli.doctor.keys import roles_without_effect
from governance.cli.policy.check import decided_routes, remarks_on
from governance.settings import Settings

POLICIES = "policies"


def check_policies(policies: PolicySet, settings: Settings) -> Iterator[Finding]:
    """Look at the policies, and at the roles that the settings give to callers."""
    verify_routes(policies, settings.service.name, decided_routes(settings))
    yield Finding(POLICIES, "ok", f"{len(policies.policies)} policies parse, and fit the schema and the routes")
    for remark in remarks_on(policies, settings):
        yield Finding(POLICIES, "warning", str(remark), "correct or remove the policy")
    given = set(_roles_of_settings(settings))
    yield from roles_without_effect(given, policies.roles, "[identity]")


def _roles_of_settings(settings: Settings) -> Iterator[str]:
    identity = settings.identity
    if identity is None:
        return
    for issuer in identity.issuers.values():
        yield from issuer.default_roles
        for roles in (*issuer.roles.values(), *issuer.subject_roles.values()):
            yield from roles
    if identity.certificates is not None:
        for roles in identity.certificates.roles.values():
            yield from roles
