"""The reference of `governance.toml`: a page for readers, and a JSON Schema for editors."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from governance.settings import Settings
from tools.reference.markdown import choices, page, table

PAGE = Path("docs/reference/settings.md")
SCHEMA = Path("governance/settings/governance.schema.json")
ENVIRONMENT = "GOVERNANCE_"
FORMATS = {"path": "path", "ipvanynetwork": "network"}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
INTRODUCTION = """
A service reads one file, by convention `governance.toml`. An unknown key or a wrong value stops the start, with a
message that names the key. Paths are relative to the file. Keys, secrets and tokens are never in the file: a setting
names where one is kept, by a URI such as `file:state/keys/recipient.key` or `env:RECIPIENT_KEY`.

**Environment variables** override the file: `GOVERNANCE_AUDIT__DIRECTORY=/var/audit` sets `directory` in `[audit]`.
Lists and tables are given as JSON: `GOVERNANCE_RUNTIME__PROVIDERS='["cuda", "cpu"]'`. In a name of your own, such as a
model's, write `_` for `-`: `GOVERNANCE_MODELS__DIGITS_CNN__MAX_BATCH=64`.

**Editors** complete and check the file by a JSON Schema, `governance/settings/governance.schema.json`. With
[Taplo](https://taplo.tamasfe.dev), or the Even Better TOML extension of Visual Studio Code, make this the first line of
the file; the path is relative to it, and a URL works too:

```toml
#:schema ./governance.schema.json
```

The installed package holds the schema; this copies it to the working directory:

```sh
cp "$(python -c 'import governance.settings as s; print(s.__path__[0])')/governance.schema.json" .
```
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One section: its heading in TOML (`[audit]`, `[models.NAME]`, `[[routes]]`), and how the environment names it."""

    heading: str
    model: type[BaseModel]
    prefix: str | None
    whole: str | None = None


def settings_files() -> dict[Path, str]:
    """Return the page and the schema."""
    return {PAGE: settings_page(), SCHEMA: json.dumps(settings_schema(), indent=2, ensure_ascii=False) + "\n"}


def settings_page(root: type[BaseModel] = Settings) -> str:
    """Return the page: one table for each section, with a row for each key."""
    overview = [
        (f"[`{part.heading}`](#{_anchor(part.heading)})", _first_sentence(part.model)) for part in sections(root)
    ]
    parts, shown = [], dict[type[BaseModel], str]()
    free = list(_free_tables(root))
    overview += [
        (f"[`{heading}`](#{_anchor(heading)})", (field.description or "").split(". ")[0].rstrip(".") + ".")
        for heading, field in free
    ]
    for part in sections(root):
        same = shown.setdefault(part.model, part.heading)
        rows = _rows(part) if same == part.heading else f"It has the keys of [`{same}`](#{_anchor(same)})."
        parts.append(f"## `{part.heading}`\n\n{_prose(part.model)}\n\n{rows}")
    parts += [_free_part(heading, field) for heading, field in free]
    return page(
        "Settings", "governance/settings", INTRODUCTION, table(("Section", "What it configures"), overview), *parts
    )


def sections(root: type[BaseModel] = Settings) -> Iterator[Part]:
    """Yield every section below the root, depth first, in the order of its fields."""
    for name, hint in typing.get_type_hints(root).items():
        if name in root.model_fields:
            yield from _below(name, hint, f"{ENVIRONMENT}{name.upper()}__", "")


def _free_tables(root: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the top-level tables by name whose keys others define, such as the settings of plugins."""
    hints = typing.get_type_hints(root)
    for name, field in root.model_fields.items():
        if section_of(hints[name])[1] is None:
            yield f"[{name}.NAME]", field


def _free_part(heading: str, field: FieldInfo) -> str:
    name = heading.strip("[]").removesuffix(".NAME")
    examples = "\n\n".join(
        f"[{name}.{one}]\n" + "\n".join(f"{key} = {toml_value(value)}" for key, value in table_.items())
        for example in field.examples or ()
        for one, table_ in example.items()
    )
    variable = f"{ENVIRONMENT}{name.upper()}__<NAME>__<KEY>"
    return f"## `{heading}`\n\n{field.description}\n\n```toml\n{examples}\n```\n\nEnvironment: `{variable}`"


def _below(heading: str, hint: Any, prefix: str | None, whole: str) -> Iterator[Part]:
    """Yield the section of one field, and those inside it; nothing for a field that holds a value."""
    kind, model = section_of(hint)
    if model is None:
        return
    if kind == "list":
        yield Part(f"[[{heading}]]", model, None, whole or None)
        return
    if kind in ("table", "table of lists"):
        heading, prefix = f"{heading}.NAME", f"{prefix}<NAME>__"
    if kind == "table of lists":
        yield Part(f"[[{heading}]]", model, None, prefix.removesuffix("__"))
        return
    yield Part(f"[{heading}]", model, prefix)
    for name, inner in typing.get_type_hints(model).items():
        if name in model.model_fields:
            variable = f"{prefix}{name.upper()}"
            yield from _below(f"{heading}.{name}", inner, f"{variable}__", variable)


def section_of(hint: Any) -> tuple[Literal["", "one", "list", "table", "table of lists"], type[BaseModel] | None]:
    """Return how a field holds sections, and which; an empty word and None for a field that holds a value."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "one", hint
    if origin in (Union, types.UnionType):
        return next((found for found in map(section_of, arguments) if found[1]), ("", None))
    if origin is tuple and section_of(arguments[0])[1]:
        return "list", section_of(arguments[0])[1]
    if origin is dict:
        kind, model = section_of(arguments[1])
        return ("", None) if model is None else ("table of lists" if kind == "list" else "table", model)
    return "", None


def _rows(part: Part) -> str:
    schema = part.model.model_json_schema(mode="validation")
    hints, rows = typing.get_type_hints(part.model), []
    for name, field in part.model.model_fields.items():
        if section_of(hints[name])[1] is not None and part.heading.startswith("[["):
            raise TypeError(f"{part.heading} {name}: a section inside a list of sections has no page yet")
        if section_of(hints[name])[1] is not None:
            continue
        kind = type_text(schema["properties"][name], schema.get("$defs", {}))
        rows.append((f"`{name}`", kind, _default(field), _description(part, name, field)))
    if part.prefix is None and part.whole is not None:
        note = f"\n\nThe environment sets the whole list, as JSON: `{part.whole}`."
    elif part.prefix is None:
        note = "\n\nThe environment cannot set these: they are read from the file only."
    else:
        note = ""
    return table(("Key", "Type", "Default", "Description"), rows) + note


def _description(part: Part, name: str, field: FieldInfo) -> str:
    lines = [field.description or ""]
    lines += [f"Example: `{name} = {toml_value(example)}`" for example in field.examples or ()]
    if part.prefix is not None:
        lines.append(f"Environment: `{part.prefix}{name.upper()}`")
    return "<br>".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is PydanticUndefined or default is None or default == ():
        return "none"
    return f"`{toml_value(default)}`" if default != {} else "none"


def type_text(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return a type in words: `integer, at least 1`, `list of paths`, "`cuda` or `cpu`"."""
    if "$ref" in schema:
        return type_text(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        kinds = [type_text(one, definitions) for one in schema["anyOf"] if one.get("type") != "null"]
        return choices(list(dict.fromkeys(kinds)))
    if "enum" in schema or "const" in schema:
        return choices([f"`{value}`" for value in schema.get("enum", [schema.get("const")])])
    if schema.get("type") == "array":
        return f"list of {_plural(type_text(schema['items'], definitions))}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {"": {}}).values()))
        return f"table of {_plural(type_text(inner, definitions))}" if isinstance(inner, dict) and inner else "table"
    return ", ".join([FORMATS.get(schema.get("format", ""), schema.get("type", "any")), *_bounds(schema)])


def _plural(kind: str) -> str:
    if kind.startswith(("list of", "table of")):
        return kind.replace("list", "lists", 1).replace("table", "tables", 1)
    return f"{kind}s" if kind.isalpha() else kind


def _bounds(schema: Mapping[str, Any]) -> list[str]:
    return [f"{words} {schema[keyword]}" for keyword, words in BOUNDS.items() if keyword in schema]


def toml_value(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    if isinstance(value, dict):
        pairs = (f"{_toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


def _toml_key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def settings_schema(root: type[BaseModel] = Settings) -> dict[str, Any]:
    """Return a JSON Schema (draft 7) of the file, with descriptions and examples that editors show."""
    schema: dict[str, Any] = _for_editors(root.model_json_schema())
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Generated from governance/settings; do not edit. Run `make generate` after a change there.",
        "title": "governance.toml",
        **schema,
    }


def _for_editors(node: Any) -> Any:
    """Leave out names and formats that only Python knows, and null, which TOML cannot write."""
    if isinstance(node, list):
        return [_for_editors(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: {name: _for_editors(value) for name, value in item.items()}
        if key in ("properties", "$defs", "patternProperties")
        else item
        if key in ("default", "examples", "enum", "const")
        else _for_editors(item)
        for key, item in node.items()
        if key not in ("title", "format") and not (key == "default" and item is None)
    }
    if "anyOf" in plain:
        kinds = [kind for kind in plain.pop("anyOf") if kind != {"type": "null"}]
        # Draft 7 ignores other keywords next to `$ref`, so it is put into `allOf`.
        plain |= {"anyOf": kinds} if len(kinds) > 1 else {"allOf": kinds} if "$ref" in kinds[0] else kinds[0]
    elif "$ref" in plain and len(plain) > 1:
        plain["allOf"] = [{"$ref": plain.pop("$ref")}]
    if "description" in plain:
        plain["description"] = inspect.cleandoc(plain["description"])
    return plain


def _prose(model: type[BaseModel]) -> str:
    return inspect.getdoc(model) or ""


def _first_sentence(model: type[BaseModel]) -> str:
    return _prose(model).split("\n\n")[0].replace("\n", " ")


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub and MkDocs make of a heading."""
    return "".join(character for character in heading.lower() if character.isalnum() or character in "_-")
