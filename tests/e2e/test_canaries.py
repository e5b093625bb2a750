"""Canaries: invented personal data in every part of a request reaches no log, metric, audit entry, receipt or file."""

import json

import pytest

from tests.e2e.conftest import serving

CANARIES = {
    "card": "4716190207394368",
    "iban": "DE02120300000000202051",
    "mail": "wilhelmina.canary@hospital.example",
    "name": "Featherstonehaugh",
    "token": "bgk_CANARYCANARY_0123456789012345678901234567890123456789012",
    "chinese": "欧阳金丝雀",
}
# A reply may repeat the words of its own caller; nothing else may contain them.
PATHS = [
    "/classify",
    "/v2/models/digits-cnn/infer",
    "/v2/models/digits-rnn/versions/1/infer",
    "/v2/models/{}/infer",
    "/{}",
    "/v2/{}",
    "/metrics",
    "/docs.json",
    "/readyz",
]


@pytest.fixture(scope="module")
def own(state, tmp_path_factory):
    from tests.e2e.conftest import State

    folder = tmp_path_factory.mktemp("canaries")
    copy = object.__new__(State)
    copy.folder, copy.keys, copy.token = folder, state.keys, state.token
    copy.environment = {
        **state.environment,
        "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
        "BENTOML_HOME": str(folder / "bentoml"),
    }
    with serving(copy, environment={"BENTOML_DEBUG": "TRUE"}) as running:
        yield running


def bodies(canary):
    tensor = {"name": canary, "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [canary]}
    yield (
        json.dumps({"inputs": [tensor], "id": canary, "parameters": {"patient_name": canary, "note": canary}}).encode(),
        "application/json",
    )
    yield (
        json.dumps(
            {"inputs": [{**tensor, "name": "image", "datatype": canary}], "outputs": [{"name": canary}]}
        ).encode(),
        "application/json",
    )
    yield f'{{"image": "{canary}"'.encode(), "application/json"
    yield canary.encode(), "text/plain"
    form = f'--b\r\nContent-Disposition: form-data; name="image"; filename="{canary}.png"\r\n\r\n{canary}\r\n--b--\r\n'
    yield form.encode(), "multipart/form-data; boundary=b"
    yield (
        f'--b\r\nContent-Disposition: form-data; name="{canary}"\r\n\r\n{canary}\r\n'.encode(),
        "multipart/form-data; boundary=b",
    )


def test_canaries_of_requests_are_in_no_log_metric_or_file(own):
    metrics = own.client.get("/metrics").text
    sent = 0
    for canary in CANARIES.values():
        words = canary.encode()
        for path in PATHS:
            for body, kind in bodies(canary):
                headers = {
                    "content-type": kind,
                    "x-note": words,
                    "user-agent": words,
                    "x-request-id": words,
                    "traceparent": words,
                    "cookie": b"n=" + words,
                }
                for purpose in (None, words):
                    extra = {"governance-purpose": purpose} if purpose is not None else {}
                    own.client.post(
                        path.format(canary),
                        params={"q": canary, "model": canary},
                        content=body,
                        headers={**headers, **extra},
                    )
                    sent += 1
            own.client.get(
                path.format(canary), headers={"authorization": b"Bearer " + words, "x-forwarded-client-cert": words}
            )
    assert sent > 600
    own.client.post("/classify", params={"model": "digits-cnn"}, files={"image": ("x.png", CANARIES["card"].encode())})
    after = own.client.get("/metrics").text
    assert after != metrics
    held = {"the metrics": after.encode(), "the log": own.log.read_bytes()}
    held |= {str(file): file.read_bytes() for file in own.state.folder.rglob("*") if file.is_file()}
    assert any("entries.jsonl" in name for name in held)
    for place, content in held.items():
        for name, canary in CANARIES.items():
            assert canary.encode() not in content, (name, place)
            assert json.dumps(canary)[1:-1].encode() not in content, (name, place)
