"""A guarded service compared with the same service without guard: statuses, messages, background tasks, streams, time-outs."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from governance.testing import eventually
from tests.e2e.conftest import BIN
from tests.e2e.side_service import SIDE, prepare, serve_side

CLIENT = Path(__file__).with_name("clients") / "bentoml_http.py"
REFUSED = (400, 401, 402, 403, 404, 409, 410, 413, 418, 422, 423, 429)
FAILED = (501, 502, 503, 504)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("side")


@pytest.fixture(scope="module", autouse=True)
def key(folder):
    return prepare(folder)


@pytest.fixture(scope="module")
def plain(folder):
    url, server, _ = serve_side(folder, "service:Plain")
    with server, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(folder, key):
    url, server, log = serve_side(folder, "guarded:Guarded")
    with server, httpx.Client(base_url=url, timeout=30, headers={"authorization": f"Bearer {key}"}) as client:
        client.log = log
        yield client


@pytest.mark.parametrize("status", [200, *REFUSED, *FAILED])
def test_side_by_side_status_and_sentence_of_the_service(plain, guarded, status):
    theirs = plain.post("/status", json={"status": status})
    ours = guarded.post("/status", json={"status": status})
    assert ours.status_code == theirs.status_code == status
    if status != 200:
        assert ours.headers["content-type"] == "application/problem+json"
        # BentoML itself hides the sentences of 401, 403 and 5xx.
        assert ours.json()["detail"] in theirs.text


def test_side_by_side_500_is_without_detail(plain, guarded):
    assert plain.post("/status", json={"status": 500}).status_code == 500
    ours = guarded.post("/status", json={"status": 500})
    assert ours.status_code == 500 and "of the service" not in ours.text


@pytest.mark.parametrize(
    ("path", "body"), [("/wrong", {"number": 3}), ("/wrong", {"number": "x"}), ("/wrong", {}), ("/busy", {})]
)
def test_side_by_side_errors_of_bentoml(plain, guarded, path, body):
    theirs, ours = plain.post(path, json=body), guarded.post(path, json=body)
    assert ours.status_code == theirs.status_code
    assert ours.json()["detail"]


def test_side_by_side_time_out_is_504(plain, guarded):
    assert plain.post("/slow", json={}).status_code == guarded.post("/slow", json={}).status_code == 504


@pytest.mark.parametrize("status", [409, 418, 429, 499, 503])
def test_side_by_side_status_of_an_asgi_application_with_retry_after(plain, guarded, status):
    field = {"x-status": str(status)}
    theirs, ours = plain.get("/teapot/", headers=field), guarded.get("/teapot/", headers=field)
    assert ours.status_code == theirs.status_code == status
    assert ours.headers["retry-after"] == theirs.headers["retry-after"] == "7"
    assert ours.json()["detail"] == "from an ASGI application"


def test_side_by_side_application_errors_are_not_counted_as_internal(guarded):
    lines = [line for line in guarded.get("/metrics").text.splitlines() if line.startswith("governance_requests_total")]
    assert any('reason="application_refused"' in line and 'outcome="refused"' in line for line in lines)
    assert any('reason="application"' in line and 'outcome="failed"' in line for line in lines)


def seconds_of(call):
    began = time.monotonic()
    reply = call()
    assert reply.status_code < 300, reply.text
    return time.monotonic() - began


def test_side_by_side_background_work_does_not_hold_the_answer(plain, guarded):
    for client in (plain, guarded):
        assert seconds_of(lambda client=client: client.post("/work/submit", json={"seconds": 3.0})) < 2
        assert seconds_of(lambda client=client: client.get("/later/")) < 1.5


def test_side_by_side_task_is_one_line_of_settings(plain, guarded):
    for client in (plain, guarded):
        task = client.post("/work/submit", json={"seconds": 0.2}).json()["task_id"]
        query = {"task_id": task}

        def status(client=client, query=query):
            return client.get("/work/status", params=query).json()["status"]

        assert eventually(lambda status=status: status() == "completed"), status()
        assert client.get("/work/get", params=query).text == "0.2"
        assert client.post("/work/retry", params=query).status_code == 200
        assert client.put("/work/cancel", params=query).status_code in (200, 400)
    refused = httpx.post(f"{guarded.base_url}/work/submit", json={"seconds": 0.2})
    assert refused.status_code == 401


def test_side_by_side_uploaded_file_is_one_line_of_settings(plain, guarded):
    files = {"file": ("a.bin", b"12345")}
    assert plain.post("/size", files=files).json() == guarded.post("/size", files=files).json() == 5


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_side_by_side_methods_and_path_parameters(plain, guarded, method):
    path = "/patients/p-17/notes"
    theirs, ours = (
        plain.request(method, path),
        guarded.request(method, path, headers={"content-type": "application/json"}),
    )
    assert ours.status_code == theirs.status_code == 200
    assert ours.json()["method"] == theirs.json()["method"] == method
    assert guarded.request(method, "/patients/a/b/notes").status_code == 404
    refused = guarded.get(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, PATCH, PUT")


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/schema.json"])
def test_side_by_side_head_where_there_is_get(plain, guarded, path):
    assert plain.head(path).status_code == guarded.head(path).status_code == 200
    assert guarded.head(path).content == b""
    assert guarded.head("/v2/health/live").status_code == 200
    assert guarded.get("/v2/").json() == guarded.get("/v2").json()


def test_preflight_request_is_answered_without_a_credential(guarded):
    fields = {"origin": "https://app.example.org", "access-control-request-method": "POST"}
    reply = httpx.options(f"{guarded.base_url}/status", headers=fields)
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (204, fields["origin"])
    refused = httpx.post(f"{guarded.base_url}/status", json={"status": 200}, headers=fields)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, fields["origin"])


def test_side_by_side_stream_is_the_same(plain, guarded):
    assert (
        plain.post("/stream", json={"seconds": 0}).text
        == guarded.post("/stream", json={"seconds": 0}).text
        == "one two"
    )


@pytest.mark.parametrize("path", ["/letter", "/page", "/unsaid", "/table", "/archive", "/picture"])
def test_side_by_side_answers_that_are_not_json_are_the_same_bytes(plain, guarded, path):
    body = {} if path in ("/archive", "/picture") else {"name": "Ada"}
    theirs, ours = plain.post(path, json=body), guarded.post(path, json=body)
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content) == (200, theirs.content)
    for field in ("content-type", "content-disposition"):
        assert ours.headers.get(field) == theirs.headers.get(field)


TEXTS = ("/letter", "/page", "/unsaid", "/table", "/stream", "/teapot/")


def test_answers_that_are_not_json_are_searched(folder, key):
    sections = [{"route": path, "replies": True} for path in TEXTS]
    url, server, _ = serve_side(
        folder,
        "guarded:Guarded",
        GOVERNANCE_PRIVACY__TEXT=json.dumps(sections),
        GOVERNANCE_PRIVACY__IMAGES='[{"route": "/picture", "applies_to": "replies"}]',
    )
    with server, httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}) as client:
        seen = {path: client.post(path, json={"name": "Ada"}) for path in TEXTS[:4]}
        assert seen["/letter"].text == "Dear Ada, write to <EMAIL_ADDRESS>."
        assert seen["/page"].text == "<p>Ada: <EMAIL_ADDRESS></p>"
        assert seen["/unsaid"].text == "Ada: <EMAIL_ADDRESS>"
        assert seen["/table"].text == "name,mail\nAda,<EMAIL_ADDRESS>\n"
        assert client.post("/stream", json={"seconds": 0}).text == "one two"
        assert client.post("/picture", json={}).headers["content-type"] == "image/png"
        # The type of a mounted application's answer only shows when it is made.
        refused = client.get("/teapot/", headers={"x-status": "200", "x-type": "application/pdf"})
        assert (refused.status_code, refused.json()["code"]) == (502, "unsearchable_reply")
        assert "application/pdf" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("path", "says"), [("/archive", "application/octet-stream"), ("/picture", "image/.*applies_to")]
)
def test_route_whose_answers_cannot_be_searched_stops_the_start_with_one_line(folder, key, path, says):
    assert key
    text = json.dumps([{"route": path, "replies": True}])
    _, server, log = serve_side(folder, "guarded:Guarded", GOVERNANCE_PRIVACY__TEXT=text)
    with pytest.raises(RuntimeError, match=f"POST {path} answers {says}"), server:
        pass
    assert len(log.read_text().strip().splitlines()) == 1


def test_side_by_side_clients_of_bentoml_get_and_raise_the_same(plain, guarded, key):
    def seen(client, token):
        command = [BIN / "python", CLIENT, str(client.base_url), token]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    theirs, ours = seen(plain, ""), seen(guarded, key)
    assert ours == theirs
    for kind in ours:
        found = dict(kind)
        assert found["letter"] == "Dear Ada, write to ada@example.org." and found["stream"] == "one two"
        assert found["slow"] == ["raised", "BentoMLException", 504]
    # The synchronous client cannot submit a task: it fails before it sends one.
    assert dict(ours[1])["task"] == 0.1


def test_hidden_application_errors_and_drained_background_work(folder, key):
    url, server, log = serve_side(folder, "guarded:Guarded", GOVERNANCE_SERVICE__HIDE_APPLICATION_ERRORS="true")
    with server, httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}) as client:
        refused = client.post("/status", json={"status": 409})
        assert (refused.status_code, refused.json()["detail"]) == (409, "Conflict")
        assert client.get("/later/").status_code == 200
    assert "cancelled at the shutdown" not in log.read_text()


def test_route_that_the_schema_cannot_decide_stops_the_start_with_one_line(folder, key):
    assert key
    broken = folder / "broken"
    shutil.copytree(SIDE, broken)
    for name in ("checkpoint.key", "hash.key", "api-keys.json"):
        shutil.copy(folder / name, broken / name)
    schema = (broken / "schema.cedarschema").read_text()
    (broken / "schema.cedarschema").write_text(schema.replace("action infer, metadata", "action metadata"))
    (broken / "policy.cedar").write_text('@id("all") permit (principal, action, resource);')
    _, server, log = serve_side(broken, "guarded:Guarded")
    with (
        pytest.raises(RuntimeError, match="every request of the route /status .*does not exist.*Declare|declare"),
        server,
    ):
        pass
    assert len(log.read_text().strip().splitlines()) == 1
    command = [BIN / "bento-governance", "policy", "check", "--settings", broken / "governance.toml"]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == 3 and "every request of the route /status" in check.stderr
