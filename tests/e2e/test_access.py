"""Access control of a running service: provider tokens, limited replies, kill switch, policy reload, random requests."""

import base64
import http.client
import json
import random
import shutil

import numpy as np
import pytest

from governance.testing import eventually
from tests.e2e.conftest import ROOT, State, serving
from tests.plugins.test_identity import Provider

SETTINGS = ROOT / "bentos/digits/governance.toml"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = Provider(tmp_path_factory.mktemp("idp")).start()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def own(state, tmp_path_factory, provider):
    """A running service with two workers and its own audit log, policies, limits and kill switch."""
    folder = tmp_path_factory.mktemp("access")
    for name in ("policy.cedar", "policy_cases.json"):
        shutil.copy(ROOT / "bentos/digits" / name, folder)
    (folder / "shadow.cedar").write_text('@id("nobody") forbid (principal, action, resource);')
    shutil.copy(state.folder / "stop.json", folder)
    copy = object.__new__(State)
    copy.folder, copy.keys, copy.token = folder, state.keys, state.token
    issuer = {
        "issuer": provider.url,
        "audiences": ["bento"],
        "roles": {"doctors": ["viewer"]},
        "ask_again_seconds": 0.5,
    }
    copy.environment = {
        **state.environment,
        "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
        "GOVERNANCE_STOP__FILE": str(folder / "stop.json"),
        "GOVERNANCE_POLICY__POLICIES": str(folder / "policy.cedar"),
        "GOVERNANCE_POLICY__SHADOW": str(folder / "shadow.cedar"),
        "GOVERNANCE_IDENTITY__ISSUERS": json.dumps({"corp": issuer}),
        "GOVERNANCE_LIMITS__RATE_PER_SECOND": "100000",
        "GOVERNANCE_LIMITS__BURST": "200000",
        "GOVERNANCE_LIMITS__MODELS": json.dumps(
            {"digits-rnn": {"requests_per_day": 1000, "rate_per_second": 0.01, "burst": 5}}
        ),
    }
    (folder / "service.py").write_text(
        "import bentoml\nfrom bentos.digits.service import governance, Picture, Classification, Digits as Plain\n"
        "@governance.guard\n@bentoml.service(name='digits', workers=2)\nclass Digits(Plain.inner):\n"
        "    @bentoml.api\n    def classify(self, image: Picture) -> Classification:\n        return Plain.inner.classify.func(self, image)\n"
    )
    with serving(copy, "service:Digits", cwd=folder, environment={"PYTHONPATH": str(ROOT)}) as running:
        yield running


def infer(running, digit, model="digits-cnn", token=None, **headers):
    body = {"inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": digit.ravel().tolist()}]}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return running.client.post(f"/v2/models/{model}/infer", json=body, headers=headers)


def probabilities(reply):
    return np.array(reply.json()["outputs"][0]["data"])


def entries(running):
    logs = (running.state.folder / "audit").glob("worker-*/entries.jsonl")
    return [json.loads(line) for log in logs for line in log.read_bytes().splitlines()]


def test_access_token_of_provider_gets_only_the_label(own, provider, digit):
    reply = infer(own, digit, token=provider.token())
    assert (reply.status_code, reply.headers["governance-output"]) == (200, "label")
    assert sorted(probabilities(reply)) == [0] * 9 + [1]
    full = infer(own, digit)
    assert "governance-output" not in full.headers and 0 < probabilities(full).max() < 1
    assert probabilities(full).argmax() == probabilities(reply).argmax()
    found = [entry for entry in entries(own) if (entry["caller"] or "").startswith("corp:")]
    assert found[0]["obligations"] == "output=label" and found[0]["roles"] == ["viewer"]


def test_access_output_limit_applies_to_bentoml_route(own, provider, state):
    picture = (state.folder / "digit.png").read_bytes()
    reply = own.client.post(
        "/classify", files={"image": ("7.png", picture)}, headers={"authorization": f"Bearer {provider.token()}"}
    )
    assert reply.status_code == 200, reply.text
    assert sorted(reply.json()["probabilities"].values()) == [0] * 9 + [1]


def test_access_output_limit_applies_to_triton_classification(own, provider, digit):
    body = {
        "inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": digit.ravel().tolist()}],
        "outputs": [{"name": "probabilities", "parameters": {"classification": 10}}],
    }
    reply = own.client.post(
        "/v2/models/digits-cnn/infer", json=body, headers={"authorization": f"Bearer {provider.token()}"}
    )
    scores = [float(text.split(":")[0]) for text in reply.json()["outputs"][0]["data"]]
    assert scores[0] == 1 and set(scores[1:]) == {0}


def test_access_forged_token_gets_401(own, provider, digit):
    token = provider.token()
    head, payload, signature = token.split(".")
    for forged in (f"{head}.{payload}.AAAA", f"{head}.{payload}.", token[:-2], f"{signature}.{payload}.{head}"):
        reply = infer(own, digit, token=forged)
        assert reply.status_code == 401 and "www-authenticate" in reply.headers


def test_access_purpose_not_in_the_card_is_refused(own, digit):
    assert infer(own, digit, governance_purpose="demonstration").status_code == 200
    reply = infer(own, digit, governance_purpose="research")
    assert reply.status_code == 403 and "purpose" in reply.json()["error"]
    assert any(entry["reason"] == "purpose" for entry in entries(own))


def test_access_model_limit_is_announced_and_enforced(own, digit):
    replies = [infer(own, digit, "digits-rnn") for _ in range(20)]
    limited = [reply for reply in replies if reply.status_code == 429]
    # Each of the two workers counts separately, with a burst of five requests.
    assert 10 <= len(limited) <= 15 and int(limited[0].headers["retry-after"]) >= 1
    headers = next(reply for reply in replies if reply.status_code == 200).headers
    assert '"digits-rnn";q=5' in headers["ratelimit-policy"] and '"digits-rnn";r=' in headers["ratelimit"]
    assert infer(own, digit).status_code == 200


def every_worker(running, digit, status):
    return all(infer(running, digit).status_code == status for _ in range(12))


def events(own):
    return [
        (entry["action"], entry["model"], entry.get("detail")) for entry in entries(own) if entry["outcome"] == "event"
    ]


READY = ("/v2/models/digits-cnn/ready", "/v2/models/digits-rnn/ready", "/v2/health/ready", "/readyz")


def test_kill_switch_stops_every_worker(own, digit):
    assert every_worker(own, digit, 200)
    done = own.state.cli("stop", "digits-cnn", "--reason", "wrong answers", "--settings", SETTINGS)
    assert done.returncode == 0, done.stderr
    assert eventually(lambda: every_worker(own, digit, 503))
    assert infer(own, digit).json()["error"] == "the operator has stopped this model, or all models"
    assert own.client.get("/v2/models/digits-cnn").status_code == 200
    assert 'governance_stopped{model="digits-cnn"} 1.0' in own.client.get("/metrics").text
    ready = {path: own.client.get(path).status_code for path in READY}
    assert ready == {READY[0]: 503, READY[1]: 200, READY[2]: 503, READY[3]: 200}
    picture = (own.state.keys.parent / "digit.png").read_bytes()
    assert own.client.post("/classify", files={"image": ("7.png", picture)}).status_code == 503
    own.state.cli("resume", "ALL", "--reason", "fixed", "--settings", SETTINGS)
    assert eventually(lambda: every_worker(own, digit, 200))
    # Each worker reads the file itself, and one worker may answer all requests for a while.
    for event in (("stop", "digits-cnn", "wrong answers"), ("resume", "digits-cnn", "fixed")):
        assert eventually(lambda event=event: events(own).count(event) == 2)
    assert any(entry["reason"] == "stopped" for entry in entries(own))


def test_kill_switch_file_that_is_damaged_stops_all_models(own, digit):
    file = own.state.folder / "stop.json"
    good = file.read_bytes()
    file.write_bytes(good[:-40])
    assert eventually(lambda: every_worker(own, digit, 503))
    file.write_bytes(good)
    assert eventually(lambda: every_worker(own, digit, 200))


def test_policy_reload_in_running_service_takes_valid_policies_only(own, digit):
    file = own.state.folder / "policy.cedar"
    text = file.read_text()
    file.write_text(text + '\n@id("closed") forbid (principal, action == Action::"infer", resource);\n')
    assert eventually(lambda: every_worker(own, digit, 403))
    file.write_text(text + "\nbroken")
    assert eventually(lambda: "governance_policy_reload_failed 1.0" in own.client.get("/metrics").text)
    assert every_worker(own, digit, 403)
    file.write_text(text)
    assert eventually(lambda: every_worker(own, digit, 200))
    log = own.log.read_text()
    assert "changed policies are invalid; the previous ones stay in force" in log and "does not parse" in log


def test_policy_shadow_in_running_service_is_counted_and_not_enforced(own, digit):
    assert infer(own, digit).status_code == 200
    assert (
        'governance_shadow_decisions_total{action="infer",decision="allow",shadow="deny"}'
        in own.client.get("/metrics").text
    )
    assert {
        entry.get("shadow") for entry in entries(own) if entry["policy_digest"] and entry["outcome"] != "event"
    } == {"deny"}


def test_policy_replay_of_the_audit_log_reports_changes(own):
    done = own.state.cli(
        "policy",
        "replay",
        own.state.folder / "audit",
        "--candidate",
        own.state.folder / "shadow.cedar",
        "--settings",
        SETTINGS,
    )
    assert done.returncode == 0 and "would be denied:" in done.stdout


METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW"]
PATHS = [
    "/", "/v2", "/v2/", "//v2", "/V2", "/v2/models/digits-cnn", "/v2/models/digits-cnn/", "/v2/models/digits-cnn/infer",
    "/v2/models/digits-rnn/infer", "/v2/models/../models/digits-cnn/infer", "/v2/models/digits%2dcnn/infer", "/v2/models/%2e%2e/infer",
    "/v2/models/digits-cnn/versions/1/infer", "/v2/models/digits-cnn/versions/9/infer", "/classify", "/classify?model=digits-rnn",
    "/classify?model=x&model=y", "/metrics", "/readyz", "/livez", "/docs.json", "/schema.json", "/classify/submit", "/v2/models/x/infer",
    "/v2/health/live", "/v2/health/ready", "/v2/models/" + "a" * 600 + "/infer", "/v2/models/digits-cnn\\infer", "/%00", "/v2;x=1",
]  # fmt: skip
TYPES = [
    "application/json",
    "application/octet-stream",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "text/plain",
    "application/vnd.bentoml+pickle",
    "",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
]


def mutated(chance, body):
    body = bytearray(body)
    for _ in range(chance.randrange(4)):
        if body:
            place = chance.randrange(len(body))
            kind = chance.randrange(4)
            if kind == 0:
                body[place] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del body[place : place + chance.randrange(1, 40)]
            elif kind == 2:
                body[place:place] = chance.randbytes(chance.randrange(1, 10))
            else:
                body[place:place] = chance.choice(
                    [b"{", b"[", b'"', b"null", b"1e999", b"-", b"\x80\x04K\x01.", b"\xff\xfe", b"\\ud800"]
                )
    return bytes(body)


def test_service_fifty_thousand_random_requests_give_no_500_and_no_reply_without_a_decision(own, digit, provider):
    """The requests go through the socket of the running service; the replies are compared with the audit log."""
    chance = random.Random(20261124)
    flat = digit.ravel().tolist()
    good_json = json.dumps(
        {
            "inputs": [
                {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [round(x, 2) for x in flat]}
            ]
        }
    ).encode()
    head = json.dumps(
        {
            "inputs": [
                {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "parameters": {"binary_data_size": 3136}}
            ]
        }
    ).encode()
    binary = head + digit.tobytes()
    picture = (own.state.keys.parent / "digit.png").read_bytes()
    form = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n' + picture + b"\r\n--b--\r\n"
    bodies = [b"", b"{}", b"[]", b"null", good_json, binary, form, b"[" * 20_000, b"http://127.0.0.1/", b"\x80\x04."]
    doctor = provider.token()
    tokens = [
        own.state.token,
        own.state.token,
        doctor,
        own.state.token[:-1],
        doctor[:-3],
        "x",
        "",
        "a.b.c",
        base64.b64encode(b"x").decode(),
    ]
    before = entries(own)
    seen, answered, expected = set(), 0, 0
    connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=60)
    for _ in range(50_000):
        method, path, body = chance.choice(METHODS), chance.choice(PATHS), mutated(chance, chance.choice(bodies))
        if chance.random() < 0.5:
            method = "POST" if "infer" in path or "classify" in path else "GET"
        headers = {"content-type": chance.choice(TYPES), "authorization": f"Bearer {chance.choice(tokens)}"}
        if chance.random() < 0.4:
            headers["inference-header-content-length"] = str(
                chance.choice([len(head), 0, -1, 10**9, "x", len(head) + chance.randrange(-3, 4)])
            )
        if chance.random() < 0.2:
            headers["governance-purpose"] = chance.choice(
                ["demonstration", "advertising", "a b", "", "x" * 100, "research"]
            )
        if chance.random() < 0.1:
            headers[
                chance.choice(
                    [
                        "x-forwarded-client-cert",
                        "x-http-method-override",
                        "transfer-encoding-x",
                        "x-forwarded-for",
                        "host",
                        "cookie",
                    ]
                )
            ] = chance.choice(["POST", "10.0.0.1", "Hash=x", "a=b"])
        if chance.random() < 0.1:
            headers["content-encoding"] = chance.choice(["gzip", "identity", "br"])
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            content = reply.read()
        except (http.client.HTTPException, OSError):
            # The server closed the connection because of invalid HTTP; it must still accept a new one.
            connection.close()
            connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=60)
            continue
        seen.add(reply.status)
        assert reply.status < 500 or reply.status == 503, (method, path, headers, body[:200], content[:200])
        probe = path in ("/readyz", "/livez", "/v2/health/live", "/v2/health/ready") and method in ("GET", "HEAD")
        if not probe and reply.headers.get("governance-receipt"):
            expected += 1
        if reply.status == 200 and not probe:
            answered += 1
            assert reply.headers["governance-receipt"], (method, path)
    connection.close()
    known = {entry["id"] for entry in before}
    new = [entry for entry in entries(own) if entry["id"] not in known]
    governed = [entry for entry in new if entry["outcome"] == "answered"]
    # The log may have more entries: requests whose client disconnected.
    assert len(new) >= expected > 40_000 and len(governed) >= answered > 300
    assert all(entry["policies"] and entry["caller"] for entry in governed)
    assert {200, 401, 403, 404, 415, 400} <= seen and 500 not in seen
    assert "Traceback" not in own.log.read_text()
    verified = own.state.cli(
        "audit", "verify", own.state.folder / "audit", "--key", own.state.keys / "checkpoint.key.pub"
    )
    assert verified.returncode == 0, verified.stderr
