"""Read `governance.toml`, apply the environment's overrides, and validate."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from governance.errors import ConfigurationError
from governance.settings.mistakes import Sources, sentence
from governance.settings.section import Section
from governance.settings.tree import Settings

ENVIRONMENT_PREFIX = "GOVERNANCE_"
# The settings file for the command line; it is no setting itself.
SETTINGS_VARIABLE = "GOVERNANCE_SETTINGS"
AnySection = TypeVar("AnySection", bound=Section)

# A file named in a key's URI: the key itself, or its passphrase, token or PIN.
_RELATIVE_FILE = re.compile(r"(^|=)file:(?!/)")


def load_settings(file: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read a settings file, apply the overrides of the environment, validate, and make every path absolute.

    Args:
        file: a TOML file; relative paths in it are relative to its folder.
        environment: `GOVERNANCE_AUDIT__DIRECTORY=/var/audit` sets `directory` in `[audit]`;
            lists and tables are given as JSON.

    Raises:
        ConfigurationError: the file cannot be read, or a key is unknown or wrong; the message names both.
    """
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        remedy = "; `bento-governance init NAME` makes a service with settings" * isinstance(error, FileNotFoundError)
        raise ConfigurationError(f"cannot read the settings {file}: {error.strerror}{remedy}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from error
    sources = Sources(str(file), _override(raw, environment))
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(sentence(error, Settings, sources)) from None
    folder = file.resolve().parent
    absolute: Settings = _with_absolute_paths(settings, folder)
    absolute._folder, absolute._sources = folder, sources
    return absolute


def plugin_settings(settings: Settings, name: str, model: type[AnySection]) -> AnySection:
    """Return the validated section `[plugins.NAME]` of a plugin, with absolute paths; empty if there is none.

    Example: `plugin_settings(settings, "greeting", GreetingSettings).word`.

    Args:
        settings: the service's settings.
        name: the plugin's name.
        model: the plugin's model of its section.

    Raises:
        ConfigurationError: naming the section, the key and what is wrong with it.
    """
    try:
        section = model.model_validate(settings.plugins.get(name, {}))
    except ValidationError as error:
        raise ConfigurationError(sentence(error, model, settings._sources, ("plugins", name))) from None
    absolute: AnySection = _with_absolute_paths(section, settings._folder)
    return absolute


def _override(raw: dict[str, Any], environment: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Change the settings as the environment says, and return the variable of each changed place."""
    variables: dict[tuple[str, ...], str] = {}
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX) or name == SETTINGS_VARIABLE:
            continue
        *sections, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if not sections:
            raise ConfigurationError(f"{name} names no section: write {ENVIRONMENT_PREFIX}<SECTION>__<KEY>")
        table, place = raw, []
        for section in sections:
            place.append(_spelled(table, section))
            table = table.setdefault(place[-1], {})
            if not isinstance(table, dict):
                raise ConfigurationError(f"{name}: '{section}' is not a table in the settings")
        place.append(_spelled(table, key))
        table[place[-1]] = _value(environment[name])
        variables[tuple(place)] = name
    return variables


def _spelled(table: Mapping[str, Any], wanted: str) -> str:
    """Return the key as the file spells it: `digits_cnn` in the environment means `digits-cnn` in the file."""
    return next((key for key in table if key.lower().replace("-", "_") == wanted.replace("-", "_")), wanted)


def _value(text: str) -> Any:
    if text[:1] not in "[{":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _with_absolute_paths(section: Any, root: Path) -> Any:
    if isinstance(section, BaseModel):
        values = {name: getattr(section, name) for name in type(section).model_fields}
        changed = {name: _with_absolute_paths(value, root) for name, value in values.items()}
        # Only what differs, since `model_fields_set` then still shows which settings were given.
        return section.model_copy(update={name: new for name, new in changed.items() if new != values[name]})
    if isinstance(section, Path):
        return root / section
    if isinstance(section, str) and section.startswith(("file:", "vault:", "pkcs11:")):
        return _RELATIVE_FILE.sub(lambda found: f"{found[1]}file:{root}/", section)
    if isinstance(section, tuple):
        return tuple(_with_absolute_paths(item, root) for item in section)
    if isinstance(section, dict):
        return {key: _with_absolute_paths(item, root) for key, item in section.items()}
    return section
