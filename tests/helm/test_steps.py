"""The commands in the manifests, executed: key copies, the sidecar, the verification of artifacts, helm test."""

import hashlib
import http.server
import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from governance.keys import open_secret

BIN = Path(sys.executable).parent


def container(documents, name):
    (pod,) = [d["spec"]["template"]["spec"] for d in documents if d["kind"] == "StatefulSet"]
    (found,) = [c for c in [*pod["initContainers"], *pod["containers"]] if c["name"] == name]
    return found


def in_folder(container, folder):
    """Return the container's command, with its absolute paths below a folder."""
    text = container["args"][0]
    for path in ("/mnt/", "/run/", "/etc/", "/models/", "/app/"):
        text = text.replace(path, f"{folder}{path}")
    return [*container["command"], text]


@pytest.fixture
def secrets(tmp_path):
    """Secrets as kubelet mounts them: links into a hidden folder, readable for a group."""
    for name, files in {"keys": ["recipient.key", "api-key-hash.key"], "callers": ["api-keys.json"]}.items():
        hidden = tmp_path / "mnt" / name / "..data"
        hidden.mkdir(parents=True)
        (tmp_path / "run/bento-governance" / name).mkdir(parents=True)
        for file in files:
            (hidden / file).write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
            (hidden / file).chmod(0o440)
            (tmp_path / "mnt" / name / file).symlink_to(hidden / file)
    return tmp_path


def test_keys_container_copies_keys_for_their_owner_only_and_the_service_accepts_them(rendered, secrets):
    subprocess.run(in_folder(container(rendered["minimal-values"], "keys"), secrets), check=True)
    copies = secrets / "run/bento-governance"
    assert {file.name for file in (copies / "keys").iterdir()} == {"recipient.key", "api-key-hash.key"}
    for file in [*(copies / "keys").iterdir(), *(copies / "callers").iterdir()]:
        assert not file.is_symlink() and stat.S_IMODE(file.stat().st_mode) & 0o077 == 0
    assert open_secret(f"file:{copies}/keys/api-key-hash.key")


def test_keys_container_fails_if_a_secret_is_missing(rendered, secrets):
    (secrets / "mnt/callers/api-keys.json").unlink()
    assert subprocess.run(
        in_folder(container(rendered["minimal-values"], "keys"), secrets), capture_output=True, check=False
    ).returncode


def test_callers_sidecar_copies_changed_api_keys_and_stops_on_sigterm(rendered, secrets):
    subprocess.run(in_folder(container(rendered["minimal-values"], "keys"), secrets), check=True)
    command = in_folder(container(rendered["minimal-values"], "callers"), secrets)
    command[-1] = command[-1].replace("sleep 10", "sleep 0.05")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        source = secrets / "mnt/callers/..data/api-keys.json"
        source.chmod(0o640)
        source.write_text("changed")
        try:
            assert process.stdout.readline() == "the API keys were changed\n"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    copy = secrets / "run/bento-governance/callers/api-keys.json"
    assert copy.read_text() == "changed" and stat.S_IMODE(copy.stat().st_mode) == 0o600


@contextmanager
def answering(statuses):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, body = statuses(self)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def helm_test(documents, url):
    (pod,) = [d["spec"] for d in documents if d["kind"] == "Pod"]
    (call,) = pod["containers"]
    environment = {**os.environ, **{item["name"]: item["value"] for item in call["env"]}, "SERVICE_URL": url}
    assert call["command"] == ["python", "-c"]
    return subprocess.run(
        [sys.executable, "-c", *call["args"]], env=environment, capture_output=True, text=True, check=False
    )


GOOD = {"/v2/health/ready": 200, "/v2/models/digits-cnn/infer": 401, "/metrics": 401}


def test_helm_test_passes_if_requests_without_a_credential_are_refused(rendered):
    with answering(lambda request: (GOOD.get(request.path, 404), b"")) as url:
        done = helm_test(rendered["minimal-values"], url)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [*GOOD, "/docs.json"])
def test_helm_test_fails_on_any_other_answer(rendered, path):
    with answering(
        lambda request: ({**GOOD, path: 503 if path.endswith("ready") else 200}.get(request.path, 404), b"")
    ) as url:
        done = helm_test(rendered["minimal-values"], url)
    assert done.returncode == 1
    assert done.stdout.count("FAILED") == 1


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A sealed model, its signer's key, and another key."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("signed")
    (folder / "model").mkdir()
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.ones((4, 2), np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (folder / "model/model.onnx").write_bytes(model.SerializeToString())
    (folder / "model/card.json").write_text('{"name": "digits-cnn"}')

    def run(*arguments):
        subprocess.run([str(BIN / "bento-governance"), *map(str, arguments)], check=True, capture_output=True)

    for kind in ("signing", "recipient"):
        run("key", "create", kind, folder / f"{kind}.key")
    run("key", "create", "signing", folder / "other.key")
    run("artifact", "seal", folder / "model", folder / "m.sealed", "--name", "digits-cnn", "--version", "1",
        "--sign-with", f"file:{folder}/signing.key", "--recipient", folder / "recipient.key.pub")  # fmt: skip
    return folder


def artifacts_step(rendered, name, folder, changes=()):
    command = in_folder(container(rendered[name], "artifacts"), folder)
    for old, new in changes:
        command[-1] = command[-1].replace(old, new)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def trust(folder, key):
    (folder / "etc/bento-governance/trust").mkdir(parents=True)
    (folder / "etc/bento-governance/trust/signing.key.pub").write_bytes(key.read_bytes())


def test_artifacts_container_verifies_models_of_the_image(rendered, signed, tmp_path):
    place = tmp_path / "app/bentos/digits/state/artifacts"
    place.mkdir(parents=True)
    (place / "digits-cnn.sealed").write_bytes((signed / "m.sealed").read_bytes())
    trust(tmp_path, signed / "signing.key.pub")
    done = artifacts_step(rendered, "minimal-values", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "digits-cnn version 1" in done.stdout


def test_artifacts_container_refuses_a_model_of_an_untrusted_signer(rendered, signed, tmp_path):
    place = tmp_path / "app/bentos/digits/state/artifacts"
    place.mkdir(parents=True)
    (place / "digits-cnn.sealed").write_bytes((signed / "m.sealed").read_bytes())
    trust(tmp_path, signed / "other.key.pub")
    assert artifacts_step(rendered, "minimal-values", tmp_path).returncode == 5


def test_artifacts_container_downloads_with_its_token_and_verifies(rendered, signed, tmp_path):
    content, seen = (signed / "m.sealed").read_bytes(), []
    trust(tmp_path, signed / "signing.key.pub")
    (tmp_path / "models/fetched").mkdir(parents=True)
    (tmp_path / "run/bento-governance/keys").mkdir(parents=True)
    (tmp_path / "run/bento-governance/keys/models.token").write_text("secret\n")

    def answer(request):
        seen.append(request.headers.get("authorization"))
        return 200, content

    digest = hashlib.sha256(content).hexdigest()
    with answering(answer) as url:
        changes = [
            ("https://models.example.org", url),
            ("https://registry.example.org", url),
            ("a" * 64, digest),
            ("--sha256 " + "b" * 64, f"--sha256 {digest}"),
        ]
        done = artifacts_step(rendered, "http-values", tmp_path, changes)
        assert done.returncode == 0, done.stderr
        assert seen == ["Bearer secret", None]
        assert (tmp_path / "models/fetched/digits-cnn.sealed").read_bytes() == content
        wrong = [*changes[:2], ("a" * 64, "c" * 64)]
        (tmp_path / "models/fetched/digits-cnn.sealed").unlink()
        done = artifacts_step(rendered, "http-values", tmp_path, wrong)
    assert done.returncode == 5 and "not the expected file" in done.stderr
    assert [path.name for path in (tmp_path / "models/fetched").iterdir()] == ["digits-rnn.sealed"]
