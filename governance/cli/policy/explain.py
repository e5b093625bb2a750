"""`bento-governance policy explain`: decide one request, and print what each policy contributes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from governance.cli.options import json_option, settings_option
from governance.cli.policy.case import Case, load_policies, request_of, word_of
from governance.cli.policy.unknown import remark_unknown_names
from governance.settings import load_settings


@click.command()
@settings_option
@click.option("--caller", default="somebody", show_default=True, help="Id of the caller.")
@click.option("--role", "roles", multiple=True, help="Role of the caller. May be repeated.")
@click.option("--action", default="infer", show_default=True, help="Cedar action.")
@click.option("--model", help="Model that is the resource. Default: the service itself.")
@click.option("--purpose", help="Purpose, as in the Governance-Purpose header. Default: none.")
@click.option("--route", default="/", show_default=True, help="Route of the request.")
@click.option("--client-ip", help="IP address of the client. Default: unknown.")
@click.option("--data-class", "data_classes", multiple=True, help="Data class in the request. May be repeated.")
@click.option("--emergency", help="Reason code of an emergency grant. Default: no grant.")
@json_option
def explain(
    settings: Path, as_json: bool, roles: tuple[str, ...], data_classes: tuple[str, ...], **others: Any
) -> None:
    """Decide one request and print, for each policy that could apply, whether it does.

    \b
    Examples:
      bento-governance policy explain --role viewer --model digits-cnn
      bento-governance policy explain --role physician --model risk \\
        --purpose treatment --data-class health
    """
    loaded = load_settings(settings)
    policies = load_policies(loaded, settings)
    remark_unknown_names(roles, others["model"], loaded, policies)
    case = Case("", decision="allow", roles=list(roles), data_classes=list(data_classes), **others)
    request = request_of(case, loaded)
    verdict, results = policies.decide(request), policies.explain(request)
    if as_json:
        listed = [{"policy": p.id, "effect": p.effect, "place": p.place, "says": result} for p, result in results]
        document = {"decision": word_of(verdict), "because": str(verdict), "obligations": str(verdict.obligations)}
        click.echo(json.dumps({**document, "policies": listed}, indent=2))
        return
    click.echo(f"{word_of(verdict)}: {verdict}")
    if str(verdict.obligations):
        click.echo(f"  obligation: {verdict.obligations}")
    for policy, result in results:
        click.echo(f"  {policy.effect:<6}  {policy.id}: {result}  ({policy.place})")
        if policy.description:
            click.echo(f"          {policy.description}")
    if not results:
        click.echo("  no policy applies to this caller, action and resource")
