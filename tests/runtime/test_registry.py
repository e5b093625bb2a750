"""The model registry: plaintext in memory, shared with child processes, and accepted only from the parent."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from governance.artifacts.seal import SealOptions, seal_folder
from governance.artifacts.trust.signing import ModelSigner
from governance.errors import DecryptionError, GovernanceError, NotReadyError
from governance.keys import generate_recipient_key, generate_signing_key
from governance.keys.key_files import write_new
from governance.runtime.registry import SHARED, ModelRegistry
from governance.settings import Settings

SHAPE = (700, 600)
CHILD = """
import sys, numpy as np
from pathlib import Path
from governance.runtime.registry import ModelRegistry
from governance.settings import Settings
registry = ModelRegistry(Settings.model_validate_json(sys.argv[1]), Path)
registry.open()
print(float(registry.get("large").run({"x": np.ones((1, 700), np.float32)})[0]["y"].sum()))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A sealed model whose weights are external (larger than the limit for weights inside the graph)."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "model").mkdir()
    weights = np.random.default_rng(5).normal(size=SHAPE).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", SHAPE[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", SHAPE[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, folder / "model/model.onnx")
    card = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, SHAPE[0]]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, SHAPE[1]]}],
    }
    (folder / "model/card.json").write_text(json.dumps(card))
    (folder / "model/profile.json").write_bytes(b"as it was signed")
    signing, recipient = generate_signing_key(), generate_recipient_key("x-wing", os.urandom)
    write_new(folder / "signing.pub", signing.public_key.pem, mode=0o644)
    write_new(folder / "recipient.key", recipient.to_pem(), mode=0o600)
    write_new(folder / "checkpoint.key", generate_signing_key("ed25519").to_pem(), mode=0o600)
    seal_folder(
        folder / "model",
        folder / "large.sealed",
        SealOptions(
            name="large",
            version=4,
            signers=[ModelSigner(signing)],
            recipients=[recipient.public_key],
            created=datetime.now(UTC),
        ),
    )
    plain = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = plain.run(None, {"x": np.ones((1, SHAPE[0]), np.float32)})[0]
    return folder, expected


def settings_of(folder, **changes):
    return Settings.model_validate(
        {
            "service": {"name": "s"},
            "models": {"large": {"artifact": str(folder / "large.sealed")}},
            "artifacts": {
                "recipient_key": f"file:{folder}/recipient.key",
                "trusted_signers": [str(folder / "signing.pub")],
            },
            **changes,
        }
    )


def no_store(tag):
    raise AssertionError(tag)


@pytest.mark.parametrize("memory", ["auto", "shared", "fast"])
def test_model_registry_external_weights_compute_the_same_as_the_plain_model(made, memory):
    folder, expected = made
    registry = ModelRegistry(settings_of(folder, runtime={"memory": memory}), no_store, {})
    (load,) = registry.open()
    assert (load.model, load.version, load.ready) == ("large", "4", True)
    assert load.profile == registry.read_profile("large") == b"as it was signed"
    model = registry.get("large")
    outputs, _ = model.run({"x": np.ones((1, SHAPE[0]), np.float32)})
    assert np.allclose(outputs["y"], expected, rtol=1e-4, atol=1e-4)
    registry.close()
    with pytest.raises(NotReadyError):
        model.run({"x": np.ones((1, SHAPE[0]), np.float32)})


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memfd is Linux's")
def test_model_registry_child_uses_plaintext_of_the_parent_without_artifact_or_key(made, tmp_path):
    folder, expected = made
    environment = {}
    registry = ModelRegistry(settings_of(folder), no_store, environment)
    registry.open()
    registry.share()
    # The settings of the child name no artifact and no key, so its result comes from the inherited memory.
    nowhere = settings_of(tmp_path).model_dump_json()

    def child(shared):
        command = [sys.executable, "-c", CHILD, nowhere]
        return subprocess.run(
            command, env={**os.environ, SHARED: shared}, capture_output=True, text=True, close_fds=False, check=False
        )

    done = child(environment[SHARED])
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(float(expected.sum()), rel=1e-3)
    record = json.loads(environment[SHARED])
    for wrong in ({**record, "parent": 1}, {}, {**record, "models": {}}):
        refused = child(json.dumps(wrong))
        assert refused.returncode != 0 and "ConfigurationError" in refused.stderr
    registry.close()


def test_model_registry_stores_rollback_floors_in_the_audit_directory(made, tmp_path):
    folder, _ = made
    audit = {"directory": str(tmp_path / "audit"), "checkpoint_key": f"file:{folder}/checkpoint.key"}
    registry = ModelRegistry(settings_of(folder, audit=audit), no_store, {})
    registry.open()
    assert json.loads((tmp_path / "audit/rollback-floors.json").read_text())["floors"] == {"large": 4}
    registry.close()


def test_model_registry_error_names_the_model_and_keeps_its_class(made, tmp_path):
    folder, _ = made
    write_new(tmp_path / "other.key", generate_recipient_key("x-wing", os.urandom).to_pem(), mode=0o600)
    artifacts = {"recipient_key": f"file:{tmp_path}/other.key", "trusted_signers": [str(folder / "signing.pub")]}
    registry = ModelRegistry(settings_of(folder, artifacts=artifacts), no_store, {})
    with pytest.raises(DecryptionError, match="model 'large': large.sealed: step 3"):
        registry.open()
    with pytest.raises(GovernanceError, match="not open yet"):
        registry.get("large")
