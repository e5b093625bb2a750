"""Every setting has a description and valid examples, and the schema accepts and refuses what the service does."""

import tomllib
import typing
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel, Field, TypeAdapter

from governance.errors import ConfigurationError
from governance.settings import Section, Settings, load_settings
from tools.reference.settings import section_of, sections, settings_page, settings_schema, toml_value

ROOT = Path(__file__).parents[2]
MINIMAL = '[service]\nname = "s"\n'


def models(root: type[BaseModel] = Settings) -> list[type[BaseModel]]:
    return list(dict.fromkeys([root, *(part.model for part in sections(root))]))


def undocumented(root: type[BaseModel] = Settings) -> list[str]:
    """Return every setting without a description, or without an example where it holds a value."""
    found = []
    for model in models(root):
        hints = typing.get_type_hints(model)
        for name, field in model.model_fields.items():
            is_section = section_of(hints[name])[1] is not None
            if not field.description or not (field.examples or is_section):
                found.append(f"{model.__name__}.{name}")
        if not model.__doc__:
            found.append(model.__name__)
    return found


def test_settings_reference_every_setting_is_documented():
    assert undocumented() == []


def test_settings_reference_check_detects_an_undocumented_setting():
    class Inner(Section):
        """A section."""

        silent: int = 1
        told: int = Field(default=1, description="A number.", examples=[2])

    class Root(Section):
        """All."""

        inner: Inner = Field(default=Inner(), description="A section.")

    assert undocumented(Root) == ["Inner.silent"]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_settings_examples_are_valid_and_differ_from_the_default(model):
    hints = typing.get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        bounded = typing.Annotated[(hints[name], *field.metadata)] if field.metadata else hints[name]
        for example in field.examples or ():
            value = TypeAdapter(bounded).validate_python(example)
            assert field.is_required() or value != field.get_default(call_default_factory=True), name


def test_settings_examples_are_toml():
    for model in models():
        for name, field in model.model_fields.items():
            for example in field.examples or ():
                assert tomllib.loads(f"key = {toml_value(example)}")["key"] == example, name


def test_settings_reference_page_names_every_setting_and_environment_variable():
    page = settings_page()
    assert "| `directory` | path | **required** |" in page
    for variable in (
        "GOVERNANCE_AUDIT__DIRECTORY",
        "GOVERNANCE_MODELS__<NAME>__ARTIFACT",
        "GOVERNANCE_PRIVACY__FIELDS",
    ):
        assert f"`{variable}`" in page
    for part in sections():
        assert f"## `{part.heading}`" in page


@pytest.mark.parametrize("part", [part for part in sections() if part.prefix], ids=lambda part: part.heading)
def test_settings_environment_variables_of_the_page_work(part, tmp_path):
    """A value that is wrong for every setting is refused by the name of this one."""
    (tmp_path / "governance.toml").write_text(MINIMAL)
    hints = typing.get_type_hints(part.model)
    names = [name for name in part.model.model_fields if section_of(hints[name])[1] is None]
    for name in names:
        variable = f"{part.prefix}{name.upper()}".replace("<NAME>", "X")
        place = f"{part.heading.strip('[]').replace('NAME', 'x')}.{name}"
        with pytest.raises(ConfigurationError) as refusal:
            load_settings(tmp_path / "governance.toml", {variable: '{"a": {"b": {"c": 1}}}'})
        assert place in str(refusal.value), variable


@pytest.mark.parametrize("file", sorted(ROOT.glob("bentos/*/governance.toml")), ids=lambda file: file.parent.name)
def test_settings_schema_accepts_the_settings_of_our_services(file):
    jsonschema.validate(tomllib.loads(file.read_text()), settings_schema(), cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize(
    "text",
    [
        "",
        MINIMAL + "colour = 1\n",
        MINIMAL + "[limits]\nburst = -1\n",
        MINIMAL + "[limits]\nburts = 1\n",
        MINIMAL + '[runtime]\nrequire_device = "tpu"\n',
        MINIMAL + '[audit]\ndirectory = "log"\n',
        MINIMAL + '[[routes]]\npath = "no-slash"\n',
    ],
)
def test_settings_schema_refuses_what_the_service_refuses(text, tmp_path):
    (tmp_path / "governance.toml").write_text(text)
    with pytest.raises(ConfigurationError):
        load_settings(tmp_path / "governance.toml", {})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), settings_schema(), cls=jsonschema.Draft7Validator)


def test_settings_schema_is_a_valid_json_schema():
    jsonschema.Draft7Validator.check_schema(settings_schema())
