"""Privacy of queries, forms, images and streams in a running service, with the settings of docs/privacy.md; canaries."""

import io
import json
import os
import re
import shutil
import subprocess
import time

import httpx
import pytest
from PIL import Image

from governance.testing import eventually
from tests.e2e.conftest import BIN, ROOT, State, serving
from tests.e2e.test_canaries import CANARIES

SERVICE = """
import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import bentoml
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.applications import Starlette
from starlette.routing import Route

from governance import Governance

governance = Governance.from_file("governance.toml")


async def find(request):
    return JSONResponse({"query": request.url.query})


async def fail(request):
    raise ValueError(request.url.query + (await request.body()).decode("utf-8", "replace"))


desk = Starlette(routes=[Route("/find", find), Route("/fail", fail, methods=["POST"])])


@governance.guard
@bentoml.service(name="clinic", traffic={"timeout": 2})
@bentoml.asgi_app(desk, path="/desk")
class Clinic:
    @bentoml.api
    def admit(self, name: str, note: str, picture: Path) -> dict:
        return {"name": name, "note": note, "picture": picture.read_bytes().hex()}

    @bentoml.api
    async def tell(self, text: str, times: int = 1) -> AsyncGenerator[str, None]:
        if text.startswith("hex:"):
            text = bytes.fromhex(text[4:]).decode()
        try:
            for _ in range(times):
                for start in range(0, len(text), 5):
                    yield text[start : start + 5]
                await asyncio.sleep(0)
                if times > 1000:
                    await asyncio.sleep(0.01)
        finally:
            Path(__file__).with_name("closed").touch()

    @bentoml.api
    def break_down(self, text: str) -> str:
        raise RuntimeError(text)

    @bentoml.api
    async def late(self, text: str) -> str:
        await asyncio.sleep(30)
        return text
"""
MORE = """
[service]
name = "clinic"
[identity]
api_keys = "state/api-keys.json"
hash_key = "file:state/api-key-hash.key"
[policy]
policies = "policy.cedar"
cedar_schema = "schema.cedarschema"
[audit]
directory = "state/audit"
checkpoint_key = "file:state/checkpoint.key"
[[routes]]
path = "/desk/fail"
[[routes]]
path = "/break_down"
[[routes]]
path = "/late"
"""
CARD = CANARIES["card"]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clinic")
    docs = (ROOT / "docs/privacy.md").read_text().partition("### Queries, forms, images and streams")[2]
    shown = re.search(r"```toml\n(.*?)```", docs, re.DOTALL)[1]
    settings = re.sub(r"^(path = .*)$", r'\1\naction = "ask"', MORE + shown, flags=re.MULTILINE)
    (folder / "governance.toml").write_text(settings)
    (folder / "service.py").write_text(SERVICE)
    (folder / "policy.cedar").write_text('@id("all") permit (principal, action, resource);')
    schema = (ROOT / "bentos/redactor/schema.cedarschema").read_text()
    (folder / "schema.cedarschema").write_text(schema.replace("action redact,", "action redact, ask,"))
    (folder / "state").mkdir(mode=0o700)
    for kind, name in (("checkpoint", "checkpoint"), ("secret", "api-key-hash")):
        run("key", "create", kind, folder / f"state/{name}.key")
    made = run("api-key", "create", "demo", "--role", "tester", "--json", "--store", folder / "state/api-keys.json", "--hash-key", f"file:{folder}/state/api-key-hash.key")  # fmt: skip
    state = object.__new__(State)
    state.folder, state.keys, state.token = folder, folder, json.loads(made)["token"]
    state.environment = {**os.environ, "BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    with serving(state, "service:Clinic", cwd=folder, arguments=("--debug",)) as running:
        yield running
    shutil.rmtree(folder / "bentoml", ignore_errors=True)


def run(*arguments):
    return subprocess.run([BIN / "bento-governance", *map(str, arguments)], check=True, capture_output=True).stdout


def entries(clinic):
    lines = (clinic.state.folder / "state/audit/worker-0/entries.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def hidden(text):
    """Encode a text so that only the application decodes it: the text then occurs in the reply alone."""
    return f"hex:{text.encode().hex()}"


def picture(canary, side=512):
    from skimage.data import astronaut

    exif = Image.Exif()
    exif[0x010F] = canary
    target = io.BytesIO()
    Image.fromarray(astronaut()[:side, :side]).save(target, "JPEG", exif=exif, comment=canary)
    return target.getvalue()


def test_privacy_query_reaches_the_application_changed(clinic):
    seen = clinic.client.get("/desk/find", params={"patient": "Ada", "ward": "7"}).json()
    assert seen == {"query": "patient=%3CPERSON%3E&ward=7"}
    assert entries(clinic)[-1]["data_classes"] == ["identity"]


def test_privacy_form_and_its_picture_reach_the_application_changed(clinic):
    sent = picture("Canary")
    reply = clinic.client.post("/admit", data={"name": "Ada", "note": f"card {CARD}"}, files={"picture": ("Ada.jpg", sent)})  # fmt: skip
    seen = reply.json()
    assert (seen["name"], seen["note"]) == ("***", f"card ************{CARD[-4:]}")
    got = bytes.fromhex(seen["picture"])
    assert b"Canary" in sent and b"Canary" not in got and Image.open(io.BytesIO(got)).size == (512, 512)


def test_privacy_streamed_reply_hides_a_card_number_split_between_pieces(clinic):
    text = "Nothing to be seen. " * 50 + f"The card is {CARD}. "
    with clinic.client.stream("POST", "/tell", json={"text": hidden(text), "times": 3}) as reply:
        assert "content-length" not in reply.headers and reply.headers["governance-receipt"]
        pieces = list(reply.iter_bytes())
    assert b"".join(pieces).decode() == text.replace(CARD, "<CREDIT_CARD>") * 3
    begun, ended = entries(clinic)[-2:]
    assert (begun["stream"], ended["stream"], ended["outcome"]) == ("begun", "ended", "answered")
    assert begun["id"] == ended["id"] and begun["reply"] is None and ended["reply"]


def test_metrics_show_findings_of_a_streamed_reply(clinic):
    def counted():
        shown = clinic.client.get("/metrics").text
        found = re.search(r'^governance_entities_total{entity="CREDIT_CARD"} (\S+)$', shown, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = counted()
    with clinic.client.stream("POST", "/tell", json={"text": hidden(f"The card is {CARD}. "), "times": 4}) as reply:
        assert reply.read().decode().count("<CREDIT_CARD>") == 4
    assert eventually(lambda: counted() == before + 4)


def test_stream_generator_is_closed_when_the_client_disconnects(clinic):
    closed = clinic.state.folder / "closed"
    closed.unlink(missing_ok=True)
    with clinic.client.stream("POST", "/tell", json={"text": "A sentence. " * 90, "times": 1_000_000}) as reply:
        next(reply.iter_bytes())
    for _ in range(200):
        if closed.exists() and entries(clinic)[-1].get("stream") == "ended":
            break
        time.sleep(0.05)
    last = entries(clinic)[-1]
    assert closed.exists() and (last["outcome"], last["reason"]) == ("failed", "cancelled")


def test_canaries_in_query_form_image_and_stream_are_in_no_log_metric_or_file(clinic):
    for canary in CANARIES.values():
        form = {"name": canary, "note": canary, canary: canary}
        files = {"picture": (f"{canary}.jpg", picture(canary.encode("ascii", "ignore").decode(), 48))}
        words = {"x-note": canary.encode(), "user-agent": canary.encode(), "governance-purpose": canary.encode()}
        for client in (clinic.client, httpx.Client(base_url=clinic.url, headers={"authorization": b"Bearer " + canary.encode()})):  # fmt: skip
            client.get("/desk/find", params={"patient": canary, canary: canary}, headers=words)
            client.post("/admit", data=form, files=files, headers=words)
            client.post("/admit", data=form, headers=words)
            client.post("/admit", data=form, files={"picture": ("x.jpg", canary.encode())})
            client.post("/admit", json=form)
            client.post("/desk/fail", json={"text": canary}, params={"q": canary})
            client.post("/break_down", json={"text": canary})
            client.post("/break_down", json={"text": [canary], canary: canary})
            client.post("/tell", json={"text": f"{canary} " * 9, "times": 3})
            client.post("/tell", json={"text": canary, "times": canary})
            with client.stream("POST", "/tell", json={"text": f"{canary} " * 99, "times": 10**6}) as reply:
                next(reply.iter_bytes(), None)
    assert clinic.client.post("/late", json={"text": CARD}).status_code == 504
    held = {"the metrics": clinic.client.get("/metrics").content, "the log": clinic.log.read_bytes()}
    held |= {str(file): file.read_bytes() for file in clinic.state.folder.rglob("*") if file.is_file() and file.name != "service.py"}  # fmt: skip
    assert sum("entries.jsonl" in name for name in held) and b"RuntimeError" in held["the log"]
    for place, content in held.items():
        for name, canary in CANARIES.items():
            assert canary.encode() not in content, (name, place)
            assert json.dumps(canary)[1:-1].encode() not in content, (name, place)
