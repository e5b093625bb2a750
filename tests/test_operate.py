"""docs/operate.md names only what exists: links, commands, alerts, metrics, chart values, settings, make targets."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from jsonschema.validators import validator_for

from governance.cli.main import command as cli
from governance.plugins.metrics.table import TABLE
from governance.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/operate.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
CHART = ROOT / "helm/bento-governance"
RULES = sorted((ROOT / "helm/bento-governance/files/rules").glob("*.yaml"))
FILES = ("cedar", "html", "json", "key", "md", "pem", "pub", "sealed", "sh", "sig", "toml", "yaml", "yml")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def spans() -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(file: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def commands() -> list[list[str]]:
    """Return the words of each shown `bento-governance` command, without the program name."""
    found = []
    for line in "\n".join(blocks("sh")).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for place, word in enumerate(words):
            if word == "bento-governance":
                ends = (end for end, later in enumerate(words) if end > place and later in ("|", "&&", ";"))
                found.append(words[place + 1 : next(ends, len(words))])
    return found


def walk(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the first words name, and the remaining words."""
    found, context = cli, click.Context(cli)
    while isinstance(found, click.Group):
        below = found.get_command(context, words[0])
        assert below is not None, words
        found, words = below, words[1:]
        context = click.Context(found, parent=context)
    return found, words


def test_operate_docs_links_exist():
    links = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    assert len(links) > 40
    for link in links:
        path, _, anchor = link.partition("#")
        file = (DOCUMENT.parent / path).resolve() if path else DOCUMENT
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_operate_docs_commands_are_accepted_by_the_command_line(words):
    found, left = walk([re.sub(r">.*", "", word) for word in words if not word.startswith(">")])
    found.make_context(found.name, left, parent=click.Context(cli))


def test_operate_docs_inline_commands_exist():
    groups = set(cli.list_commands(click.Context(cli)))
    shown = [span.removeprefix("bento-governance ").split() for span in spans()]
    shown = [words for words in shown if words[0] in groups and (len(words) > 1 or words[0] in ("stop", "resume"))]
    assert len(shown) > 15
    for words in shown:
        found, left = walk(words)
        taken = {option for parameter in found.params for option in parameter.opts}
        assert {word for word in left if word.startswith("--") and word != "--"} <= taken, words


def alerts() -> set[str]:
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def test_operate_docs_link_every_alert_and_name_no_other():
    there = alerts()
    linked = set(re.findall(r"\]\(\.\./deploy/RUNBOOK\.md#(governance\w+)\)", TEXT))
    assert linked == {name.lower() for name in there}
    assert {f"Governance{name}" for name in re.findall(r"\[(\w+)\]\(\.\./deploy/RUNBOOK\.md#", TEXT)} == there
    assert set(re.findall(r"\bGovernance[A-Z]\w+", TEXT)) <= there


def test_operate_docs_name_only_existing_metrics():
    named = set(re.findall(r"\bgovernance_[a-z0-9_]+", TEXT))
    known = {f"governance_{name.removeprefix('governance_')}" for name in TABLE}
    assert named and named <= known, named - known


def values_below(schema: dict, node: dict, path: list[str]) -> bool:
    """Return whether the closed schema of the chart has this path; a part in capitals is a placeholder for any name."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    if not path:
        return True
    if path[0] in node.get("properties", {}):
        return values_below(schema, node["properties"][path[0]], path[1:])
    return any(
        (path[0].isupper() or re.search(pattern, path[0])) and values_below(schema, below, path[1:])
        for pattern, below in node.get("patternProperties", {}).items()
    )


def with_defaults(values: dict, defaults: dict) -> dict:
    """Return values with those of the chart where the user gives none, as Helm joins them."""
    joined = dict(defaults)
    for name, value in values.items():
        below = defaults.get(name)
        joined[name] = with_defaults(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return joined


def test_operate_docs_name_only_values_of_the_chart():
    schema = json.loads((CHART / "values.schema.json").read_text())
    named = [span for span in spans() if re.fullmatch(r"[a-z][A-Za-z]*(\.[A-Za-z0-9-]+)+", span)]
    named = [span for span in named if span.rpartition(".")[2] not in FILES]
    assert len(named) > 20
    for value in named:
        assert values_below(schema, schema, value.split(".")), value
    shown = blocks("yaml")
    assert shown
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    for text in shown:
        # Helm checks the values of the user together with those of the chart.
        values = with_defaults(yaml.safe_load(text), defaults)
        assert [error.message for error in validator_for(schema)(schema).iter_errors(values)] == []


def test_operate_docs_name_only_existing_settings():
    named = re.findall(r"`\[([a-z_]+)(?:\.[\w-]+)?\] ([a-z_]+)", TEXT) + re.findall(
        r"# .*?\[([a-z_]+)(?:\.[\w-]+)?\] ([a-z_]+)", TEXT
    )
    assert len(named) > 8
    for section, key in named:
        field = Settings.model_fields[section].annotation
        models = [field, *getattr(field, "__args__", ())]
        assert any(key in getattr(model, "model_fields", {}) for model in models), (section, key)
    for text in blocks("toml"):
        Settings.model_validate({"service": {"name": "s"}, **tomllib.loads(text)})


def test_operate_docs_name_only_existing_make_targets_and_files():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)\b(?=`| )", "\n".join([*blocks("sh"), *(f"{s}`" for s in spans())])):
        assert f"\n{target}:" in makefile, target
    for file in re.findall(r"(?:^|[\s`])((?:deploy|helm|bentos)/[\w./-]+)", TEXT, re.MULTILINE):
        if "/state" not in file:
            assert (ROOT / file).exists(), file
