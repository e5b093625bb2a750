"""Starting a service: what stops the start, and the features of BentoML that still work in a guarded service."""

import re
import shutil
import subprocess
import sys

import pytest

from governance.testing import eventually, free_port
from tests.e2e.conftest import BIN, ROOT, State, serving


def start(state, **environment):
    command = [str(BIN / "bentoml"), "serve", "bentos.digits.service:Digits", "--port", str(free_port())]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**state.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def damaged(state, tmp_path, change):
    content = bytearray((state.folder / "artifacts/digits-cnn.sealed").read_bytes())
    file = tmp_path / "damaged.sealed"
    file.write_bytes(change(content))
    return {"GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT": str(file)}


def flipped(content):
    content[len(content) // 2] ^= 1
    return content


def test_start_with_changed_artifact_fails_with_one_line(state, tmp_path):
    done = start(state, **damaged(state, tmp_path, flipped))
    assert done.returncode == 1
    assert "step 5" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_start_with_truncated_artifact_fails(state, tmp_path):
    done = start(state, **damaged(state, tmp_path, lambda content: content[:-10]))
    assert done.returncode == 1
    assert "step 1" in done.stderr


def test_start_with_plaintext_model_fails(state):
    plain = ROOT / ".state/training/digits-cnn/export/model.onnx"
    done = start(state, GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT=str(plain))
    assert done.returncode == 1
    assert "plaintext ONNX" in done.stderr


def test_start_with_artifact_of_untrusted_signer_fails(state, tmp_path):
    state.cli("key", "create", "signing", tmp_path / "stranger.key")
    sealed = tmp_path / "stranger.sealed"
    made = state.cli(
        "artifact", "seal", ROOT / ".state/training/digits-cnn/export", sealed, "--name", "digits-cnn", "--version", 1,
        "--sign-with", f"file:{tmp_path}/stranger.key", "--recipient", state.keys / "recipient.key.pub",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    done = start(state, GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT=str(sealed))
    assert done.returncode == 1
    assert "step 2 (signatures)" in done.stderr


def test_start_with_invalid_policy_fails_and_names_the_line(state, tmp_path):
    policy = tmp_path / "policy.cedar"
    policy.write_text('\n@id("a")\npermit (principal, action resource);\n')
    done = start(state, GOVERNANCE_POLICY__POLICIES=str(policy))
    assert done.returncode == 1
    assert "line 2" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GOVERNANCE_LIMITS__BURTS", "1", "burts"),
        ("GOVERNANCE_SERVICE__PLUGINS", '["policy", "identity"]', "requires Caller"),
        ("GOVERNANCE_SERVICE__PLUGINS", '["nothing"]', "no plugin is called"),
        ("GOVERNANCE_MODELS__DIGITS_CNN__MINIMUM_VERSION", "2", "step 7"),
    ],
)
def test_start_with_wrong_settings_fails_with_one_line(state, name, value, says):
    done = start(state, **{name: value})
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_start_without_required_gpu_fails_unless_fallback_is_allowed(state):
    environment = {
        "GOVERNANCE_RUNTIME__PROVIDERS": '["cuda", "cpu"]',
        "GOVERNANCE_RUNTIME__REQUIRE_DEVICE": "cuda",
        "GOVERNANCE_RUNTIME__ALLOW_FALLBACK": "true",
    }
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has a GPU")
    with serving(state, environment=environment) as running:
        text = running.client.get("/metrics").text
        assert 'governance_model_degraded{device="cpu",model="digits-cnn",version="1"} 1.0' in text
    environment["GOVERNANCE_RUNTIME__ALLOW_FALLBACK"] = "false"
    with pytest.raises(RuntimeError, match="cuda is asked for"), serving(state, environment=environment):
        pass


OUTER = """
import bentoml
from governance import Governance

governance = Governance.from_file("governance.toml")


@bentoml.service(name="inner")
class Inner:
    @bentoml.api
    def double(self, number: int) -> int:
        return 2 * number


@governance.guard
@bentoml.service(name="outer", workers=2)
class Outer:
    inner = bentoml.depends(Inner)

    @bentoml.api
    async def twice(self, number: int) -> int:
        return await self.inner.to_async.double(number)

    @bentoml.api
    async def hidden(self) -> int:
        return 1
"""


def test_guarded_service_works_with_several_workers_and_dependencies(state, tmp_path):
    (tmp_path / "service.py").write_text(OUTER)
    (tmp_path / "policy.cedar").write_text('@id("all") permit (principal, action, resource);')
    shutil.copy(ROOT / "bentos/digits/schema.cedarschema", tmp_path)
    (tmp_path / "governance.toml").write_text(
        "[service]\nname = 'outer'\n[identity]\napi_keys = 'x'\nhash_key = 'file:x'\n"
        "[policy]\npolicies = 'policy.cedar'\ncedar_schema = 'schema.cedarschema'\n"
        "[audit]\ndirectory = 'audit'\ncheckpoint_key = 'file:x'\n"
        "[[routes]]\npath = '/twice'\naction = 'metadata'\n"
    )
    keep = {key: value for key, value in state.environment.items() if "MODELS__" not in key and "ARTIFACTS" not in key}
    keep["GOVERNANCE_AUDIT__DIRECTORY"] = str(tmp_path / "audit")
    original, state.environment = state.environment, keep
    try:
        with serving(state, "service:Outer", cwd=tmp_path) as running:
            # The first worker answers before the second one has started.
            assert eventually(lambda: len(list((tmp_path / "audit").glob("worker-*/entries.jsonl"))) == 2)
            for number in range(20):
                reply = running.client.post("/twice", json={"number": number})
                assert (reply.status_code, reply.text) == (200, str(2 * number))
            assert running.client.post("/hidden", json={}).status_code == 404
            assert running.client.post("/twice", json={"number": "x"}).status_code == 400
    finally:
        state.environment = original
    logs = list((tmp_path / "audit").glob("worker-*/entries.jsonl"))
    assert len(logs) == 2
    lines = [line for log in logs for line in log.read_bytes().splitlines()]
    assert sum(b'"outcome":"event"' not in line for line in lines) == 22


def test_built_bento_holds_only_ciphertext_and_serves(state):
    environment = {**state.environment, "BENTOML_HOME": str(state.folder / "build")}
    command = [str(BIN / "bentoml"), "build", "-f", "bentos/digits/bentofile.yaml", "."]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    bento = next((state.folder / "build/bentos/digits").glob("*/src"))
    files = {str(file.relative_to(bento)) for file in bento.rglob("*") if file.is_file()}
    assert {
        "governance/gate/gate.py",
        "bentos/digits/policy.cedar",
        "bentos/digits/state/artifacts/digits-cnn.sealed",
    } <= files
    assert not [file for file in files if file.endswith((".key", ".onnx", ".api-key", ".jsonl", ".png"))]
    tag = bento.parent.name
    with serving(state, f"digits:{tag}", environment={"BENTOML_HOME": environment["BENTOML_HOME"]}) as running:
        assert running.client.get("/v2/models/digits-cnn").status_code == 200


def test_service_writes_a_last_checkpoint_when_it_stops(tmp_path_factory):
    own = State(tmp_path_factory.mktemp("stopped"))
    with serving(own) as running:
        assert running.client.get("/v2/models/digits-cnn").status_code == 200
    verified = own.verify_audit()
    assert verified.returncode == 0 and re.search(r"[1-9]\d* entries", verified.stdout)
    assert "not covered by a checkpoint" not in verified.stdout


def test_serving_part_never_imports_torch():
    program = "import sys, governance.host.governance, bentos.digits.service; sys.exit('torch' in sys.modules or 'training' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
