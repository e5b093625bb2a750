"""`doctor`: nothing to say about a fresh service, and one line with a remedy for each thing that is wrong."""

import json
import os
import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from governance.cli.doctor import machine
from governance.cli.main import command
from governance.settings import load_settings


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), folder / "m.onnx")
    done = CliRunner().invoke(command, ["init", "risk", "--model", str(folder / "m.onnx"), "--in", str(folder)])
    assert done.exit_code == 0, done.output
    return folder / "risk"


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "risk")
    return tmp_path / "risk"


def examine(folder, *words, port=None):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = port or free.getsockname()[1]
    words = ["doctor", "--json", "--settings", str(folder / "governance.toml"), "--port", str(port), *words]
    done = CliRunner().invoke(command, words)
    return json.loads(done.stdout), done


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_doctor_finds_nothing_wrong_with_a_fresh_service_but_that_it_is_for_development(folder):
    found, done = examine(folder)
    assert done.exception is None or done.exit_code == 0, found
    wrong = [finding for finding in found if finding["level"] != "ok"]
    assert [finding["subject"] for finding in wrong] == ["keys"] and "development" in wrong[0]["text"]
    assert {finding["subject"] for finding in found} == {
        "versions", "settings", "plugins", "keys", "policies", "callers", "models", "runtime", "disk", "clock", "port",
    }  # fmt: skip


def break_policy_model(folder):
    edit(folder / "policy.cedar", 'Model::"risk"', 'Model::"rsk"')


def break_role(folder):
    edit(folder / "policy.cedar", 'Role::"user"', 'Role::"users"')


def break_artifact(folder):
    file = folder / "state/artifacts/risk.sealed"
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1
    file.write_bytes(content)


BROKEN = [
    ("settings", lambda f: edit(f / "governance.toml", "burst =", "brust ="), "problem", "did you mean 'burst'"),
    ("plugins", lambda f: edit(f / "governance.toml", "[service]", '[service]\nplugins = ["polcy"]'), "problem", "did you mean 'policy'"),
    ("keys", lambda f: (f / "state/keys/checkpoint.key").chmod(0o644), "problem", "open to others (mode 0644): chmod 600"),
    ("keys", lambda f: (f / "state/keys/recipient.key").unlink(), "problem", "recipient.key does not exist"),
    ("keys", lambda f: (f / "state/keys/api-key-hash.key").write_text("short"), "problem", "api-key-hash.key"),
    ("keys", lambda f: shutil.copyfile(f / "state/keys/signing.key", f / "state/keys/checkpoint.key"), "problem", "must be Ed25519"),
    ("keys", lambda f: (f / "state/audit").chmod(0o755), "warning", "audit is open to others (mode 0755)"),
    ("keys", lambda f: edit(f / "governance.toml", "development = true", "development = false"), "problem", "is a key for development"),
    ("policies", break_policy_model, "warning", "no model or service is"),
    ("policies", lambda f: edit(f / "policy.cedar", "permit (", "permt ("), "problem", "policy.cedar"),
    ("policies", lambda f: edit(f / "governance.toml", 'model = "risk"\n', 'model = "risk"\naction = "infr"\n'), "problem", "infr"),
    ("callers", break_role, "warning", "no policy names the role 'user'; did you mean 'users'"),
    ("callers", lambda f: (f / "state/api-keys.json").unlink(), "warning", "does not exist, so every API key is refused"),
    ("callers", lambda f: (f / "state/api-keys.json").chmod(0o640), "problem", "open to others"),
    ("models", lambda f: edit(f / "governance.toml", 'model = "risk"', 'model = "rsk"'), "problem", "did you mean 'risk'"),
    ("models", lambda f: (f / "state/artifacts/risk.sealed").unlink(), "problem", "risk.sealed does not exist"),
    ("models", break_artifact, "problem", "step"),
    ("runtime", lambda f: edit(f / "governance.toml", "[identity]", '[runtime]\nproviders = ["cuda"]\n[identity]'), "problem", "has no CUDAExecutionProvider"),
    ("disk", lambda f: edit(f / "governance.toml", 'directory = "state/audit"', 'directory = "/proc/audit"'), "problem", "/proc"),
    ("clock", lambda f: os.utime(f / "state/artifacts/risk.sealed", (2**32, 2**32)), "problem", "the clock is at least"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "harm", "level", "said"), BROKEN, ids=[f"{row[0]}-{row[3][:24]}" for row in BROKEN]
)
def test_doctor_says_in_one_line_what_is_wrong_and_what_to_do(folder, subject, harm, level, said):
    if subject == "disk" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    harm(folder)
    found, done = examine(folder)
    wrong = [finding for finding in found if finding["subject"] == subject and finding["level"] == level]
    assert any(said in finding["text"] for finding in wrong), found
    assert all(finding["remedy"] and "\n" not in finding["text"] for finding in wrong)
    assert (done.exception is not None) == any(finding["level"] == "problem" for finding in found)


def test_doctor_sees_that_the_port_is_taken(folder):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        found, _ = examine(folder, port=listener.getsockname()[1])
    assert [finding["level"] for finding in found if finding["subject"] == "port"] == ["warning"]


def test_doctor_sees_a_package_that_is_missing_or_too_old(monkeypatch):
    wanted = ["bentoml>=999", "no-such-package>=1", "onnxruntime>=999; extra == 'cpu'", "numpy>=1"]
    monkeypatch.setattr(machine, "requires", lambda name: wanted)
    texts = [finding.text for finding in machine.check_versions()]
    assert len(texts) == 2 and "bentoml is 1." in texts[0] and texts[1] == "no-such-package is not installed"


def test_doctor_sees_a_full_disk(folder, monkeypatch):
    settings = load_settings(folder / "governance.toml", {})
    for free, level in ((machine.LEAST_FREE_BYTES, "ok"), (machine.LEAST_FREE_BYTES - 1, "warning")):
        usage = shutil.disk_usage(folder)._replace(free=free)
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert [finding.level for finding in machine.check_disk(settings)] == [level]


def test_doctor_sees_a_clock_that_is_behind_what_was_made(folder):
    settings = load_settings(folder / "governance.toml", {})
    newest = datetime.fromtimestamp((folder / "state/artifacts/risk.sealed").stat().st_mtime, UTC)
    for now, level in ((newest, "ok"), (newest - timedelta(seconds=30), "problem")):
        assert [finding.level for finding in machine.check_clock(settings, now)] == [level]


def test_doctor_prints_lines_for_people(folder):
    done = CliRunner().invoke(command, ["doctor", "--settings", str(folder / "governance.toml")])
    lines = done.stdout.splitlines()
    assert any(line.startswith("ok       policies") for line in lines)
    assert any(line.strip().startswith("-> in production") for line in lines)
