"""Names in commands that nobody knows are said, with the name that was probably meant; keys and files too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from governance.cli.main import command
from governance.settings import load_settings

BIN = Path(sys.executable).parent


@pytest.fixture
def folder(tmp_path):
    done = CliRunner().invoke(command, ["init", "hello", "--in", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (tmp_path / "hello/entities.json").write_text(
        '[{"uid": {"type": "Role", "id": "auditor"}, "attrs": {}, "parents": []}]'
    )
    file = tmp_path / "hello/governance.toml"
    file.write_text(file.read_text().replace("[policy]\n", '[policy]\nentities = "entities.json"\n'))
    return tmp_path / "hello"


def run(line, folder, **variables):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    return subprocess.run(
        [BIN / "bento-governance", *line.split()], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("usr", "remark: no policy names the role 'usr'; did you mean 'user'?\n"),
        ("Auditors", "remark: no policy names the role 'Auditors'; did you mean 'auditor'?\n"),
        ("zzz", "remark: no policy names the role 'zzz'\n"),
        ("user", ""),
        ("auditor", ""),
    ],
)
def test_api_key_of_a_role_that_no_policy_names_is_created_with_a_remark(folder, role, said):
    done = run(f"api-key create ada --role {role} --json", folder)
    assert (done.returncode, done.stderr) == (0, said)


def test_policy_explain_says_which_model_and_role_nobody_knows(folder):
    settings = folder / "governance.toml"
    settings.write_text(settings.read_text() + '[models.digits-cnn]\nartifact = "x"\n')
    done = run("policy explain --role usr --model digits-cn", folder)
    assert done.stderr == (
        "remark: no policy names the role 'usr'; did you mean 'user'?\n"
        "remark: the settings do not have the model 'digits-cn'; did you mean 'digits-cnn'?\n"
    )
    assert run("policy explain --role user --model digits-cnn", folder).stderr == ""


def test_settings_file_may_come_from_a_variable(folder, tmp_path):
    done = run("policy check", tmp_path, GOVERNANCE_SETTINGS=str(folder / "governance.toml"))
    assert done.returncode == 0, done.stderr
    assert "init NAME" in run("policy check", tmp_path).stderr


def test_missing_files_are_named_with_what_makes_them(folder):
    (folder / "state/keys/api-key-hash.key").unlink()
    said = run("api-key list", folder).stderr
    assert f"{folder}/state/keys/api-key-hash.key does not exist" in said and "key create" in said


@pytest.mark.parametrize(("purpose", "text"), [("stop", "kill switch"), ("grant", "emergency grants")])
def test_key_of_the_kill_switch_and_of_grants_is_not_called_a_model_signers(tmp_path, purpose, text):
    said = run(f"key create {purpose} a.key", tmp_path).stdout
    assert text in said and "artifact" not in said


def test_kill_switch_works_with_its_own_kind_of_key_made_by_dev(folder):
    settings = folder / "governance.toml"
    stop = '[stop]\nfile = "state/stop.json"\ntrusted_keys = ["state/keys/stop.key.pub"]\nsign_with = "file:state/keys/stop.key"\n'
    settings.write_text(settings.read_text() + stop)
    assert "stop.json, which stops nothing" in run("dev --once", folder).stdout
    assert load_settings(settings, {}).stop.file.exists()
    assert run("stop ALL --reason trouble", folder).returncode == 0
