"""Settings: the file, the environment, and refusal of anything unknown."""

from pathlib import Path

import pytest

from governance.errors import ConfigurationError
from governance.settings import load_settings

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
