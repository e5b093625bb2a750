"""docs/plugins.md: its Python parses, its settings are valid, its names exist, and its messages are current."""

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from governance.contract.plugin import Plugin
from governance.errors import ConfigurationError
from governance.gate.pipeline import Pipeline
from governance.settings import Settings

TEXT = (Path(__file__).parents[1] / "docs/plugins.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", blocks("python"))
def test_plugin_docs_python_parses_and_its_imports_exist(block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("governance"):
            for name in node.names:
                assert hasattr(import_module(node.module), name.name), (node.module, name.name)


def test_plugin_docs_settings_are_valid():
    document = tomllib.loads(next(block for block in blocks("toml") if "[service]" in block))
    assert Settings.model_validate(document).plugins == {"office-hours": {"opens": "08:00", "always": ["emergency"]}}


def test_plugin_docs_names_every_method_of_the_contract():
    methods = {name for name, member in vars(Plugin).items() if callable(member) and not name.startswith("_")}
    for name in methods - {"is_enabled", "samples"}:
        assert f"`{name}`" in TEXT, name


def test_plugin_docs_messages_are_the_real_ones():
    from office_hours import OfficeHoursPlugin

    from governance.plugins.identity import IdentityPlugin

    class Wrong(Plugin):
        name = "office-hours"

        def handle(self, exchange, proceed):
            return None

    shown = [block.removeprefix("bento-governance: configuration: ").strip() for block in blocks("text")]
    chains = [[Wrong()], [object.__new__(OfficeHoursPlugin), object.__new__(IdentityPlugin)]]
    for sentence, plugins in zip(shown, chains, strict=True):
        with pytest.raises(ConfigurationError) as refusal:
            Pipeline(plugins)
        assert str(refusal.value) == sentence
