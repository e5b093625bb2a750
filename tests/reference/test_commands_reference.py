"""Every command explains itself: complete lists, examples, every option, what may be repeated, lines of 80 at most."""

import itertools
import re
import shlex

import click
import pytest

from governance.cli.help import Group, first_sentence
from governance.cli.main import COMMANDS, EXIT_CODES
from governance.cli.main import command as root
from tools.reference.commands import commands, commands_page, options, split_help

ALL = [(context.command_path, context, one) for context, one in commands()]
WIDTH = 80


def path(context: click.Context) -> list[str]:
    return context.command_path.split()


def examples(command: click.Command) -> list[list[str]]:
    """Return the words of each example, from the program's name on."""
    lines = split_help(command)[1].replace("\\\n", " ").splitlines()
    return [shlex.split(line.rpartition("| ")[2]) for line in lines]


def faults(context: click.Context, command: click.Command) -> list[str]:
    """Return what is missing in the help of one command."""
    shown, found = command.get_help(context), []
    found += [f"longer than {WIDTH}: {line}" for line in shown.splitlines() if len(line) > WIDTH]
    if "..." in re.sub(r"\[ARGS\]\.\.\.|[A-Z]+\.\.\.", "", shown) or "…" in shown.replace("NAME,…", ""):
        found.append("cut off")
    if not any(words[: len(path(context))] == path(context) for words in examples(command)):
        found.append("no example")
    for option in options(command):
        if not option.help:
            found.append(f"{option.opts[0]} has no help")
        elif option.multiple != ("May be repeated." in option.help):
            found.append(f"{option.opts[0]} does not say whether it may be repeated")
    return found


@pytest.mark.parametrize(("context", "command"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_commands_reference_every_command_is_explained(context, command):
    assert faults(context, command) == []


@pytest.mark.parametrize(
    ("help", "settings", "fault"),
    [
        ("Do it.", {"help": "What."}, "no example"),
        ("Do it.\n\n\b\nExamples:\n  other do", {"help": "What."}, "no example"),
        ("Do it.\n\n\b\nExamples:\n  try", {}, "--what has no help"),
        ("Do it.\n\n\b\nExamples:\n  try", {"help": "What.", "multiple": True}, "--what does not say whether"),
        ("Do it.\n\n\b\nExamples:\n  try", {"help": "What. May be repeated."}, "--what does not say whether"),
        ("Do it.\n\n\b\nExamples:\n  try " + "x" * 90, {"help": "What."}, "longer than 80"),
    ],
)
def test_commands_reference_check_detects_poor_help(help, settings, fault):
    command = click.Command("try", params=[click.Option(["--what"], **settings)], help=help)
    assert any(fault in found for found in faults(click.Context(command, info_name="try", terminal_width=80), command))


def test_commands_help_lists_are_never_cut_off():
    long = "Write a very long sentence about a command " + "that goes on and on " * 5 + "until it ends."
    for kind, is_cut in ((click.Group, True), (Group, False)):
        group = kind("try", help="Try.\n\n\b\nExamples:\n  try", commands=[click.Command("one", help=long)])
        context = click.Context(group, info_name="try", terminal_width=80)
        assert ("cut off" in faults(context, group)) == is_cut


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_list_equals_the_first_sentence_of_each_command(name):
    """`--help` lists commands from a separate table, so that it need not import every command."""
    command = root.get_command(click.Context(root), name)
    assert COMMANDS[name][1] == first_sentence(command)


def test_commands_reference_explains_the_exit_status():
    text = " ".join(root.help.split())
    assert all(f" {code} " in text for code in (0, 1, 2, *(code for _, code in EXIT_CODES)))


@pytest.mark.parametrize(("context", "command"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_commands_examples_use_existing_options(context, command):
    for words in examples(command):
        one, inner, rest = root, click.Context(root, info_name=words[0]), words[1:]
        while isinstance(one, click.Group) and rest[0][0] != "-":
            one = one.get_command(inner, rest[0])
            inner, rest = click.Context(one, info_name=rest[0], parent=inner), rest[1:]
        needed = {option.name for option in options(one) if option.required} if "--help" not in rest else set()
        rest = list(itertools.takewhile(lambda word: word[0] != ">", rest))
        given, _, _ = one.make_parser(inner).parse_args(rest)
        assert needed <= set(given), words


def test_commands_reference_page_names_every_command_and_option():
    page = commands_page()
    for path, _, command in ALL:
        assert f"\n## {path}\n" in page
        for option in options(command):
            assert all(f"`{name}`" in page for name in (*option.opts, *option.secondary_opts))
