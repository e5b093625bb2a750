"""The entry point: finds the command, runs it, turns an error into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import click

from governance.errors import (
    ConfigurationError,
    GovernanceError,
    IntegrityError,
    KeyUnavailableError,
    RefusedError,
)

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "api-key": ("governance.cli.api_key", "Create, list, rotate and revoke callers' API keys."),
        "artifact": (
            "governance.cli.artifact",
            "Seal, open, verify, inspect, rewrap, approve and scan model artifacts.",
        ),
        "audit": ("governance.cli.audit", "Verify the audit log, and prove what was answered."),
        "bom": ("governance.cli.artifact.bom", "Write a bill of materials (CycloneDX) of sealed models."),
        "drift": ("governance.cli.drift", "Compare what models see with what they were validated on."),
        "key": ("governance.cli.key", "Create signing, recipient, checkpoint and secret keys."),
        "grant": ("governance.cli.grant", "Break the glass: time-boxed grants, signed by two keys."),
        "policy": ("governance.cli.policy", "Check, test, explain and replay Cedar policies."),
        "privacy": ("governance.cli.privacy", "Find and change personal data in files."),
        "resume": ("governance.cli.stop:resume", "Let a stopped model answer again."),
        "stop": ("governance.cli.stop:stop", "Stop a model, or all: the kill switch."),
    }
)

# The first match counts; 2 is click's own for a wrong command line, 1 for anything unforeseen.
EXIT_CODES: tuple[tuple[type[GovernanceError], int], ...] = (
    (ConfigurationError, 3),
    (KeyUnavailableError, 4),
    (IntegrityError, 5),
    (RefusedError, 6),
)


class LazyGroup(click.Group):
    """Imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute or "command")
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup)
@click.version_option(package_name="bento-governance")
def command() -> None:
    """Govern a BentoML service: sealed models, known callers, Cedar policies, a provable audit log.

    Exit codes: 0 done, 1 unforeseen, 2 wrong command line, 3 configuration, 4 a key could not be asked for,
    5 something is not what was signed, 6 refused.
    """


def main() -> None:
    """Run the command line."""
    try:
        command(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Aborted.", err=True)
        sys.exit(1)
    except GovernanceError as error:
        click.echo(f"{error.code}: {error}", err=True)
        sys.exit(exit_code(error))


def exit_code(error: GovernanceError) -> int:
    """Return the exit code of an error's class."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
