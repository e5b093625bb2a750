"""The reference of facts: what plugins put on a request for others, and which built-in plugin does what with each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from governance.contract.facts import Inference, Usage
from governance.contract.plugin import SERVER, Plugin
from tools.reference.api import thing
from tools.reference.markdown import codes, page, table

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("docs/reference/facts.md")
# What the server at the end of the chain puts, after it has run a model.
BY_SERVER: tuple[type, ...] = (Usage, Inference)
INTRODUCTION = """
A fact is a typed value that one plugin puts on a request (`exchange.put(fact)`) and others read:
`exchange.require(Type)` where it must exist, `exchange.get(Type)` where it may be missing. Each fact is put once for a
request. A plugin declares the types: it `requires` a fact, `uses` it if it exists, `observes` it after the rest of the
chain has answered, or `provides` it. A chain in which a plugin would read a fact before it is put does not start.

A plugin of your own may read these facts and provide new ones: any class will do, best a frozen dataclass.
"""


def facts_files() -> dict[Path, str]:
    """Return the page."""
    return {PAGE: facts_page()}


def built_in_plugins() -> dict[str, type[Plugin]]:
    """Return the built-in plugins by name, as the entry points of this project list them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {}
    for name, place in project["entry-points"]["bento_governance.plugins"].items():
        module, _, attribute = place.partition(":")
        found[name] = getattr(import_module(module), attribute)
    return found


def facts(plugins: Mapping[str, type[Plugin]]) -> list[type]:
    """Return every type of fact that a plugin declares or the server puts, in the order of their names.

    Args:
        plugins: plugins by name.
    """
    declared = {*BY_SERVER}
    for plugin in plugins.values():
        declared |= {*plugin.requires, *plugin.provides, *plugin.uses, *plugin.observes}
    return sorted(declared, key=lambda kind: kind.__name__)


def facts_page(plugins: Mapping[str, type[Plugin]] | None = None) -> str:
    """Return the page: an overview, then the fields of each fact.

    Args:
        plugins: plugins by name; the built-in ones by default.
    """
    plugins = built_in_plugins() if plugins is None else plugins
    kinds = facts(plugins)
    overview = [
        (f"[`{kind.__name__}`](#{kind.__name__.lower()})", *(codes(names) or "none" for names in _roles(kind, plugins)))
        for kind in kinds
    ]
    return page(
        "Facts",
        "governance/plugins",
        INTRODUCTION,
        table(("Fact", "Provided by", "Required by", "Used by", "Observed by"), overview),
        *map(_part, kinds),
    )


def _roles(kind: type, plugins: Mapping[str, type[Plugin]]) -> Sequence[list[str]]:
    provided = [SERVER] if kind in BY_SERVER else []
    return (
        [*(name for name, plugin in plugins.items() if kind in plugin.provides), *provided],
        *(
            [name for name, plugin in plugins.items() if kind in getattr(plugin, role)]
            for role in ("requires", "uses", "observes")
        ),
    )


def _part(kind: type[Any]) -> str:
    place = f"{kind.__module__}.{kind.__name__}"
    found = thing(place)
    explained = dict((*found.doc.items("Attributes"), *found.doc.items("Args")))
    rows = [(f"`{name}`", f"`{hint}`", explained.get(name, "")) for name, hint in found.fields]
    lines = [f"## {kind.__name__}", f"`{place}`", *found.doc.prose]
    return "\n\n".join([*lines, table(("Field", "Type", "Meaning"), rows)] if rows else lines)
