"""Help texts: groups list each command's whole first sentence, which click itself would cut off."""

from __future__ import annotations

import inspect
import re

import click

_SENTENCE = re.compile(r".*?\.(?=\s|$)", re.DOTALL)


def first_sentence(command: click.Command) -> str:
    """Return the first sentence of a command's help, on one line."""
    text = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    found = _SENTENCE.match(text)
    return found[0] if found is not None else text


class Group(click.Group):
    """A group of commands whose list is complete at any width."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with its whole first sentence."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, first_sentence(command)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
