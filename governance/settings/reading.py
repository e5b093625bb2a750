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
from governance.settings.section import Section
from governance.settings.tree import Settings

ENVIRONMENT_PREFIX = "GOVERNANCE_"
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
        raise ConfigurationError(f"cannot read the settings {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from error
    _override(raw, environment)
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {_sentence(error)}") from None
    folder = file.resolve().parent
    absolute: Settings = _with_absolute_paths(settings, folder)
    absolute._folder = folder
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
        raise ConfigurationError(_sentence(error, "plugins", name)) from None
    absolute: AnySection = _with_absolute_paths(section, settings._folder)
    return absolute


def _override(raw: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *sections, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if not sections:
            raise ConfigurationError(f"{name} names no section: write {ENVIRONMENT_PREFIX}<SECTION>__<KEY>")
        table = raw
        for section in sections:
            table = table.setdefault(_spelled(table, section), {})
            if not isinstance(table, dict):
                raise ConfigurationError(f"{name}: '{section}' is not a table in the settings")
        table[_spelled(table, key)] = _value(environment[name])


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


def _sentence(error: ValidationError, *section: str) -> str:
    """Return which keys are wrong and why, without their values, which may be secrets."""
    return "; ".join(
        f"[{'.'.join(str(part) for part in (*section, *detail['loc']))}] {detail['msg'].removesuffix('.')}"
        for detail in error.errors(include_input=False, include_url=False)
    )


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
