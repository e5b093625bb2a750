"""The privacy plugin behind the real gate: queries, forms, images, streams, and hostile input."""

import asyncio
import io
import json
import struct

import msgspec
import pytest
from PIL import Image

from governance.audit.entry import commitment, decode_entry
from governance.audit.receipt import Receipt
from governance.contract.plugin import Plugin
from governance.contract.routes import Route, RouteTable
from governance.errors import ConfigurationError
from governance.gate.application import behind
from governance.gate.background import Background
from governance.gate.gate import Gate
from governance.gate.pipeline import Pipeline
from governance.keys import generate_signing_key
from governance.keys.key_files import write_new
from governance.plugins.audit import AuditPlugin
from governance.plugins.privacy.plugin import PrivacyPlugin
from governance.privacy.redactions import Redactions
from governance.settings import Settings
from tests.gate.test_gate import Client, nothing

CARD = "4716190207394368"
ALL = frozenset({"application/json", "multipart/form-data", "application/x-www-form-urlencoded", "image/png"})
ROUTES = (
    Route("GET", "/ask", "infer", "bentoml"),
    Route("POST", "/ask", "infer", "bentoml", content_types=ALL, max_body_bytes=80_000_000),
    Route("POST", "/form", "infer", "bentoml", content_types=ALL, max_body_bytes=10**6),
    Route("POST", "/picture", "infer", "bentoml", content_types=ALL, max_body_bytes=10**6),
    Route("GET", "/stream", "infer", "bentoml", stream=True),
    Route("GET", "/plain", "infer", "bentoml", stream=True),
    Route("POST", "/v2/models/{model}/infer", "infer", "oip", content_types=frozenset({"application/octet-stream", "application/json"}), max_body_bytes=10**6),
)  # fmt: skip
PRIVACY = {
    "hash_key": "env:K",
    "text": [{"route": "/ask", "classes": {"CREDIT_CARD": "financial"}, "replies": True}, {"route": "/form"}, {"route": "/stream", "replies": True}, {"route": "/v2/models/{model}/infer"}],
    "fields": [
        {"route": "/ask", "query": "q", "operator": "text"},
        {"route": "/ask", "query": "name", "operator": "replace", "entity": "PERSON", "data_class": "identity"},
        {"route": "/form", "form": "*", "operator": "text"},
        {"route": "/form", "form": "name", "operator": "hash"},
    ],
    "images": [{"route": "/picture"}],
}  # fmt: skip


class App:
    """An application that records the request and sends the given pieces."""

    def __init__(self, kind=b"application/json", pieces=None, fail=None):
        self.kind, self.pieces, self.fail, self.closed, self.sent = kind, pieces, fail, False, 0

    async def __call__(self, scope, receive, send):
        message = await receive()
        self.query, self.body, self.headers = scope["query_string"], message["body"], dict(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", self.kind)]})
        try:
            for piece in self.pieces or [b"{}"]:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self.sent += 1
                await asyncio.sleep(0)
            if self.fail:
                raise self.fail
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.closed = True


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("K", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")


class Redacted(Plugin):
    """Keeps the redactions of the request."""

    name, requires = "redacted", frozenset({Redactions})

    async def handle(self, exchange, proceed):
        self.seen = exchange.get(Redactions)
        return await proceed(exchange)


async def made(app, *, before=(), privacy=PRIVACY):
    plugin, seen = PrivacyPlugin(Settings.model_validate({"service": {"name": "s"}, "privacy": privacy})), Redacted()
    pipeline = Pipeline([*before, plugin, seen])
    await pipeline.open()
    server = behind(app, 10**8, Background(10, 1.0))
    gate = Gate(app, routes=RouteTable(ROUTES), pipeline=pipeline, servers={"bentoml": server, "oip": server}, open=nothing, close=nothing)  # fmt: skip
    return Client(gate), seen


def kind(value):
    return [(b"content-type", value.encode())]


async def test_privacy_plugin_changes_query_for_application_and_policy():
    app = App()
    client, seen = await made(app)
    start, _ = await client.call("GET", "/ask", query=f"q=card+{CARD}&name=Ada&n=1".encode())
    assert start["status"] == 200 and app.query == b"q=card+%3CCREDIT_CARD%3E&name=%3CPERSON%3E&n=1"
    assert seen.seen == Redactions({"replace": 1}, frozenset({"identity", "financial"}), {"CREDIT_CARD": 1})


async def test_privacy_plugin_changes_form_and_its_content_length():
    app = App()
    client, _ = await made(app)
    body = f'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\n{CARD}\r\n--b--\r\n'.encode()
    start, _ = await client.call("POST", "/form", body, headers=kind("multipart/form-data; boundary=b"))
    assert start["status"] == 200 and app.body == body.replace(CARD.encode(), b"<CREDIT_CARD>")
    assert app.headers[b"content-length"] == str(len(app.body)).encode()
    start, _ = await client.call("POST", "/form", f"a={CARD}&name=Ada".encode(), headers=kind("application/x-www-form-urlencoded"))  # fmt: skip
    assert app.body.startswith(b"a=%3CCREDIT_CARD%3E&name=") and b"Ada" not in app.body


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [("/form", b'{"name": "Ada"}', "application/json"), ("/picture", b'{"image": ""}', "application/json"),
     ("/picture", b"image=x", "application/x-www-form-urlencoded"), ("/ask", b"a=1", "application/x-www-form-urlencoded"),
     ("/ask", b"x", "image/png")],
)  # fmt: skip
async def test_privacy_plugin_refuses_body_type_that_bypasses_declared_fields(path, body, content_type):
    client, _ = await made(App())
    start, _ = await client.call("POST", path, body, headers=kind(content_type))
    assert start["status"] == 415


async def test_privacy_plugin_removes_image_metadata():
    app, target = App(), io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Canary"
    Image.new("RGB", (9, 9)).save(target, "PNG", exif=exif)
    client, seen = await made(app)
    start, _ = await client.call("POST", "/picture", target.getvalue(), headers=kind("image/png"))
    assert start["status"] == 200 and b"Canary" not in app.body and Image.open(io.BytesIO(app.body)).size == (9, 9)
    assert seen.seen.entities == {"IMAGE_METADATA": 1}
    form = b'--b\r\nContent-Disposition: form-data; name="i"; filename="Canary.png"\r\n\r\n%s\r\n--b--\r\n' % target.getvalue()  # fmt: skip
    start, _ = await client.call("POST", "/picture", form, headers=kind("multipart/form-data; boundary=b"))
    assert start["status"] == 200 and b"Canary" not in app.body


@pytest.mark.parametrize(
    "privacy",
    [{"fields": [{"route": "/ask", "query": "q", "operator": "text"}]}, {"fields": [{"route": "/a", "form": "q", "operator": "hash"}]}],
)  # fmt: skip
def test_privacy_plugin_field_that_could_not_be_changed_stops_the_start(privacy):
    with pytest.raises(ConfigurationError):
        PrivacyPlugin(Settings.model_validate({"service": {"name": "s"}, "privacy": privacy}))


def test_privacy_plugin_refuses_images_from_a_url_at_start():
    document = {"service": {"name": "s"}, "privacy": {"images": [{"route": "/p"}]}, "routes": [{"path": "/p", "fetch_hosts": ["a.org"]}]}  # fmt: skip
    with pytest.raises(ConfigurationError, match="URL"):
        PrivacyPlugin(Settings.model_validate(document))


def bytes_tensor(text):
    raw = struct.pack("<I", len(text)) + text
    head = json.dumps({"inputs": [{"name": "t", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(raw)}}]}).encode()  # fmt: skip
    return head + raw, [(b"inference-header-content-length", str(len(head)).encode())]


HIDDEN = {
    "clean": CARD.encode(),
    "zero width": "\u200b".join(CARD).encode(),
    "joiners": "\u2060\u00ad".join(CARD).encode(),
    "right to left": f"\u202e{CARD}\u202c, \u200f{CARD[:8]}\u200f{CARD[8:]}".encode(),
    "full width": CARD.translate({ord(str(n)): 0xFF10 + n for n in range(10)}).encode(),
    "mathematical": CARD.translate({ord(str(n)): 0x1D7D8 + n for n in range(10)}).encode(),
    "arabic": CARD.translate({ord(str(n)): 0x660 + n for n in range(10)}).encode(),
    "escaped surrogate": b"\\ud800 " + CARD.encode() + b" \\udfff",
    "escaped digits": b"\\u0034" + CARD[1:].encode(),
    "raw surrogate": b"\xed\xa0\x80" + CARD.encode(),
    "invalid within": CARD[:8].encode() + b"\xff" + CARD[8:].encode(),
    "cut": CARD.encode() + b"\xe4\xbd",
}


def digits_left(data):
    """Return all decimal digits of any script as ASCII, without other characters."""
    import unicodedata

    return "".join(str(unicodedata.decimal(c)) for c in data.decode("utf-8", "ignore") if unicodedata.decimal(c, None) is not None)  # fmt: skip


@pytest.mark.parametrize("place", ["json", "tensor", "query", "form", "urlencoded"])
@pytest.mark.parametrize("name", HIDDEN)
async def test_privacy_plugin_hidden_text_is_found_or_refused(name, place):
    from urllib.parse import quote_from_bytes, unquote_to_bytes

    app, text = App(), HIDDEN[name]
    if name.startswith("escaped") and place in ("tensor", "query", "urlencoded"):
        pytest.skip("in this place a backslash is a literal character")
    quoted = quote_from_bytes(text).encode()
    client, _ = await made(app)
    app.query = app.body = b""
    if place == "json":
        start, _ = await client.call("POST", "/ask", b'{"a": "%s"}' % text, headers=kind("application/json"))
    elif place == "tensor":
        body, length = bytes_tensor(text)
        start, _ = await client.call("POST", "/v2/models/m/infer", body, headers=kind("application/octet-stream") + length)  # fmt: skip
    elif place == "query":
        start, _ = await client.call("GET", "/ask", query=b"q=" + quoted)
    elif place == "form":
        start, _ = await client.call("POST", "/form", b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n"%s"\r\n--b--\r\n' % text, headers=kind("multipart/form-data; boundary=b"))  # fmt: skip
    else:
        start, _ = await client.call("POST", "/form", b"n=" + quoted, headers=kind("application/x-www-form-urlencoded"))  # fmt: skip
    assert start["status"] in (200, 400, 422)
    assert CARD not in digits_left(unquote_to_bytes(app.query)) and CARD not in digits_left(unquote_to_bytes(app.body))
    if name == "clean":
        assert start["status"] == 200


@pytest.mark.parametrize("place", ["/ask", "/form", "/v2/models/m/infer"])
async def test_privacy_plugin_refuses_body_nested_ten_thousand_deep(place):
    client, _ = await made(App())
    deep = b"[" * 10_000 + b'"' + CARD.encode() + b'"' + b"]" * 10_000
    if place == "/form":
        deep, content = b"n=" + deep.replace(b'"', b"%22"), "application/x-www-form-urlencoded"
    else:
        content = "application/json"
    start, _ = await client.call("POST", place, deep, headers=kind(content))
    assert start["status"] in (400, 422)


async def test_privacy_plugin_searches_a_string_of_fifty_megabytes():
    pytest.importorskip("hyperscan", reason="without Hyperscan it takes minutes")
    app = App()
    client, _ = await made(app)
    body = b'{"a": "' + b"nothing to see here, " * (50_000_000 // 21) + CARD.encode() + b'"}'
    start, _ = await client.call("POST", "/ask", body, headers=kind("application/json"))
    assert start["status"] == 200 and app.body.endswith(b'<CREDIT_CARD>"}')


async def listening(gate, path, gone_after=None):
    """Send a request as a server does: `receive` waits until the client disconnects."""
    sent, gone, asked = [], asyncio.Event(), []

    async def receive():
        if not asked:
            asked.append(1)
            return {"type": "http.request", "body": b""}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if gone_after is not None and len(sent) > gone_after:
            gone.set()
            await asyncio.sleep(0.01)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [], "client": ("127.0.0.1", 1)}  # fmt: skip
    await gate(scope, receive, send)
    return sent


def body_of(sent):
    return b"".join(message.get("body", b"") for message in sent[1:])


def whole(sent):
    return sent[-1]["type"] == "http.response.body" and not sent[-1].get("more_body")


@pytest.mark.parametrize("name", HIDDEN)
async def test_privacy_plugin_streamed_event_hides_nothing(name):
    app = App(b"text/event-stream", [b'data: {"a": "', HIDDEN[name][:5], HIDDEN[name][5:], b'"}\n\n'])
    client, _ = await made(app)
    sent = await listening(client.app, "/stream")
    assert CARD not in digits_left(body_of(sent))
    assert whole(sent) == (name not in ("raw surrogate", "invalid within", "cut"))


async def audited(tmp_path, app):
    write_new(tmp_path / "checkpoint.key", generate_signing_key("ed25519").to_pem(), mode=0o600)
    document = {"service": {"name": "s"}, "audit": {"directory": str(tmp_path / "audit"), "checkpoint_key": f"file:{tmp_path}/checkpoint.key", "durability": "process"}}  # fmt: skip
    plugin = AuditPlugin(Settings.model_validate(document))
    client, _ = await made(app, before=[plugin])
    return client, plugin


def logged(tmp_path):
    """Return all entries of the log, those about the log itself too."""
    return list(map(decode_entry, (tmp_path / "audit/worker-0/entries.jsonl").read_bytes().splitlines()))


def entries(tmp_path):
    """Return the entries of requests."""
    return [entry for entry in logged(tmp_path) if entry.outcome != "event"]


async def test_audit_of_stream_has_one_entry_before_the_first_byte_and_one_at_the_end(tmp_path):
    seen = []

    class Watching(App):
        async def __call__(self, scope, receive, send):
            async def sending(message):
                if self.sent:
                    seen.append(len(entries(tmp_path)))
                await send(message)

            await super().__call__(scope, receive, sending)

    app = Watching(b"text/plain", [b"One sentence. " * 100, b"card 4716", b"190207394368. "] * 3)
    client, plugin = await audited(tmp_path, app)
    sent = await listening(client.app, "/stream")
    await plugin.close()
    begun, ended = entries(tmp_path)
    assert whole(sent) and CARD.encode() not in body_of(sent) and b"<CREDIT_CARD>" in body_of(sent)
    assert (begun.stream, begun.reply, begun.outcome) == ("begun", None, "answered")
    assert (ended.stream, ended.outcome, ended.id) == ("ended", "answered", begun.id)
    receipt = Receipt.from_text(dict(sent[0]["headers"])[b"governance-receipt"].decode())
    assert logged(tmp_path)[receipt.index] == begun and ended.reply == commitment("reply", receipt.salt, body_of(sent))
    assert b"content-length" not in dict(sent[0]["headers"])
    assert max(seen) == 1 and msgspec.json.encode(begun)


async def test_audit_counts_what_was_changed_in_free_text_of_requests_and_streams(tmp_path):
    client, plugin = await audited(tmp_path, App())
    await client.call("GET", "/ask", query=f"q=card+{CARD}&name=Ada&n=1".encode())
    app = App(b"text/plain", [f"card {CARD}. ".encode(), b"One sentence. " * 100, f"card {CARD}. ".encode()])
    await plugin.close()
    [asked] = entries(tmp_path)
    assert (asked.redactions, asked.reply_redactions) == ({"replace": 1, "CREDIT_CARD": 1}, {})
    folder = tmp_path / "stream"
    folder.mkdir()
    client, plugin = await audited(folder, app)
    await listening(client.app, "/stream")
    await plugin.close()
    begun, ended = entries(folder)
    assert (begun.reply_redactions, ended.reply_redactions) == ({}, {"CREDIT_CARD": 2})


async def test_stream_client_that_disconnects_closes_the_generator_of_the_application(tmp_path):
    app = App(b"text/plain", [b"One sentence. " * 100] * 10_000)
    client, plugin = await audited(tmp_path, app)
    sent = await listening(client.app, "/plain", gone_after=3)
    await plugin.close()
    assert app.closed and app.sent < 20 and not whole(sent)
    assert [(e.stream, e.outcome, e.reason) for e in entries(tmp_path)] == [("begun", "answered", None), ("ended", "failed", "cancelled")]  # fmt: skip


async def test_stream_application_error_ends_the_reply_early_without_its_text(tmp_path, caplog):
    app = App(b"text/plain", [b"One sentence. " * 100, b"secret"], fail=ValueError(CARD))
    client, plugin = await audited(tmp_path, app)
    sent = await listening(client.app, "/stream")
    await plugin.close()
    assert not whole(sent) and b"secret" not in body_of(sent)
    assert CARD not in caplog.text and "ValueError" in caplog.text
    assert entries(tmp_path)[1].reason == "internal"


async def test_stream_slow_client_slows_the_application():
    app = App(b"text/plain", [b"x"] * 1000)
    client, _ = await made(app)
    ahead = []

    class Slow(list):
        def append(self, message):
            super().append(message)
            ahead.append(app.sent - len(self))

    sent = Slow()

    async def send(message):
        sent.append(message)
        await asyncio.sleep(0)

    asked = []

    async def receive():
        if not asked:
            asked.append(1)
            return {"type": "http.request", "body": b""}
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/plain", "raw_path": b"/plain", "query_string": b"", "headers": [], "client": None}  # fmt: skip
    await client.app(scope, receive, send)
    assert len(body_of(sent)) == 1000 and max(ahead) <= 3


async def test_stream_error_before_the_first_byte_is_an_ordinary_error(tmp_path):
    async def failing(scope, receive, send):
        await send({"type": "http.response.start", "status": 422, "headers": []})
        await send({"type": "http.response.body", "body": b'{"error": "wrong"}'})

    client, _ = await made(failing)
    sent = await listening(client.app, "/stream")
    assert sent[0]["status"] == 422 and json.loads(body_of(sent))["detail"] == "wrong"


async def test_privacy_plugin_refuses_stream_of_unsearchable_type():
    app = App(b"application/octet-stream", [b"x"])
    client, _ = await made(app)
    sent = await listening(client.app, "/stream")
    assert sent[0]["status"] == 502 and app.closed


async def test_audit_of_stream_that_cannot_be_sent_has_both_entries(tmp_path):
    app = App(b"text/plain", [b"One sentence. " * 100])
    client, plugin = await audited(tmp_path, app)

    async def send(message):
        raise OSError("gone")

    async def receive():
        return {"type": "http.request", "body": b""} if not app.sent else await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/plain", "raw_path": b"/plain", "query_string": b"", "headers": [], "client": None}  # fmt: skip
    with pytest.raises(OSError, match="gone"):
        await client.app(scope, receive, send)
    await plugin.close()
    begun, ended = entries(tmp_path)
    assert (begun.stream, ended.stream, ended.outcome, ended.reason) == ("begun", "ended", "failed", "cancelled")


class EndCallbacks(Plugin):
    """Adds two callbacks for the end of the exchange; the one that is called first fails."""

    name, done = "ends", 0

    async def handle(self, exchange, proceed):
        reply = await proceed(exchange)
        exchange.at_end += [self.end, self.fail]
        return reply

    async def end(self):
        self.done += 1

    async def fail(self):
        raise RuntimeError(CARD)


async def test_stream_runs_all_end_callbacks_when_one_fails(caplog):
    app, ends = App(b"text/plain", [b"One sentence. " * 100] * 10_000), EndCallbacks()
    client, _ = await made(app, before=[ends])
    await listening(client.app, "/plain", gone_after=3)
    assert ends.done == 1 and app.closed
    assert "RuntimeError" in caplog.text and CARD not in caplog.text
