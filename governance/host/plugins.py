"""Loading plugins: the settings name them; built-in ones and those of entry points are found the same way."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points

from governance.contract.plugin import Plugin
from governance.errors import ConfigurationError
from governance.names import suggestion
from governance.plugins import BUILT_IN
from governance.settings import Section, Settings, plugin_settings

PLUGIN_GROUP = "bento_governance.plugins"


def load_plugins(settings: Settings) -> list[Plugin]:
    """Make the plugins that the settings name, in their order; only those are imported.

    Raises:
        ConfigurationError: for a name without a plugin, a plugin that is not derived from `Plugin` or has the name of
            a built-in one, or settings that a plugin refuses.
    """
    names = settings.service.plugins
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigurationError(f"[service] plugins names '{twice}' twice: {', '.join(names)}")
    offered = {point.name: point.value for point in entry_points(group=PLUGIN_GROUP)}
    classes = {name: _plugin_class(name, offered) for name in names}
    _verify_sections(settings, classes)
    return [kind(settings) for kind in classes.values() if kind.is_enabled(settings)]


def _plugin_class(name: str, offered: Mapping[str, str]) -> type[Plugin]:
    target = BUILT_IN.get(name, offered.get(name))
    if target is None:
        known = sorted({*BUILT_IN, *offered})
        raise ConfigurationError(
            f"no plugin is called '{name}'; available plugins: {', '.join(known)}{suggestion(name, known)}"
        )
    if offered.get(name, target) != target:
        raise ConfigurationError(f"another distribution offers a plugin with the built-in name '{name}'")
    module, _, attribute = target.partition(":")
    try:
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the plugin '{name}' cannot be imported from {target}: {error}") from None
    if not isinstance(kind, type) or not issubclass(kind, Plugin):
        raise ConfigurationError(
            f"the plugin '{name}' ({target}) is not derived from governance.contract.plugin.Plugin"
        )
    return kind


def _verify_sections(settings: Settings, classes: Mapping[str, type[Plugin]]) -> None:
    """Validate [plugins.NAME] of every named plugin, and refuse a section that no plugin reads."""
    for name in settings.plugins:
        if name not in classes:
            raise ConfigurationError(f"[plugins.{name}] configures a plugin that [service] plugins does not name")
        if classes[name].settings_model is None:
            raise ConfigurationError(f"[plugins.{name}] is not used: the plugin '{name}' has no settings of this kind")
    for name, kind in classes.items():
        model = kind.settings_model
        if model is None:
            continue
        if not isinstance(model, type) or not issubclass(model, Section):
            raise ConfigurationError(
                f"plugin '{name}': settings_model must be a subclass of governance.settings.Section"
            )
        plugin_settings(settings, name, model)
