"""Every fact that the built-in plugins share is explained, with the plugins that provide and read it."""

import pytest

from tools.reference.api import Thing, thing, undocumented
from tools.reference.docstrings import parse
from tools.reference.facts import built_in_plugins, facts, facts_page

PLUGINS = built_in_plugins()


@pytest.mark.parametrize("kind", facts(PLUGINS), ids=lambda kind: kind.__name__)
def test_facts_reference_every_fact_is_explained_with_its_fields(kind):
    found = thing(f"{kind.__module__}.{kind.__name__}")
    assert found.doc.summary
    assert not set(undocumented(found)) & {f"{found.name}: {name}" for name, _ in found.fields}


def test_facts_reference_check_detects_an_unexplained_fact():
    silent = Thing("a.Silent", (), "class Silent", parse("A fact."), (("word", "str"),))
    assert undocumented(silent) == ["a.Silent: word"]


def test_facts_reference_page_names_providers_and_readers_of_each_fact():
    rows = facts_page({"metrics": PLUGINS["metrics"], "identity": PLUGINS["identity"]})
    assert "| [`Admitted`](#admitted) | `metrics` | none | `identity` | none |" in rows
    assert "| [`Usage`](#usage) | `server` | none | none | `metrics` |" in rows


def test_facts_reference_page_has_every_fact_of_built_in_plugins():
    page = facts_page()
    for name, plugin in PLUGINS.items():
        for kind in plugin.requires | plugin.provides | plugin.uses | plugin.observes:
            row = next(line for line in page.splitlines() if line.startswith(f"| [`{kind.__name__}`]"))
            assert f"`{name}`" in row
