"""The redactor service: a public page, and redaction for callers with permission."""

import json
import os
import re
import subprocess

import numpy as np
import pytest
import tritonclient.http as triton

from tests.e2e.conftest import BIN, ROOT, State, serving


@pytest.fixture(scope="module")
def redactor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redactor")
    prepare = {**os.environ, "BIN": str(BIN), "STATE": str(folder)}
    subprocess.run(["bash", "bentos/redactor/prepare.sh"], cwd=ROOT, env=prepare, check=True, capture_output=True)
    state = object.__new__(State)
    state.folder, state.keys = folder, folder / "keys"
    state.token = (folder / "keys/demo.api-key").read_text().strip()
    state.environment = {
        **os.environ,
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "GOVERNANCE_IDENTITY__API_KEYS": str(folder / "api-keys.json"),
        "GOVERNANCE_IDENTITY__HASH_KEY": f"file:{folder}/keys/api-key-hash.key",
        "GOVERNANCE_MODELS__REDACTOR__ARTIFACT": f"{folder}/redactor.sealed",
        "GOVERNANCE_ARTIFACTS__RECIPIENT_KEY": f"file:{folder}/keys/recipient.key",
        "GOVERNANCE_ARTIFACTS__TRUSTED_SIGNERS": json.dumps([f"{folder}/keys/signing.key.pub"]),
        "GOVERNANCE_PRIVACY__TAGGER": f"{folder}/pii-tagger.sealed",
        "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
        "GOVERNANCE_AUDIT__CHECKPOINT_KEY": f"file:{folder}/keys/checkpoint.key",
    }
    with serving(state, "bentos.redactor.service:Redactor") as running:
        yield running


def test_redactor_returns_redacted_text(redactor):
    text = "😀 Dr. Maria Gonzalez, 415-555-2671, 张伟"
    reply = redactor.client.post("/redact", json={"text": text}).json()
    # Whether two Chinese characters alone are a person or a place, the tagger may get wrong.
    assert re.fullmatch("😀 Dr. <PERSON>, <PHONE_NUMBER>, <(PERSON|ADDRESS|LOCATION)>", reply["text"])
    assert [text[found["start"] : found["end"]] for found in reply["findings"]] == [
        "Maria Gonzalez",
        "415-555-2671",
        "张伟",
    ]


@pytest.mark.parametrize("binary", [False, True])
def test_redactor_returns_redacted_text_by_open_inference_protocol(redactor, binary):
    texts = np.array(["😀 Dr. Maria Gonzalez, 415-555-2671", "", "the parcel has arrived", "张伟"], object)
    given = triton.InferInput("text", [4], "BYTES")
    given.set_data_from_numpy(texts, binary_data=binary)
    wanted = triton.InferRequestedOutput("redacted", binary_data=binary)
    headers = {"Authorization": f"Bearer {redactor.state.token}"}
    client = triton.InferenceServerClient(f"127.0.0.1:{redactor.client.base_url.port}")
    reply = client.infer("redactor", [given], outputs=[wanted], headers=headers).as_numpy("redacted").tolist()
    client.close()
    reply = [text.decode() if isinstance(text, bytes) else text for text in reply]
    assert reply == ["😀 Dr. <PERSON>, <PHONE_NUMBER>", "", "the parcel has arrived", "<PERSON>"]


def test_redactor_page_is_public_and_redact_route_is_not(redactor):
    stranger = {"authorization": "Bearer x"}
    page = redactor.client.get("/page/", headers=stranger)
    assert page.status_code == 200 and "<h1>Redactor</h1>" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
        assert redactor.client.get(f"/page/{name}", headers=stranger).headers["content-type"].startswith(kind)
    assert redactor.client.post("/redact", json={"text": "x"}, headers=stranger).status_code == 401
    for path in ("/page", "/page/index.html", "/page/../service.py", "/page/%2e%2e/service.py", "/page/page.js/"):
        assert redactor.client.get(path).status_code == 404


@pytest.mark.parametrize("body", [{}, {"text": 1}, {"text": "a" * 200_001}, []])
def test_redactor_refuses_what_is_not_text(redactor, body):
    assert redactor.client.post("/redact", json=body).status_code == 400


def test_redactor_keeps_no_text(redactor):
    redactor.client.post("/redact", json={"text": "Ask Wilhelmina Featherstonehaugh, 415-555-2671"})
    kept = [file for file in redactor.state.folder.rglob("*") if file.is_file()]
    assert kept
    for file in kept:
        content = file.read_bytes()
        assert b"Featherstonehaugh" not in content and b"555-2671" not in content, file
    assert "Featherstonehaugh" not in redactor.client.get("/metrics").text


def test_redactor_policy_cases_pass():
    command = [
        str(BIN / "bento-governance"),
        "policy",
        "test",
        "bentos/redactor/policy_cases.json",
        "--settings",
        "bentos/redactor/governance.toml",
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(row["passed"] for row in json.loads(done.stdout))
