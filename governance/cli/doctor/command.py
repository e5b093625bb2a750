"""The command `doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from governance.access.policies.policy_set import PolicySet
from governance.cli.doctor import keys, machine, models, policies
from governance.cli.doctor.finding import Finding, findings_of
from governance.cli.options import json_option, settings_option
from governance.errors import ConfigurationError, GovernanceError
from governance.host.plugins import load_plugins
from governance.plugins.policy import policy_files
from governance.settings import Settings, load_settings


@click.command()
@settings_option
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the service.")
@json_option
def doctor(settings: Path, port: int, as_json: bool) -> None:
    """Look for what is wrong with a service, and print one line each, with what to do about it.

    It looks at settings, plugins, keys, policies, callers, models, the runtime, the disk, the clock, versions and the
    port, and changes nothing. The exit status is 3 if there is a problem.

    \b
    Examples:
      bento-governance doctor
      bento-governance doctor --json --settings governance.toml
    """
    found = list(_examine(settings, port))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            remedy = f"\n{'':20}-> {finding.remedy}" if finding.remedy else ""
            click.echo(f"{finding.level:<8} {finding.subject:<10} {finding.text}{remedy}")
    problems = [finding for finding in found if finding.level == "problem"]
    if problems:
        raise ConfigurationError(f"{len(problems)} problems; the first: {problems[0].text}")


def _examine(file: Path, port: int) -> Iterator[Finding]:
    yield from findings_of(machine.VERSIONS, machine.check_versions)
    try:
        settings = load_settings(file)
    except GovernanceError as error:
        yield Finding("settings", "problem", str(error), error.remedy)
    else:
        yield Finding("settings", "ok", f"{file}: {settings.service.name}, {len(settings.routes)} routes")
        yield from _examine_service(settings)
    yield from findings_of(machine.PORT, partial(machine.check_port, port))


def _examine_service(settings: Settings) -> Iterator[Finding]:
    yield from findings_of("plugins", lambda: _plugins(settings))
    yield from findings_of(keys.KEYS, lambda: keys.check_keys(settings))
    loaded: list[PolicySet] = []
    if settings.policy is not None:
        files = policy_files(settings.policy)

        def check() -> Iterator[Finding]:
            loaded.append(files.load())
            yield from policies.check_policies(loaded[0], settings)

        yield from findings_of(policies.POLICIES, check)
    roles = loaded[0].roles if loaded else None
    yield from findings_of(keys.CALLERS, lambda: keys.check_callers(settings, roles))
    yield from findings_of(models.MODELS, lambda: models.check_names(settings))
    for name in settings.models:
        yield from findings_of(models.MODELS, partial(models.check_artifact, name, settings))
    if settings.models:
        yield from findings_of(models.RUNTIME, lambda: models.check_runtime(settings))
    yield from findings_of(machine.DISK, lambda: machine.check_disk(settings))
    yield from findings_of(machine.CLOCK, lambda: machine.check_clock(settings, datetime.now(UTC)))


def _plugins(settings: Settings) -> Iterator[Finding]:
    names = [plugin.name for plugin in load_plugins(settings)]
    yield Finding("plugins", "ok", f"in this order: {', '.join(names)}")
