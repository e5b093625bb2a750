"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from governance.cli.help import first_sentence
from governance.cli.main import command as root
from tools.reference.markdown import page, table

PAGE = Path("docs/reference/cli.md")
NAME = "bento-governance"
PREFORMATTED = "\b\n"
INTRODUCTION = """
Every command prints this text with `--help`. A key is named by a URI: `file:PATH`, `env:NAME`, or a key of a service or
token (`awskms:`, `vault:`, `pkcs11:`). An error is one line on standard error, and [the exit status](errors.md) is its
kind.
"""


def commands_files() -> dict[Path, str]:
    """Return the page."""
    return {PAGE: commands_page()}


def commands_page(command: click.Command = root, name: str = NAME) -> str:
    """Return the page: a table of all commands, then each with its arguments, options and examples."""
    all_of_them = list(commands(command, name))
    overview = [
        (f"[`{context.command_path}`](#{_anchor(context.command_path)})", first_sentence(one))
        for context, one in all_of_them
        if not isinstance(one, click.Group)
    ]
    parts = [_part(context, one) for context, one in all_of_them]
    return page("Command line", "governance/cli", INTRODUCTION, table(("Command", "What it does"), overview), *parts)


def commands(command: click.Command = root, name: str = NAME) -> Iterator[tuple[click.Context, click.Command]]:
    """Yield every command with its context, groups before what is in them."""
    yield from _below(command, click.Context(command, info_name=name, terminal_width=80, max_content_width=80))


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    yield context, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            one = command.get_command(context, name)
            if one is not None and not one.hidden:
                inner = click.Context(one, info_name=name, parent=context, terminal_width=80, max_content_width=80)
                yield from _below(one, inner)


def options(command: click.Command) -> list[click.Option]:
    """Return the options that a person sees, without `--help`."""
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


def _part(context: click.Context, command: click.Command) -> str:
    prose, examples = split_help(command)
    lines = [f"## {context.command_path}", *prose]
    if not isinstance(command, click.Group):
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        lines.append(f"```text\n{usage}\n```")
    rows = [
        (f"`{'`, `'.join([*one.opts, *one.secondary_opts])}`", _value(one, context), one.help or "")
        for one in options(command)
    ]
    if rows:
        lines.append(table(("Option", "Value", "What it does"), rows))
    if examples:
        lines.append(f"```sh\n{examples}\n```")
    return "\n\n".join(lines)


def split_help(command: click.Command) -> tuple[list[str], str]:
    """Return the paragraphs of a command's help, and its examples without their heading."""
    prose, examples = [], ""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        head, _, body = paragraph.removeprefix(PREFORMATTED).partition("\n")
        if paragraph.startswith(PREFORMATTED) and head == "Examples:":
            examples = inspect.cleandoc(body)
        else:
            prose.append(_escaped(paragraph.removeprefix(PREFORMATTED)))
    return prose, examples


def _escaped(text: str) -> str:
    """Write placeholders such as <PERSON> and names such as [limits] so that Markdown shows them as they are."""
    return text.replace("<", "&lt;").replace("[", r"\[").replace("*", r"\*")


def _value(option: click.Option, context: click.Context) -> str:
    kinds = "flag" if option.is_flag else f"`{option.make_metavar(context)}`"
    extra = option.get_help_extra(context)
    facts = [kinds]
    if option.required:
        facts.append("**required**")
    if "default" in extra:
        facts.append(f"default `{extra['default']}`")
    if "range" in extra:
        facts.append(f"`{extra['range']}`")
    if option.multiple:
        facts.append("repeatable")
    return ", ".join(facts)


def _anchor(path: str) -> str:
    return path.replace(" ", "-")
