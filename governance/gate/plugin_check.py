"""Checks of plugins at start: each is a valid `Plugin`, and the chain's order provides the facts that they read."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from governance.contract.plugin import Plugin
from governance.errors import ConfigurationError

FACT_SETS = ("requires", "provides", "uses", "observes")
# Methods that the pipeline calls, with the base class as the model of their signature.
HOOKS = tuple(
    name
    for name, member in vars(Plugin).items()
    if inspect.isfunction(member) and not name.startswith("_")
)  # fmt: skip


def check_plugin(plugin: object) -> None:
    """Refuse an object that is not a valid plugin.

    Raises:
        ConfigurationError: with the plugin, the method or attribute, and what it must be.
    """
    if not isinstance(plugin, Plugin):
        raise ConfigurationError(f"{_name(plugin)} is not a plugin: derive it from governance.contract.plugin.Plugin")
    if not isinstance(getattr(plugin, "name", None), str) or not plugin.name:
        raise ConfigurationError(f"the plugin {type(plugin).__name__} has no name: set `name` to a text")
    for attribute in FACT_SETS:
        facts = getattr(plugin, attribute)
        if not isinstance(facts, frozenset) or not all(isinstance(fact, type) for fact in facts):
            raise ConfigurationError(f"plugin '{plugin.name}': `{attribute}` must be a frozenset of types of facts")
    prefix = plugin.name.replace("-", "_") + "_"
    for metric in plugin.metrics:
        if not metric.name.startswith(prefix):
            raise ConfigurationError(
                f"plugin '{plugin.name}': the metric '{metric.name}' must have a name that begins with '{prefix}'"
            )
    for hook in HOOKS:
        _check_hook(plugin, hook)


def _check_hook(plugin: Plugin, hook: str) -> None:
    """Refuse a method that the pipeline could not call as it calls the base class's."""
    wanted, given = getattr(Plugin, hook), getattr(plugin, hook)
    if getattr(type(plugin), hook, None) is wanted and hook not in vars(plugin):
        return
    if not callable(given):
        raise ConfigurationError(f"plugin '{plugin.name}': `{hook}` must be a method")
    parameters = list(inspect.signature(wanted).parameters)[1:]
    call = f"{hook}({', '.join(parameters)})"
    if inspect.iscoroutinefunction(wanted) != inspect.iscoroutinefunction(given):
        kind = "async def" if inspect.iscoroutinefunction(wanted) else "def, not async"
        raise ConfigurationError(f"plugin '{plugin.name}': write `{call}` as `{kind}`")
    try:
        inspect.signature(given).bind(*parameters)
    except TypeError:
        raise ConfigurationError(
            f"plugin '{plugin.name}': `{hook}{inspect.signature(given)}` has the wrong parameters: write `{call}`"
        ) from None


def check_order(plugins: Sequence[Plugin]) -> None:
    """Refuse a chain in which a plugin reads a fact that is provided too late, or two plugins provide the same.

    Raises:
        ConfigurationError: with the plugin, the fact, and the present order.
    """
    order = ", ".join(plugin.name for plugin in plugins)
    names = [plugin.name for plugin in plugins]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"plugin '{name}' is named twice: the order is {order}")
    provider: dict[type, str] = {}
    for plugin in plugins:
        for kind in plugin.provides:
            if kind in provider:
                raise ConfigurationError(f"plugins '{provider[kind]}' and '{plugin.name}' both provide {kind.__name__}")
            provider[kind] = plugin.name
    provided: set[type] = set()
    for plugin in plugins:
        for kind in _sorted(plugin.requires - provided):
            raise ConfigurationError(
                f"plugin '{plugin.name}' requires {kind.__name__}, and no plugin before it provides that: "
                f"{_remedy(plugin, provider.get(kind))}the order is {order}"
            )
        for kind in _sorted(plugin.uses & (provider.keys() - provided)):
            raise ConfigurationError(
                f"plugin '{plugin.name}' uses {kind.__name__}, which a plugin behind it provides: "
                f"{_remedy(plugin, provider[kind])}the order is {order}"
            )
        provided |= plugin.provides


def _remedy(plugin: Plugin, provider: str | None) -> str:
    return "" if provider is None else f"put '{provider}' before '{plugin.name}'; "


def _sorted(kinds: frozenset[type] | set[type]) -> list[type]:
    return sorted(kinds, key=lambda kind: kind.__name__)


def _name(plugin: object) -> str:
    kind = plugin if isinstance(plugin, type) else type(plugin)
    return f"{kind.__module__}.{kind.__qualname__}"
