"""The entry point: finds the command, runs it, turns an error into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType

import click

from governance import __version__
from governance.cli.help import first_sentence
from governance.errors import (
    ConfigurationError,
    GovernanceError,
    IntegrityError,
    KeyUnavailableError,
    RefusedError,
)

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "api-key": ("governance.cli.api_key", "Create, list, rotate and revoke the API keys of callers."),
        "artifact": ("governance.cli.artifact", "Seal, verify, open and change sealed model artifacts."),
        "audit": ("governance.cli.audit", "Verify the audit log and prove a single answer."),
        "bom": ("governance.cli.artifact.bom", "Write a bill of materials (CycloneDX 1.6, ML-BOM) of sealed models."),
        "dev": (
            "governance.cli.project.dev:dev",
            "Serve the service in a folder on 127.0.0.1, and start it again after each change of its files.",
        ),
        "doctor": (
            "governance.cli.doctor.command:doctor",
            "Look for what is wrong with a service, and print one line each, with what to do about it.",
        ),
        "drift": ("governance.cli.drift", "Compare recent data of models with their validation data."),
        "grant": ("governance.cli.grant", "Create and sign emergency grants, each limited in time."),
        "init": (
            "governance.cli.project.init:init",
            "Make the folder NAME with a governed service: code, settings, policies, keys for development, a first "
            "caller.",
        ),
        "key": ("governance.cli.key", "Create keys and show their fingerprints."),
        "policy": ("governance.cli.policy", "Check, test, explain and replay Cedar policies."),
        "privacy": (
            "governance.cli.privacy",
            "Find and change personal data in files, and measure re-identification risk.",
        ),
        "resume": ("governance.cli.stop:resume", "Resume a stopped MODEL, or ALL."),
        "stop": ("governance.cli.stop:stop", "Stop MODEL, or ALL: the kill switch."),
    }
)

# Commands of other packages: click commands by name.
COMMAND_GROUP = "bento_governance.commands"

# The first match counts. click itself uses 2 for a wrong command line; 1 means an unexpected error.
EXIT_CODES: tuple[tuple[type[GovernanceError], int], ...] = (
    (ConfigurationError, 3),
    (KeyUnavailableError, 4),
    (IntegrityError, 5),
    (RefusedError, 6),
)


class LazyGroup(click.Group):
    """Imports the module of a command only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, without an import of any."""
        return sorted({*COMMANDS, *entry_points(group=COMMAND_GROUP).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None if it does not exist."""
        place = COMMANDS[cmd_name][0] if cmd_name in COMMANDS else _offered(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command = getattr(import_module(module), attribute or "command")
        if not isinstance(command, click.Command):
            raise TypeError(f"{place} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands, with the summaries from `COMMANDS`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name)) for name in self.list_commands(ctx)])

    def _summary(self, ctx: click.Context, name: str) -> str:
        if name in COMMANDS:
            return COMMANDS[name][1]
        found = self.get_command(ctx, name)
        return "" if found is None else first_sentence(found)


def _offered(name: str) -> str | None:
    """Return the place of a command that another package offers, as MODULE:NAME, or None."""
    return next((point.value for point in entry_points(group=COMMAND_GROUP, name=name)), None)


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="bento-governance")
def command() -> None:
    """Manage a governed BentoML service: keys, artifacts, callers, policies, the audit log.

    Exit status: 0 success, 1 unexpected error, 2 wrong command line, 3 wrong configuration, 4 a key cannot be used now,
    5 data is not what was signed, 6 the request is refused. `drift check` also uses 7 and 8.

    \b
    Examples:
      bento-governance key create signing signing.key
      bento-governance artifact seal --help
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
