"""`bento-governance policy check`: validate the policies, and print remarks on policies that can never apply."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from governance.access.policies.policy_set import PolicySet
from governance.access.policies.review import Remark, review
from governance.access.policies.route_check import DecidedRoute, verify_routes
from governance.cli.options import json_option, settings_option
from governance.cli.policy.case import load_policies
from governance.errors import ConfigurationError
from governance.oip.routes import oip_routes
from governance.settings import Settings, load_settings


@click.command()
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
    policies = load_policies(loaded, settings)
    verify_routes(policies, loaded.service.name, decided_routes(loaded))
    remarks = remarks_on(policies, loaded)
    if as_json:
        document = {"digest": policies.digest, "policies": sorted(policies.policies)}
        click.echo(json.dumps({**document, "remarks": [str(remark) for remark in remarks]}, indent=2))
    else:
        click.echo(f"{len(policies.policies)} policies parse and fit the schema: {policies.digest}")
        for remark in remarks:
            click.echo(f"remark: {remark}")
    if strict and remarks:
        raise ConfigurationError(f"{len(remarks)} remarks on the policies; the first: {remarks[0]}")


def remarks_on(policies: PolicySet, settings: Settings) -> list[Remark]:
    """Return remarks on policies that can never apply, for example because they name a model that is not served."""
    actions = {route.action for route in oip_routes(0)} | {route.action for route in settings.routes} | {"metrics"}
    resources = {
        ("Model", name): policies.ancestors([("Model", name), *(("ModelGroup", group) for group in model.groups)])
        for name, model in settings.models.items()
    }
    service = ("Service", settings.service.name)
    resources[service] = policies.ancestors([service])
    return list(review(policies.policies.values(), frozenset(actions), resources, policies.ancestors))


def decided_routes(settings: Settings) -> Iterator[DecidedRoute]:
    """Yield the routes of the settings that the policies decide on."""
    for route in settings.routes:
        if not route.public:
            models = {route.model, *route.models} - {None}
            yield DecidedRoute(route.path, route.action, tuple(sorted(map(str, models))))
