"""`init`: a complete folder for each kind of service, no half of one after a failure, and nothing overwritten."""

import json
import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from governance.cli.main import command
from governance.keys.development import is_file_for_development
from governance.settings import load_settings

BIN = Path(sys.executable).parent


def run(*words, folder=None):
    done = CliRunner().invoke(command, [*map(str, words)])
    return done


def model(nodes, inputs, outputs, initializers=(), *, metadata=None, domains=("",)):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid(domain, 3 if domain else 17) for domain in domains]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    helper.set_model_props(made, metadata or {})
    return made


def linear(**settings):
    return model(
        [helper.make_node("MatMul", ["input:0", "w"], ["y"])],
        [helper.make_tensor_value_info("input:0", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.ones((2, 3), np.float32), "w")],
        **settings,
    )


@pytest.fixture
def onnx_file(tmp_path):
    onnx.save(linear(metadata={"classes": '["a", "b", "c"]'}), tmp_path / "given.onnx")
    return tmp_path / "given.onnx"


def check(folder):
    """Return what the commands of the new folder's README say about policies and settings."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
    for line in ("policy test policy_cases.json", "policy check --strict"):
        done = subprocess.run(
            [BIN / "bento-governance", *line.split()], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return load_settings(folder / "governance.toml", {})


def test_init_makes_a_plain_service_with_keys_for_development_and_a_caller(tmp_path):
    done = run("init", "hello", "--in", tmp_path)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "hello"
    settings = check(folder)
    assert settings.service.development and not settings.models and settings.artifacts is None
    for key in (folder / "state/keys").glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and is_file_for_development(key)
    for path in ("state", "state/keys"):
        assert stat.S_IMODE((folder / path).stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "state/first-caller.api-key").stat().st_mode) == 0o600
    assert (folder / "state/first-caller.api-key").read_text() not in done.output
    assert (
        "cd" in done.output and "/count" in done.output and len((folder / "README.md").read_text().splitlines()) <= 12
    )
    assert "state/" in (folder / ".gitignore").read_text()


def test_init_writes_the_card_of_a_model_from_its_graph(tmp_path, onnx_file):
    done = run("init", "iris", "--model", onnx_file, "--in", tmp_path)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "iris"
    check(folder)
    card = json.loads((folder / "models/iris/card.json").read_text())
    assert card == {
        "name": "iris",
        "inputs": [{"name": "input:0", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
        "classes": ["a", "b", "c"],
    }
    assert json.loads((folder / "example.json").read_text()) == {"input_0": [[0.0, 0.0]]}
    assert 'input_0: Annotated[np.ndarray, DType("float32"), Shape((-1, 2))]' in (folder / "service.py").read_text()
    assert is_file_for_development(folder / "state/keys/signing.key.pub")
    bento = (folder / "bentofile.yaml").read_text()
    assert "*.sealed" in bento and ".key\n" not in bento and "api-keys" not in bento


def test_init_takes_a_folder_and_keeps_what_its_card_says(tmp_path, onnx_file):
    given = tmp_path / "export"
    given.mkdir()
    onnx_file.rename(given / "model.onnx")
    (given / "card.json").write_text(
        json.dumps({"name": "old", "intended_purposes": ["care"], "classes": ["x", "y", "z"]})
    )
    done = run("init", "risk", "--model", given, "--in", tmp_path)
    assert done.exit_code == 0, done.output
    card = json.loads((tmp_path / "risk/models/risk/card.json").read_text())
    assert card["name"] == "risk" and card["intended_purposes"] == ["care"] and card["classes"] == ["x", "y", "z"]
    assert card["inputs"][0]["shape"] == [-1, 2]


def test_init_takes_the_external_data_of_a_model_with_it(tmp_path):
    large = linear()
    onnx.save(large, tmp_path / "m.onnx", save_as_external_data=True, location="m.bin", size_threshold=0)
    done = run("init", "large", "--model", tmp_path / "m.onnx", "--in", tmp_path)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "large/models/large/m.bin").stat().st_size > 0


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        (["class", "self", "x y", "x.y"], ["input_0", "input_1", "x_y", "input_3"]),
        (["_a", "1", "ä", "model"], ["a", "input_1", "input_2", "input_3"]),
    ],
)
def test_init_makes_a_parameter_of_any_name_of_an_input(inputs, names):
    from governance.cli.project.onnx_model import identifiers

    assert list(identifiers(inputs).values()) == names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["init", "Hello"], "lower-case letters"),
        (["init", "../x"], "lower-case letters"),
        (["init", "hello", "--model", "missing.onnx"], "cannot read the model missing.onnx"),
        (["init", "hello", "--model", __file__], "is not an ONNX model"),
    ],
)
def test_init_says_what_is_wrong_and_leaves_nothing_behind(tmp_path, words, said):
    done = run(*words, "--in", tmp_path)
    assert done.exit_code != 0 and said in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_init_refuses_a_model_that_the_scan_refuses_and_leaves_nothing_behind(tmp_path):
    bad = model(
        [helper.make_node("Danger", ["x"], ["y"], domain="evil")],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 2])],
        domains=("", "evil"),
    )
    onnx.save(bad, tmp_path / "bad.onnx")
    done = run("init", "bad", "--model", tmp_path / "bad.onnx", "--in", tmp_path)
    assert "evil" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.onnx"]


def test_init_changes_no_existing_folder(tmp_path):
    (tmp_path / "hello").mkdir()
    done = run("init", "hello", "--in", tmp_path)
    assert "exists already" in str(done.exception) and list((tmp_path / "hello").iterdir()) == []


def test_init_settings_name_no_key_outside_the_folder_and_parse_as_toml(tmp_path):
    run("init", "hello", "--in", tmp_path)
    document = tomllib.loads((tmp_path / "hello/governance.toml").read_text())
    assert document["audit"]["checkpoint_key"] == "file:state/keys/checkpoint.key"


def test_dev_makes_no_keys_for_a_service_in_production(tmp_path):
    run("init", "hello", "--in", tmp_path)
    folder = tmp_path / "hello"
    text = (folder / "governance.toml").read_text()
    (folder / "governance.toml").write_text(text.replace("development = true", "development = false"))
    (folder / "state/keys/checkpoint.key").unlink()
    done = run("dev", "--once", "--folder", folder)
    assert "development = true" in str(done.exception) and not (folder / "state/keys/checkpoint.key").exists()


def test_dev_seals_a_changed_model_with_a_higher_version(tmp_path, onnx_file):
    run("init", "iris", "--model", onnx_file, "--in", tmp_path)
    folder, sealed = tmp_path / "iris", tmp_path / "iris/state/artifacts/iris.sealed"
    before = sealed.read_bytes()
    assert "sealed" not in run("dev", "--once", "--folder", folder).output and sealed.read_bytes() == before
    os.utime(folder / "models/iris/card.json")
    assert "version 2" in run("dev", "--once", "--folder", folder).output
    # Without the artifact, the version follows the highest one that was served.
    from governance.artifacts.trust.rollback import RollbackFloors
    from governance.keys import open_signing_key

    settings = load_settings(folder / "governance.toml", {})
    RollbackFloors(
        settings.audit.directory, open_signing_key(settings.audit.checkpoint_key), settings.service.name
    ).raise_to({"iris": 7})
    sealed.unlink()
    assert "version 8" in run("dev", "--once", "--folder", folder).output


def test_dev_makes_again_what_was_removed(tmp_path):
    run("init", "hello", "--in", tmp_path)
    folder = tmp_path / "hello"
    import shutil

    shutil.rmtree(folder / "state")
    done = run("dev", "--once", "--folder", folder)
    assert done.exit_code == 0, done.output
    assert (folder / "state/first-caller.api-key").exists() and is_file_for_development(
        folder / "state/keys/checkpoint.key"
    )


@pytest.mark.parametrize("recorded", ["file", "gone", "index", "folder", "nonsense"])
def test_bento_carries_the_wheel_that_the_package_was_installed_from(tmp_path, monkeypatch, recorded):
    from governance.cli.project import distribution

    wheel = tmp_path / "a b/bento_governance-1-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"")
    urls = {
        "file": wheel.as_uri(),
        "gone": f"{wheel.parent.as_uri()}/x.whl",
        "index": "https://x/y.whl",
        "folder": tmp_path.as_uri(),
    }
    text = "not JSON" if recorded == "nonsense" else json.dumps({"url": urls[recorded]})

    class Recorded:
        def read_text(self, name):
            return text

    monkeypatch.setattr(distribution, "distribution", lambda name: Recorded())
    found = distribution.installed_wheel()
    assert found == (wheel if recorded == "file" else None)
    listed = distribution.requirements(found, runtime=True)
    assert (f"./wheels/{wheel.name}" in listed) == (recorded == "file") == ("bento-governance[cpu]" not in listed)
