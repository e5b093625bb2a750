"""Settings: the file, the environment, and refusal of anything unknown."""

from pathlib import Path

import pytest

from governance.errors import ConfigurationError
from governance.settings import Section, load_settings, plugin_settings

MINIMAL = '[service]\nname = "s"\n'


def write(folder: Path, text: str) -> Path:
    file = folder / "governance.toml"
    file.write_text(text)
    return file


def test_settings_of_digits_service_are_valid():
    file = Path(__file__).parents[1] / "bentos/digits/governance.toml"
    settings = load_settings(file, {})
    assert settings.models["digits-cnn"].artifact == file.parent / "state/artifacts/digits-cnn.sealed"
    assert settings.identity.hash_key == f"file:{file.parent}/state/keys/api-key-hash.key"


def test_settings_paths_are_relative_to_the_file(tmp_path):
    file = write(tmp_path, MINIMAL + '[audit]\ndirectory = "log"\ncheckpoint_key = "file:k"\n')
    audit = load_settings(file, {}).audit
    assert audit.directory == tmp_path / "log"
    assert audit.checkpoint_key == f"file:{tmp_path}/k"


def test_settings_environment_overrides_the_file(tmp_path):
    file = write(tmp_path, MINIMAL + '[models.digits-cnn]\nartifact = "a"\n[limits]\nburst = 5\n')
    environment = {
        "GOVERNANCE_LIMITS__BURST": "7",
        "GOVERNANCE_RUNTIME__PROVIDERS": '["cuda", "cpu"]',
        "GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT": "/elsewhere",
        "OTHER": "x",
    }
    settings = load_settings(file, environment)
    assert settings.limits.burst == 7
    assert settings.runtime.providers == ("cuda", "cpu")
    assert settings.models["digits-cnn"].artifact == Path("/elsewhere")


@pytest.mark.parametrize(
    ("text", "environment", "named"),
    [
        ("[service", {}, "not TOML"),
        ("", {}, "service"),
        (MINIMAL + "colour = 1\n", {}, "service.colour"),
        (MINIMAL + "[limits]\nburst = -1\n", {}, "limits.burst"),
        (MINIMAL, {"GOVERNANCE_LIMITS__BURTS": "1"}, "limits.burts"),
        (MINIMAL, {"GOVERNANCE_LIMITS": "1"}, "names no section"),
        (MINIMAL, {"GOVERNANCE_SERVICE__NAME__X": "1"}, "not a table"),
        (MINIMAL, {"GOVERNANCE_RUNTIME__REQUIRE_DEVICE": "tpu"}, "runtime.require_device"),
    ],
)
def test_settings_error_names_the_setting(tmp_path, text, environment, named):
    with pytest.raises(ConfigurationError, match=named):
        load_settings(write(tmp_path, text), environment)


def test_settings_error_names_the_missing_file(tmp_path):
    with pytest.raises(ConfigurationError, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml", {})


def test_settings_error_does_not_repeat_the_value(tmp_path):
    file = write(tmp_path, MINIMAL + '[limits]\nburst = "hunter2"\n')
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(file, {})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        (MINIMAL + "[limits]\nrate_per_secnd = 3\n", {}, "{file}: [limits.rate_per_secnd] is an unknown key; did you mean 'rate_per_second'?"),
        (MINIMAL + "[limts]\nburst = 3\n", {}, "{file}: [limts] is an unknown key; did you mean 'limits'?"),
        (MINIMAL + "[models.m]\nartefact = 'a'\nartifact = 'b'\n", {}, "{file}: [models.m.artefact] is an unknown key; did you mean 'artifact'?"),
        (MINIMAL + "[limits.models.m]\nburts = 1\n", {}, "{file}: [limits.models.m.burts] is an unknown key; did you mean 'burst'?"),
        (MINIMAL + "[[routes]]\npath = '/a'\nmodle = 'm'\n", {}, "{file}: [routes.0.modle] is an unknown key; did you mean 'model'?"),
        (MINIMAL + "[identity.issuers.a]\nissuer = 'i'\naudience = ['x']\n", {}, "{file}: [identity.issuers.a.audiences] is missing; [identity.issuers.a.audience] is an unknown key; did you mean 'audiences'?"),
        (MINIMAL, {"GOVERNANCE_LIMITS__RATE_PER_SECND": "3"}, "GOVERNANCE_LIMITS__RATE_PER_SECND: [limits.rate_per_secnd] is an unknown key; did you mean 'rate_per_second'?"),
        (MINIMAL, {"GOVERNANCE_LIMITS__BURST": "many"}, "GOVERNANCE_LIMITS__BURST: [limits.burst] Input should be a valid integer, unable to parse string as an integer"),
        (MINIMAL, {"GOVERNANCE_MODELS__M": '{"artefact": "a"}'}, "GOVERNANCE_MODELS__M: [models.M.artifact] is missing; [models.M.artefact] is an unknown key; did you mean 'artifact'?"),
        (MINIMAL + "zzz = 1\n", {"GOVERNANCE_LIMITS__BURST": "0"}, "{file}: [service.zzz] is an unknown key; GOVERNANCE_LIMITS__BURST: [limits.burst] Input should be greater than or equal to 1"),
    ],
)  # fmt: skip
def test_settings_mistake_says_where_it_is_what_was_meant_and_where_the_value_comes_from(
    tmp_path, text, environment, said
):
    file = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(file, environment)
    assert str(refusal.value).lower() == said.format(file=file).lower()


def test_settings_of_a_plugin_name_the_variable_that_is_wrong(tmp_path):
    class Greeting(Section):
        word: str = "hi"

    settings = load_settings(write(tmp_path, MINIMAL), {"GOVERNANCE_PLUGINS__GREETING__WROD": "x"})
    with pytest.raises(ConfigurationError) as refusal:
        plugin_settings(settings, "greeting", Greeting)
    assert str(refusal.value) == (
        "GOVERNANCE_PLUGINS__GREETING__WROD: [plugins.greeting.wrod] is an unknown key; did you mean 'word'?"
    )


def test_settings_variable_of_the_command_line_is_no_setting(tmp_path):
    load_settings(write(tmp_path, MINIMAL), {"GOVERNANCE_SETTINGS": "elsewhere.toml"})
