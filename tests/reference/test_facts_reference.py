"""Every fact that the built-in plugins share is explained, with who provides and who reads it."""

import pytest

from tools.reference.api import Thing, thing, undocumented
from tools.reference.docstrings import parse
from tools.reference.facts import built_in_plugins, facts, facts_page

PLUGINS = built_in_plugins()


@pytest.mark.parametrize("kind", facts(PLUGINS), ids=lambda kind: kind.__name__)
def test_every_fact_is_explained_with_its_fields(kind):
    found = thing(f"{kind.__module__}.{kind.__name__}")
    assert found.doc.summary
    assert not set(undocumented(found)) & {f"{found.name}: {name}" for name, _ in found.fields}


def test_a_fact_that_is_not_explained_is_noticed():
    silent = Thing("a.Silent", (), "class Silent", parse("A fact."), (("word", "str"),))
    assert undocumented(silent) == ["a.Silent: word"]


def test_the_page_says_who_provides_and_who_reads_each_fact():
    rows = facts_page({"metrics": PLUGINS["metrics"], "identity": PLUGINS["identity"]})
    assert "| [`Admitted`](#admitted) | `metrics` | none | `identity` | none |" in rows
    assert "| [`Usage`](#usage) | `server` | none | none | `metrics` |" in rows


def test_every_fact_of_every_built_in_plugin_is_on_the_page():
    page = facts_page()
    for name, plugin in PLUGINS.items():
        for kind in plugin.requires | plugin.provides | plugin.uses | plugin.observes:
            row = next(line for line in page.splitlines() if line.startswith(f"| [`{kind.__name__}`]"))
            assert f"`{name}`" in row
