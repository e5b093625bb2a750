"""Sealed models in a running service: one plaintext for all workers, no rollback, BentoML's model store."""

import json
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import BIN, ROOT, State, serving
from tests.e2e.test_start import start

EXPORT = ROOT / ".state/training/digits-cnn/export"
WORKERS = """
from bentos.digits.service import governance, Digits as Plain, Picture, Classification, pixels_of
import bentoml


@governance.guard
@bentoml.service(name="digits", workers=2)
class Digits:
    @bentoml.api
    def classify(self, image: Picture) -> Classification:
        raise NotImplementedError
"""


@pytest.fixture
def own(state, tmp_path):
    """A copy of the state with an audit log for one test."""
    copy = object.__new__(State)
    copy.folder, copy.keys, copy.token = tmp_path, state.keys, state.token
    copy.environment = {**state.environment, "GOVERNANCE_AUDIT__DIRECTORY": str(tmp_path / "audit")}
    return copy


def sealed(state, target, version, name="digits-cnn"):
    done = state.cli(
        "artifact", "seal", EXPORT, target, "--name", name, "--version", version,
        "--sign-with", f"file:{state.keys}/signing.key", "--recipient", state.keys / "recipient.key.pub",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def plaintext_maps(process):
    """Return the inodes of the plaintext memory that a process has mapped."""
    try:
        lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    return {line.split()[4] for line in lines if "memfd:governance-plaintext" in line}


def test_artifact_plaintext_is_shared_by_all_workers(own, tmp_path):
    (tmp_path / "service.py").write_text(WORKERS)
    environment = {"PYTHONPATH": str(ROOT)}
    with serving(own, "service:Digits", cwd=tmp_path, environment=environment) as running:
        assert running.client.get("/v2/models/digits-cnn").status_code == 200
        master = next(
            process
            for process in psutil.Process().children()
            if "service:Digits" in process.cmdline() and "serve" in process.cmdline()
        )
        workers = [child for child in master.children() if any("worker" in word for word in child.cmdline())]
        assert len(workers) == 2
        for _ in range(100):
            maps = [plaintext_maps(worker) for worker in workers]
            if all(len(found) == 2 for found in maps):
                break
            time.sleep(0.2)  # One worker answers before the other has started.
        # Two models: each process maps the same two memory files and no other.
        assert maps[0] == maps[1] == plaintext_maps(master) and len(maps[0]) == 2


def test_artifact_rollback_to_an_older_version_is_refused(own, tmp_path):
    old, new = sealed(own, tmp_path / "old.sealed", 1), sealed(own, tmp_path / "new.sealed", 2)
    name = "GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT"
    with serving(own, environment={name: str(new)}) as running:
        assert running.client.get("/v2/models/digits-cnn").json()["versions"] == ["2"]
    done = start(own, **{name: str(old)})
    assert done.returncode == 1
    assert "step 7" in done.stderr and "it is version 1; the lowest that may be served is 2" in done.stderr
    floors = tmp_path / "audit/rollback-floors.json"
    assert json.loads(floors.read_text())["floors"] == {"digits-cnn": 2, "digits-rnn": 1}
    floors.unlink()
    done = start(own, **{name: str(old)})
    assert done.returncode == 1 and "rollback-floors.json is missing" in done.stderr


def test_artifact_with_signature_threshold_needs_a_second_signer(own, tmp_path):
    file = sealed(own, tmp_path / "m.sealed", 1)
    own.cli("key", "create", "signing", tmp_path / "approver.key")
    environment = {
        "GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT": str(file),
        "GOVERNANCE_ARTIFACTS__TRUSTED_SIGNERS": json.dumps(
            [f"{own.keys}/signing.key.pub", f"{tmp_path}/approver.key.pub"]
        ),
        "GOVERNANCE_ARTIFACTS__THRESHOLD": "2",
    }
    done = start(own, **environment)
    assert done.returncode == 1 and "signed by 1 of the 2 trusted keys" in done.stderr
    rnn = shutil.copy(own.environment["GOVERNANCE_MODELS__DIGITS_RNN__ARTIFACT"], tmp_path / "rnn.sealed")
    for artifact in (file, rnn):
        approved = own.cli(
            "artifact", "approve", artifact, "--sign-with", f"file:{tmp_path}/approver.key",
            "--trust", own.keys / "signing.key.pub", "--recipient-key", f"file:{own.keys}/recipient.key",
        )  # fmt: skip
        assert approved.returncode == 0, approved.stderr
    with serving(own, environment={**environment, "GOVERNANCE_MODELS__DIGITS_RNN__ARTIFACT": str(rnn)}) as running:
        assert running.client.get("/v2/models/digits-cnn").status_code == 200


STORE = """
import sys
from governance import Governance

print(Governance.from_file(sys.argv[1]).save_model(sys.argv[2]))
"""
BY_TAG = """
import bentoml
import numpy as np
from governance import Governance

governance = Governance.from_file("governance.toml")


@governance.guard
@bentoml.service(name="by-tag")
class ByTag:
    def __init__(self) -> None:
        self.model = governance.open_model("digits-cnn:2")

    @bentoml.api
    def shape(self) -> list[int]:
        return list(self.model.run({"image": np.zeros((3, 1, 28, 28), np.float32)})["probabilities"].shape)
"""


def in_store(own, tmp_path, version):
    file = sealed(own, tmp_path / f"v{version}.sealed", version)
    command = [str(BIN / "python"), "-c", STORE, str(ROOT / "bentos/digits/governance.toml"), str(file)]
    return subprocess.run(command, cwd=ROOT, env=own.environment, capture_output=True, text=True, check=False)


def test_artifact_in_model_store_is_built_exported_and_served(own, tmp_path):
    own.environment["BENTOML_HOME"] = str(tmp_path / "home")
    saved = in_store(own, tmp_path, 2)
    assert saved.stdout.strip() == "digits-cnn:2", saved.stderr
    again = in_store(own, tmp_path, 2)
    assert again.returncode != 0 and "does not take" in again.stderr
    own.environment["GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT"] = "store:digits-cnn:2"
    built = subprocess.run(
        [str(BIN / "bentoml"), "build", "-f", "bentos/digits/bentofile.yaml", "."],
        cwd=ROOT, env=own.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-2000:]
    tag = next((tmp_path / "home/bentos/digits").glob("*/src")).parent.name
    exported = tmp_path / "digits.bento"
    subprocess.run(
        [str(BIN / "bentoml"), "export", f"digits:{tag}", str(exported)],
        env=own.environment, check=True, capture_output=True,
    )  # fmt: skip
    with tarfile.open(exported) as archive:
        names = [Path(name).name for name in archive.getnames()]
    assert "model.sealed" in names and not [name for name in names if name.endswith((".onnx", ".key"))]
    with serving(own, f"digits:{tag}") as running:
        assert running.client.get("/v2/models/digits-cnn").json()["versions"] == ["2"]


def test_artifact_in_model_store_is_opened_by_tag(own, tmp_path):
    own.environment["BENTOML_HOME"] = str(tmp_path / "home")
    assert in_store(own, tmp_path, 2).returncode == 0
    (tmp_path / "service.py").write_text(BY_TAG)
    (tmp_path / "policy.cedar").write_text('@id("all") permit (principal, action, resource);')
    shutil.copy(ROOT / "bentos/digits/schema.cedarschema", tmp_path)
    (tmp_path / "governance.toml").write_text(
        "[service]\nname = 'by-tag'\n[identity]\napi_keys = 'x'\nhash_key = 'file:x'\n"
        "[policy]\npolicies = 'policy.cedar'\ncedar_schema = 'schema.cedarschema'\n"
        "[artifacts]\nrecipient_key = 'file:x'\ntrusted_signers = ['x']\n"
        "[audit]\ndirectory = 'audit'\ncheckpoint_key = 'file:x'\n[[routes]]\npath = '/shape'\naction = 'metadata'\n"
    )
    own.environment = {key: value for key, value in own.environment.items() if "MODELS__" not in key}
    with serving(own, "service:ByTag", cwd=tmp_path) as running:
        reply = running.client.post("/shape", json={})
        assert (reply.status_code, reply.json()) == (200, [3, 10])


def test_save_model_refuses_plaintext_model(own, tmp_path):
    command = [
        str(BIN / "python"),
        "-c",
        STORE,
        str(ROOT / "bentos/digits/governance.toml"),
        str(EXPORT / "model.onnx"),
    ]
    done = subprocess.run(command, cwd=ROOT, env=own.environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "not a sealed artifact" in done.stderr
