"""`artifact fetch`: keeps only the expected artifact, and sends credentials only to the intended host."""

import hashlib
import http.server
import threading
from base64 import b64encode
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from governance.artifacts.fetch import Challenge, fetch_artifact
from governance.cli.main import command
from governance.errors import ConfigurationError, GovernanceError, KeyUnavailableError, ManifestMismatchError


def run(*arguments):
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(done.exception, GovernanceError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("supply")
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
    (folder / "model/card.json").write_text("{}")
    for kind, name in (("signing", "signing"), ("signing", "other"), ("recipient", "recipient")):
        run("key", "create", kind, folder / f"{name}.key")
    run("artifact", "seal", folder / "model", folder / "m.sealed", "--name", "small", "--version", 7,
        "--sign-with", f"file:{folder}/signing.key", "--recipient", folder / "recipient.key.pub")  # fmt: skip
    content = (folder / "m.sealed").read_bytes()
    return SimpleNamespace(
        folder=folder,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        trust=("--trust", folder / "signing.key.pub"),
    )


@contextmanager
def serving(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

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


def test_fetch_keeps_the_expected_artifact(signed, tmp_path):
    with serving(lambda _: (200, {}, signed.content)) as url:
        text = run("artifact", "fetch", f"{url}/m", tmp_path / "m", "--sha256", signed.sha256, *signed.trust)
    assert "small version 7, signed by sha256:" in text
    assert (tmp_path / "m").read_bytes() == signed.content


@pytest.mark.parametrize("change", ["flipped", "longer", "shorter", "empty"])
def test_fetch_keeps_no_other_content(signed, tmp_path, change):
    content = signed.content
    served = {
        "flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "longer": content + b"x",
        "shorter": content[:-1],
        "empty": b"",
    }
    with (
        serving(lambda _: (200, {}, served[change])) as url,
        pytest.raises(ManifestMismatchError, match="not the expected file"),
    ):
        run("artifact", "fetch", url, tmp_path / "m", "--sha256", signed.sha256, *signed.trust)
    assert list(tmp_path.iterdir()) == []


def test_fetch_keeps_no_artifact_of_untrusted_signer(signed, tmp_path):
    with serving(lambda _: (200, {}, signed.content)) as url, pytest.raises(GovernanceError) as caught:
        run(
            "artifact",
            "fetch",
            url,
            tmp_path / "m",
            "--sha256",
            signed.sha256,
            "--trust",
            signed.folder / "other.key.pub",
        )
    assert caught.value.code == "signature"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [204, 404, 500])
def test_fetch_reports_404(signed, tmp_path, status):
    with serving(lambda _: (status, {}, b"")) as url, pytest.raises(KeyUnavailableError, match=str(status)):
        run("artifact", "fetch", url, tmp_path / "m", "--sha256", signed.sha256, *signed.trust)


@pytest.mark.parametrize(
    ("url", "digest"),
    [("file:///etc/passwd", "a" * 64), ("ftp://x/y", "a" * 64), ("https://x/y", "A" * 64), ("https://x/y", "")],
)
def test_fetch_refuses_other_schemes_and_no_digest(signed, tmp_path, url, digest):
    with pytest.raises(ConfigurationError):
        run("artifact", "fetch", url, tmp_path / "m", "--sha256", digest, *signed.trust)


def test_fetch_reports_a_closed_port(signed, tmp_path):
    with pytest.raises(KeyUnavailableError, match="could not be downloaded"):
        run("artifact", "fetch", "http://127.0.0.1:9/m", tmp_path / "m", "--sha256", signed.sha256, *signed.trust)


class Registry:
    """A registry of the OCI distribution specification: blobs need a token; a token needs the login, if there is one."""

    def __init__(self, content, login=None):
        self.content, self.login, self.asked = content, login, []

    def __call__(self, request):
        path = urlsplit(request.path)
        authorization = request.headers.get("authorization")
        self.asked.append((path.path, authorization))
        if path.path == "/token":
            query = parse_qs(path.query)
            allowed = self.login is None or authorization == f"Basic {b64encode(self.login.encode()).decode()}"
            good = allowed and query == {"service": ["registry"], "scope": ["repository:ml/small:pull"]}
            return (200, {}, b'{"token": "t0ken"}') if good else (401, {}, b"{}")
        if authorization == "Bearer t0ken":
            return 200, {}, self.content
        host = request.headers["host"]
        challenge = f'Bearer realm="http://{host}/token",service="registry",scope="repository:ml/small:pull"'
        return 401, {"www-authenticate": challenge}, b"{}"


@pytest.mark.parametrize("login", [None, "robot:pass:word"])
def test_fetch_gets_a_blob_from_a_registry(signed, tmp_path, login):
    registry = Registry(signed.content, login)
    (tmp_path / "login").write_text(f"{login}\n")
    given = ("--token-file", tmp_path / "login") if login else ()
    with serving(registry) as url:
        blob = f"{url}/v2/ml/small/blobs/sha256:{signed.sha256}"
        run("artifact", "fetch", blob, tmp_path / "m", "--sha256", signed.sha256, *signed.trust, *given)
    assert (tmp_path / "m").read_bytes() == signed.content
    assert [path for path, _ in registry.asked] == [
        f"/v2/ml/small/blobs/sha256:{signed.sha256}",
        "/token",
        f"/v2/ml/small/blobs/sha256:{signed.sha256}",
    ]
    # The password is sent to the token server only.
    assert registry.asked[0][1] is None


def test_fetch_from_registry_that_refuses_the_login_fails(signed, tmp_path):
    with serving(Registry(signed.content, "a:b")) as url, pytest.raises(KeyUnavailableError, match="gives no token"):
        run("artifact", "fetch", f"{url}/v2/x/blobs/y", tmp_path / "m", "--sha256", signed.sha256, *signed.trust)


@pytest.mark.parametrize(
    "body",
    ['{"token": "\u00e9"}'.encode(), b'{"token": "a\\nb"}', b'{"token": 7}', b'{"token": {"a": 1}}', b"[" * 100_000, b"[]",
     b'{"token": "%s"}' % (b"a" * 2**21), b'{"token": "a", "token": "b"}', b"\xff", b""],
)  # fmt: skip
def test_fetch_from_registry_with_invalid_token_reply_fails_with_one_sentence(signed, tmp_path, body):
    class Hostile(Registry):
        def __call__(self, request):
            return (200, {}, body) if request.path.startswith("/token") else super().__call__(request)

    with serving(Hostile(signed.content)) as url, pytest.raises(KeyUnavailableError, match="gives no token"):
        run("artifact", "fetch", f"{url}/v2/x/blobs/y", tmp_path / "m", "--sha256", signed.sha256, *signed.trust)
    assert not list(tmp_path.iterdir())


def test_fetch_sends_no_password_without_tls_to_a_token_server(signed, tmp_path):
    challenge = {"www-authenticate": 'Bearer realm="http://evil.example/token",service="s"'}
    (tmp_path / "login").write_text("robot:password")
    with (
        serving(lambda _: (401, challenge, b"")) as url,
        pytest.raises(KeyUnavailableError, match="names no token service over TLS"),
    ):
        run(
            "artifact",
            "fetch",
            url,
            tmp_path / "m",
            "--sha256",
            signed.sha256,
            *signed.trust,
            "--token-file",
            tmp_path / "login",
        )


def test_fetch_sends_no_token_to_another_host(signed, tmp_path):
    seen = []

    def blobs(request):
        seen.append(request.headers.get("authorization"))
        return 200, {}, signed.content

    with (
        serving(blobs) as other,
        serving(
            lambda request: (seen.append(request.headers.get("authorization")), (302, {"location": other}, b""))[1]
        ) as url,
    ):
        (tmp_path / "token").write_text("secret")
        run(
            "artifact",
            "fetch",
            url,
            tmp_path / "m",
            "--sha256",
            signed.sha256,
            *signed.trust,
            "--token-file",
            tmp_path / "token",
        )
    assert seen == ["Bearer secret", None]


def test_fetch_into_missing_folder_fails_with_one_sentence(signed, tmp_path):
    from governance.artifacts.trust.trust import Trust

    with pytest.raises(ConfigurationError, match="cannot write"):
        fetch_artifact(
            "https://x/y",
            tmp_path / "no/m",
            sha256="a" * 64,
            trust=Trust.from_files([signed.folder / "signing.key.pub"], 1, ()),
        )


def test_fetch_sends_no_token_without_tls(signed, tmp_path):
    (tmp_path / "token").write_text("secret")
    with pytest.raises(ConfigurationError, match="over https:// only"):
        run(
            "artifact",
            "fetch",
            "http://models.example/m",
            tmp_path / "m",
            "--sha256",
            signed.sha256,
            *signed.trust,
            "--token-file",
            tmp_path / "token",
        )


@pytest.mark.parametrize("realm", ["http://registry.example/token", "http://127.0.0.2/token", "", "file:///token"])
def test_fetch_from_registry_with_tls_refuses_a_token_server_without_tls(realm):
    challenge = Challenge(f'Bearer realm="{realm}",service="s"', "https://registry.example/v2/x/blobs/y")
    with httpx.Client() as client, pytest.raises(KeyUnavailableError, match="over TLS"):
        challenge.answer(client, "robot:password")


def test_fetch_sends_no_password_to_a_host_it_was_redirected_to(signed, tmp_path):
    registry = Registry(signed.content, "robot:password")
    (tmp_path / "login").write_text("robot:password")
    with (
        serving(registry) as evil,
        serving(lambda _: (302, {"location": f"{evil}/v2/x"}, b"")) as url,
        pytest.raises(KeyUnavailableError, match="401"),
    ):
        run(
            "artifact",
            "fetch",
            url,
            tmp_path / "m",
            "--sha256",
            signed.sha256,
            *signed.trust,
            "--token-file",
            tmp_path / "login",
        )
    assert [path for path, _ in registry.asked] == ["/v2/x"]
