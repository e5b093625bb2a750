"""Routes that BentoML adds itself: inner services, API documents, tasks, fetched URLs and pickles, at a running service."""

import http.client
import json
import pickle
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import ROOT, State, serving

SERVICE = """
import bentoml
from pathlib import Path
from governance import Governance

governance = Governance.from_file("governance.toml")


@bentoml.service(name="innermost")
class Innermost:
    @bentoml.api
    def double(self, number: int) -> int:
        return 2 * number


@bentoml.service(name="inner")
class Inner:
    innermost = bentoml.depends(Innermost)

    @bentoml.api
    async def quadruple(self, number: int) -> int:
        return 2 * await self.innermost.to_async.double(number)


@governance.guard
@bentoml.service(name="outer")
class Outer:
    inner = bentoml.depends(Inner)

    @bentoml.api
    async def ask(self, number: int) -> int:
        return await self.inner.to_async.quadruple(number)

    @bentoml.api
    def size(self, file: Path) -> int:
        return len(file.read_bytes())

    @bentoml.task
    def slow(self, number: int) -> int:
        return number
"""
SETTINGS = """
[service]
name = "outer"
[identity]
api_keys = "x"
hash_key = "file:x"
[policy]
policies = "policy.cedar"
cedar_schema = "schema.cedarschema"
[audit]
directory = "audit"
checkpoint_key = "file:x"
[[routes]]
path = "/ask"
action = "metadata"
[[routes]]
path = "/size"
action = "metadata"
content_types = ["multipart/form-data", "application/octet-stream"]
[[routes]]
path = "/docs.json"
method = "GET"
action = "metadata"
"""


class Marker:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def outer(state, tmp_path_factory):
    folder = tmp_path_factory.mktemp("outer")
    (folder / "service.py").write_text(SERVICE)
    (folder / "governance.toml").write_text(SETTINGS)
    (folder / "policy.cedar").write_text('@id("all") permit (principal, action, resource);')
    shutil.copy(ROOT / "bentos/digits/schema.cedarschema", folder)
    copy = object.__new__(State)
    copy.folder, copy.keys, copy.token = folder, state.keys, state.token
    hidden = ("MODELS__", "ARTIFACTS")
    copy.environment = {
        key: value for key, value in state.environment.items() if not any(word in key for word in hidden)
    }
    copy.environment["GOVERNANCE_AUDIT__DIRECTORY"] = str(folder / "audit")
    with serving(copy, "service:Outer", cwd=folder) as running:
        yield running


def sockets(running):
    """Find the sockets of the inner services, as an attacker with the same user id could."""
    me = psutil.Process()
    children = list(me.children(recursive=True))
    found = {connection.laddr for child in children for connection in child.net_connections(kind="unix")}
    return sorted(path for path in found if path.endswith(".sock") and "bentoml-uds" in path)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def test_inner_services_answer_their_own_bento(outer):
    for number in range(20):
        reply = outer.client.post("/ask", json={"number": number})
        assert (reply.status_code, reply.text) == (200, str(4 * number))
    assert len(sockets(outer)) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"governance-inner-token": "0" * 64},
        {"governance-inner-token": ""},
        {"Runner-Name": "inner", "Bento-Name": "outer"},
    ],
)
def test_inner_service_refuses_pickle_of_other_processes(outer, tmp_path, headers):
    body = pickle.dumps({"number": Marker(tmp_path / "ran")})
    for path in sockets(outer):
        for route in ("/double", "/quadruple", "/docs.json", "/metrics", "/"):
            connection = UnixConnection(path)
            connection.request("POST", route, body, {"content-type": "application/vnd.bentoml+pickle", **headers})
            assert connection.getresponse().status == 403
            connection.close()
        connection = UnixConnection(path)
        connection.request("GET", "/readyz")
        assert connection.getresponse().status == 200
        connection.close()
    assert not (tmp_path / "ran").exists()
    assert outer.client.post("/ask", json={"number": 1}).text == "4"


def test_gate_refuses_pickle_in_running_service(outer, tmp_path):
    body = pickle.dumps({"number": Marker(tmp_path / "ran")})
    for kind in (
        "application/vnd.bentoml+pickle",
        "application/VND.bentoml+pickle",
        "application/vnd.bentoml+pickle;x=1",
        "application/x-pickle",
    ):
        assert outer.client.post("/ask", content=body, headers={"content-type": kind}).status_code == 415
    both = [("content-type", "application/json"), ("content-type", "application/vnd.bentoml+pickle")]
    assert outer.client.post("/ask", content=body, headers=both).status_code == 415
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/slow/submit",
        "/slow/status?task_id=x",
        "/slow",
        "/static_content/swagger-ui.css",
        "/livez/",
        "/docs.json/",
        "//docs.json",
        "/docs%2ejson",
        "/DOCS.json",
    ],
)
def test_bentoml_routes_that_are_not_listed_are_404(outer, path):
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        assert outer.client.request(method, path).status_code == 404


def test_bentoml_route_that_is_listed_is_governed(outer):
    assert outer.client.get("/docs.json").json()["info"]["title"]
    assert outer.client.get("/docs.json", headers={"authorization": "Bearer x"}).status_code == 401


def test_url_in_file_field_is_never_fetched_under_load(outer):
    hits = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/secret"
    statuses = []

    def ask(number):
        if number % 2:
            reply = outer.client.post("/size", files={"file": (None, url)})
        else:
            reply = outer.client.post("/size", content=url, headers={"content-type": "application/octet-stream"})
        statuses.append(reply.status_code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.shutdown()
    server.server_close()
    assert statuses == [422] * 48 and hits == []
    assert outer.client.post("/size", files={"file": ("x.bin", b"12345")}).text == "5"


def test_http_method_cannot_be_overridden_by_header(outer):
    for field in ("x-http-method-override", "x-method-override", "x-http-method"):
        assert outer.client.get("/ask", headers={field: "POST"}).status_code == 405


def test_refused_requests_are_in_the_audit_log(outer):
    outer.client.get("/nowhere")
    lines = [
        json.loads(line)
        for log in (outer.state.folder / "audit").glob("*/entries.jsonl")
        for line in log.read_bytes().splitlines()
    ]
    assert {"unlisted", "/ask", "/size", "/docs.json"} <= {line["route"] for line in lines}
    assert {"not_found", "unsupported_media_type", "bad_request", "unauthenticated"} <= {
        line["reason"] for line in lines
    }
