"""The gate: unlisted routes, limits on bodies and content types, error replies, and the lifespan of a worker."""

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest

from governance.contract.exchange import Reply
from governance.contract.plugin import Plugin
from governance.contract.routes import Route, RouteTable
from governance.errors import (
    ApplicationError,
    ApplicationRefusedError,
    BadRequestError,
    ConfigurationError,
    ForbiddenError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    RateLimitedError,
    TooLargeError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
)
from governance.gate.application import application_error, behind
from governance.gate.background import Background
from governance.gate.cors import Cors
from governance.gate.errors import status_of
from governance.gate.gate import Gate
from governance.gate.lifespan import run_lifespan
from governance.gate.pipeline import Pipeline
from governance.gate.reply import reply_to_error
from governance.settings import CorsSettings

ROUTES = (
    Route("POST", "/echo", "infer", "bentoml", content_types=frozenset({"application/json"}), max_body_bytes=100),
    Route("POST", "/upload", "infer", "bentoml", content_types=frozenset({"multipart/form-data"}),
          max_body_bytes=1000, file_fields=frozenset({"image"})),
    Route("GET", "/livez", "probe", "bentoml", public=True),
    Route("POST", "/v2/models/{model}/infer", "infer", "oip", content_types=frozenset({"application/json"}),
          max_body_bytes=100),
    Route("POST", "/choose", "infer", "oip", model="a", model_parameter="model", models=frozenset({"a", "b"}),
          content_types=frozenset({"application/json"}), max_body_bytes=100),
)  # fmt: skip


@dataclass
class Client:
    """Calls an ASGI application and counts the body chunks that it reads."""

    app: object
    chunks_read: int = 0
    seen: list = field(default_factory=list)

    async def call(self, method, path, *chunks, headers=(), kind="http", query=b""):
        pending = list(chunks) or [b""]
        sent = []

        async def receive():
            if not pending:
                return {"type": "http.disconnect"}
            self.chunks_read += 1
            chunk = pending.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(pending)}

        async def send(message):
            sent.append(message)

        scope = {
            "type": kind,
            "method": method,
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": query,
            "headers": list(headers),
            "client": ("127.0.0.1", 1),
        }
        await self.app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0], body


JSON = (b"content-type", b"application/json")


class RefusingPlugin(Plugin):
    name = "refuser"

    def __init__(self, error=None):
        self.error, self.seen = error, []

    async def handle(self, exchange, proceed):
        self.seen.append(exchange)
        exchange.reply_headers.append((b"governance-receipt", b"r"))
        if self.error:
            raise self.error
        return await proceed(exchange)


async def echo_app(scope, receive, send):
    message = await receive()
    echo_app.headers = scope["headers"]
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"X-Kept", b"1"), (b"content-length", b"9")]}
    )
    await send({"type": "http.response.body", "body": message["body"], "more_body": True})
    await send({"type": "http.response.body", "body": b"!"})


async def oip(exchange):
    return Reply(200, ((b"content-type", b"x"),), (await exchange.read_body(), str(exchange.model).encode()))


async def nothing(): ...


def make(error=None, app=echo_app, limit=10_000, cors=None):
    plugin = RefusingPlugin(error)
    servers = {"oip": oip, "bentoml": behind(app, limit, Background(10, 1.0))}
    gate = Gate(
        app,
        routes=RouteTable(ROUTES),
        pipeline=Pipeline([plugin]),
        servers=servers,
        open=nothing,
        close=nothing,
        cors=cors,
    )
    return Client(gate), plugin


async def test_gate_passes_listed_route_to_application_without_the_credential():
    client, _ = make()
    start, body = await client.call(
        "POST", "/echo", b'{"a"', b":1}", headers=[JSON, (b"authorization", b"Bearer secret"), (b"x-other", b"1")]
    )
    assert (start["status"], body) == (200, b'{"a":1}!')
    assert dict(start["headers"])[b"content-length"] == b"8"
    assert dict(start["headers"])[b"governance-receipt"] == b"r"
    assert dict(start["headers"])[b"cache-control"] == b"no-store"
    passed_on = dict(echo_app.headers)
    assert b"authorization" not in passed_on
    assert passed_on[b"x-other"] == b"1"
    assert passed_on[b"content-length"] == b"7"


async def test_gate_request_without_body_needs_no_content_type():
    client, _ = make()
    for fields in ([], [(b"content-length", b"0")]):
        start, body = await client.call("POST", "/echo", headers=fields)
        assert (start["status"], body) == (200, b"!")


@pytest.mark.parametrize(
    "field", [(b"content-length", b"1"), (b"transfer-encoding", b"chunked"), (b"content-length", b"00")]
)
async def test_gate_body_without_content_type_is_refused_even_if_it_proves_empty(field):
    client, _ = make()
    start, _ = await client.call("POST", "/echo", headers=[field])
    assert start["status"] == 415


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/echo/"), ("POST", "//echo"), ("POST", "/Echo"), ("POST", "/%65cho"), ("POST", "/"),
     ("PUT", "/other"), ("POST", "/v2/models//infer"), ("POST", "/v2/models/a%2fb/infer"),
     ("POST", "/v2/models/a/b/infer"),
     ("GET", "/docs.json"), ("POST", "/echo/submit"), ("POST", "/v2/models/" + "m" * 129 + "/infer")],
)  # fmt: skip
async def test_gate_refuses_unlisted_route_with_404_and_records_it(method, path):
    client, plugin = make()
    start, body = await client.call(method, path, headers=[JSON])
    assert start["status"] == 404
    assert b"no such route" in body
    assert plugin.seen[0].route.template == "unlisted"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/echo", b"POST"), ("PUT", "/echo", b"POST"), ("OPTIONS", "/echo", b"POST"), ("TRACE", "/livez", b"GET, HEAD"),
     ("HEAD", "/echo", b"POST"), ("GET", "/v2/models/a/infer", b"POST"), ("ODD", "/livez", b"GET, HEAD")],
)  # fmt: skip
async def test_gate_refuses_known_path_with_another_method_by_405_with_allow(method, path, allowed):
    client, plugin = make()
    start, _ = await client.call(method, path, headers=[JSON])
    assert (start["status"], dict(start["headers"])[b"allow"]) == (405, allowed)
    assert plugin.seen[0].route.template == "unlisted"


async def test_gate_answers_head_where_there_is_get_without_the_body():
    client, plugin = make()
    start, body = await client.call("GET", "/livez")
    head_start, head_body = await client.call("HEAD", "/livez")
    assert (start["status"], head_start["status"], head_body) == (200, 200, b"") and body
    assert dict(start["headers"])[b"content-length"] == dict(head_start["headers"])[b"content-length"]
    assert [seen.route.template for seen in plugin.seen] == ["/livez", "/livez"]


@pytest.mark.parametrize("path", ["http://example.org/livez", "https://example.org:3000/livez"])
async def test_gate_takes_absolute_form_targets(path):
    client, _ = make()
    assert (await client.call("GET", path))[0]["status"] == 200
    assert (await client.call("GET", path.replace("livez", "other")))[0]["status"] == 404
    assert (await client.call("GET", "http://example.org"))[0]["status"] == 404


CORS = Cors(
    ("https://app.example.org",), ("authorization",), ("governance-receipt",), credentials=True, max_age_seconds=60
)
ORIGIN = (b"origin", b"https://app.example.org")


async def test_cors_preflight_is_answered_for_known_paths_and_allowed_origins():
    client, _ = make(cors=CORS)
    asks = (b"access-control-request-method", b"POST")
    start, body = await client.call("OPTIONS", "/echo", headers=[ORIGIN, asks])
    fields = dict(start["headers"])
    assert (start["status"], body) == (204, b"")
    assert fields[b"access-control-allow-origin"] == ORIGIN[1]
    assert fields[b"access-control-allow-methods"] == b"POST"
    assert fields[b"access-control-allow-headers"] == b"authorization"
    assert fields[b"access-control-allow-credentials"] == b"true"
    assert (await client.call("OPTIONS", "/other", headers=[ORIGIN, asks]))[0]["status"] == 404
    other = dict(
        (await client.call("OPTIONS", "/echo", headers=[(b"origin", b"https://evil.example"), asks]))[0]["headers"]
    )
    assert b"access-control-allow-origin" not in other and other[b"vary"] == b"origin"


async def test_cors_fields_are_on_answers_and_refusals_and_nowhere_without_settings():
    for error, status in ((None, 200), (ForbiddenError("no"), 403)):
        client, _ = make(error, cors=CORS)
        start, _ = await client.call("POST", "/echo", b"{}", headers=[JSON, ORIGIN])
        assert start["status"] == status
        assert dict(start["headers"])[b"access-control-allow-origin"] == ORIGIN[1]
        assert dict(start["headers"])[b"access-control-expose-headers"] == b"governance-receipt"
    client, _ = make()
    start, _ = await client.call("POST", "/echo", b"{}", headers=[JSON, ORIGIN])
    assert b"access-control-allow-origin" not in dict(start["headers"])


def test_cors_settings_refuse_credentials_for_all_origins():
    with pytest.raises(ValueError, match="need a list of origins"):
        CorsSettings(origins=["*"], credentials=True)
    with pytest.raises(ValueError, match="origins"):
        CorsSettings(origins=["app.example.org"])
    assert Cors(("*",), (), (), credentials=False, max_age_seconds=0).fields("https://x")[1][1] == b"*"


async def test_gate_closes_websocket():
    client, plugin = make()
    start, _ = await client.call("GET", "/echo", kind="websocket")
    assert start == {"type": "websocket.close", "code": 1008}
    assert plugin.seen == []


async def test_gate_refuses_body_with_too_large_content_length_unread():
    client, _ = make()
    start, _ = await client.call("POST", "/echo", b"x" * 101, headers=[JSON, (b"content-length", b"101")])
    assert (start["status"], client.chunks_read) == (413, 0)


async def test_gate_stops_reading_body_beyond_the_limit():
    client, _ = make()
    start, _ = await client.call("POST", "/echo", *[b"x" * 50] * 10, headers=[JSON])
    assert (start["status"], client.chunks_read) == (413, 3)


async def test_gate_passes_body_at_the_limit():
    client, _ = make()
    start, _ = await client.call("POST", "/echo", b"x" * 100, headers=[JSON, (b"content-length", b"100")])
    assert start["status"] == 200


@pytest.mark.parametrize(
    "fields",
    [[(b"content-type", b"application/vnd.bentoml+pickle")], [(b"content-type", b"text/plain")], [(b"content-length", b"1")],
     [JSON, (b"content-type", b"application/vnd.bentoml+pickle")], [JSON, (b"content-encoding", b"br")], [JSON, (b"content-encoding", b"gzip, gzip")]],
)  # fmt: skip
async def test_gate_refuses_other_content_type_with_415_unread(fields):
    client, _ = make()
    start, _ = await client.call("POST", "/echo", b"x", headers=fields)
    assert (start["status"], client.chunks_read) == (415, 0)


async def test_gate_refuses_url_in_file_field_with_422():
    client, _ = make()
    body = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\nhttp://127.0.0.1\r\n--b--\r\n'
    start, answer = await client.call(
        "POST", "/upload", body, headers=[(b"content-type", b"multipart/form-data; boundary=b")]
    )
    assert start["status"] == 422
    assert b"uploaded file" in answer


@pytest.mark.parametrize(
    ("query", "model"),
    [(b"", b"a"), (b"model=b", b"b"), (b"model=c", b""), (b"model=a&model=b", b""), (b"model=", b""), (b"x=1", b"a"),
     (b"&".join([b"x=1"] * 40), b"")],
)  # fmt: skip
async def test_gate_query_selects_only_models_of_the_route(query, model):
    client, _ = make()
    _, body = await client.call("POST", "/choose", b"", headers=[JSON], query=query)
    assert body == model


ERRORS = [
    (UnauthenticatedError("x", kind="none", reason="missing"), 401, 401),
    (ForbiddenError("x"), 403, 403),
    (NotFoundError("x"), 404, 404),
    (TooLargeError("x"), 413, 413),
    (UnsupportedMediaTypeError("x"), 415, 415),
    (BadRequestError("x"), 400, 422),
    (RateLimitedError("x", retry_after_seconds=1.2, limit="rate"), 429, 429),
    (NotReadyError("x"), 503, 503),
    (ConfigurationError("secret"), 500, 500),
    (IntegrityError("secret"), 500, 500),
    (ValueError("secret"), 500, 500),
]


@pytest.mark.parametrize(("error", "under_v2", "elsewhere"), ERRORS)
async def test_gate_error_has_its_status_and_format(error, under_v2, elsewhere):
    assert status_of(error, under_v2=True) == under_v2
    client, _ = make(error)
    start, body = await client.call("POST", "/v2/models/m/infer", headers=[JSON])
    assert start["status"] == under_v2
    assert list(json.loads(body)) == ["error"]
    start, body = await client.call("POST", "/echo", headers=[JSON])
    headers = dict(start["headers"])
    assert start["status"] == elsewhere == json.loads(body)["status"]
    assert headers[b"content-type"] == b"application/problem+json"
    assert (b"www-authenticate" in headers) == (elsewhere == 401)
    assert headers.get(b"retry-after") == (b"2" if elsewhere == 429 else None)
    assert headers[b"governance-receipt"] == b"r"
    assert b"secret" not in body


async def test_gate_logs_unexpected_error_without_its_text(caplog):
    client, _ = make(ValueError("hunter2"))
    await client.call("POST", "/echo", headers=[JSON])
    assert "ValueError at test_gate.py" in caplog.text
    assert "hunter2" not in caplog.text


async def test_gate_reply_beyond_the_limit_is_500():
    client, _ = make(limit=3)
    start, _ = await client.call("POST", "/echo", b"xxx", headers=[JSON])
    assert start["status"] == 500


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (400, b'{"error":"1","detail":[{"loc":["image"],"msg":"must be"}]}', ApplicationRefusedError, "image: must be"),
        (400, b'[{"error":"wrong"}]', ApplicationRefusedError, "wrong"),
        (400, b'{"error":"1","detail":[{"loc":[],"msg":"Input should be an object"}]}', ApplicationRefusedError, "Input"),
        (422, b"<html>", ApplicationRefusedError, "Unprocessable"),
        (409, b'{"detail":"the name is taken"}', ApplicationRefusedError, "the name is taken"),
        (404, b"{}", ApplicationRefusedError, "Not Found"),
        (400, b'{"error":"' + b"x" * 1000 + b'"}', ApplicationRefusedError, "xxx"),
        (418, b"teapot", ApplicationRefusedError, "Teapot"),
        (499, b"odd", ApplicationRefusedError, "the application answered 499"),
        (503, b'{"error":"busy"}', ApplicationError, "busy"),
        (504, b"", ApplicationError, "Gateway Timeout"),
        (500, b'{"error":"secret"}', RuntimeError, "500"),
        (505, b'{"error":"secret"}', RuntimeError, "505"),
    ],
)  # fmt: skip
def test_application_error_keeps_status_and_sentence(status, body, kind, says):
    error = application_error(status, ((b"retry-after", b"7"), (b"server", b"x")), body, hide=False)
    assert type(error) is kind
    assert says in str(error) and not str(error).startswith(":")
    assert len(str(error)) <= 500
    if kind is not RuntimeError:
        assert (error.status, error.headers) == (status, ((b"retry-after", b"7"),))
        assert reply_to_error(error, under_v2=False).status == status
        hidden = application_error(status, (), body, hide=True)
        assert type(hidden) is kind and str(hidden) in (
            HTTPStatus(status).phrase if status != 499 else "",
            "the application answered 499",
        )


class Recorder(RefusingPlugin):
    def __init__(self, name, log, fail=False):
        super().__init__()
        self.name, self.log, self.fail = name, log, fail

    async def open(self):
        if self.fail:
            raise ConfigurationError("cannot open")
        self.log.append(f"open {self.name}")

    async def close(self):
        self.log.append(f"close {self.name}")


async def lifespan(gate, log=None):
    sent, messages = [], [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)
        if log is not None:
            log.append(message["type"])

    await gate({"type": "lifespan"}, receive, send)
    return sent


async def application(scope, receive, send):
    for name in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{name}"
        await send({"type": f"lifespan.{name}.complete"})


async def test_lifespan_opens_plugins_and_models_before_the_application_and_closes_them_after_it():
    log = []

    async def open():
        log.append("open models")

    async def close():
        log.append("close models")

    pipeline = Pipeline([Recorder("a", log), Recorder("b", log)])
    gate = Gate(application, routes=RouteTable(()), pipeline=pipeline, servers={}, open=open, close=close)
    assert [message["type"] for message in await lifespan(gate)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert log == ["open a", "open b", "open models", "close models", "close b", "close a"]


async def test_lifespan_reports_shutdown_after_models_and_plugins_are_closed():
    log = []

    async def close():
        log.append("close models")

    async def nothing(): ...

    pipeline = Pipeline([Recorder("a", log)])
    gate = Gate(application, routes=RouteTable(()), pipeline=pipeline, servers={}, open=nothing, close=close)
    await lifespan(gate, log)
    assert log[-3:] == ["close models", "close a", "lifespan.shutdown.complete"]


async def test_lifespan_plugin_that_fails_to_open_stops_the_start_and_closes_the_others():
    log = []
    pipeline = Pipeline([Recorder("a", log), Recorder("b", log, fail=True)])
    gate = Gate(application, routes=RouteTable(()), pipeline=pipeline, servers={}, open=nothing, close=nothing)
    sent = await lifespan(gate)
    assert sent == [{"type": "lifespan.startup.failed", "message": "configuration: cannot open"}]
    assert log == ["open a", "close a"]


async def test_lifespan_model_that_fails_to_open_stops_the_start_and_closes_the_plugins():
    log = []

    async def open():
        raise IntegrityError("step 2")

    pipeline = Pipeline([Recorder("a", log)])
    gate = Gate(application, routes=RouteTable(()), pipeline=pipeline, servers={}, open=open, close=nothing)
    assert (await lifespan(gate))[0]["message"] == "integrity: step 2"
    assert log == ["open a", "close a"]


@pytest.mark.parametrize("error", [ConfigurationError("no such model"), IntegrityError("step 5")])
async def test_lifespan_error_of_ours_in_the_applications_constructor_is_one_sentence(error):
    """An application reports the traceback, then raises; our sentence takes its place, and everything is closed."""
    log = []

    async def constructing(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "Traceback ..."})
        raise error

    async def close():
        log.append("closed")

    gate = Gate(constructing, routes=RouteTable([]), pipeline=Pipeline([]), servers={}, open=nothing, close=close,
                started=lambda: log.append("started"), report=lambda error: f"reported {error.code}")  # fmt: skip
    assert await lifespan(gate) == [{"type": "lifespan.startup.failed", "message": f"reported {error.code}"}]
    assert log == ["closed"]


async def test_lifespan_error_of_the_applications_constructor_is_passed_on():
    async def constructing(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "Traceback ..."})
        raise LookupError("theirs")

    sent = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message)

    gate = Gate(constructing, routes=RouteTable([]), pipeline=Pipeline([]), servers={}, open=nothing, close=nothing)
    with pytest.raises(LookupError, match="theirs"):
        await gate({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": "Traceback ..."}]


async def test_lifespan_any_error_while_opening_keeps_the_worker_from_serving():
    """uvicorn keeps serving when a lifespan ends with an exception, so the gate must send startup.failed."""

    async def fail():
        raise AttributeError("Canary")

    async def nothing(scope, receive, send): ...

    gate = Gate(nothing, routes=RouteTable([]), pipeline=Pipeline([]), servers={}, open=fail, close=fail)
    (message,) = await lifespan(gate)
    assert message["type"] == "lifespan.startup.failed"
    assert "AttributeError" in message["message"] and "Canary" not in message["message"]


@pytest.mark.parametrize("end", ["complete", "failed"])
async def test_lifespan_closes_everything_before_shutdown_is_reported(end):
    """A server ends the process after this message: a later write, such as the last checkpoint, would be lost."""
    order, messages = [], [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def app(scope, receive, send):
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": f"lifespan.shutdown.{end}"})

    async def receive():
        return messages.pop(0)

    async def send(message):
        order.append(message["type"])

    async def note(word):
        order.append(word)

    await run_lifespan(app, {"type": "lifespan"}, receive, send, open=lambda: note("open"), close=lambda: note("close"))
    assert order == ["open", "lifespan.startup.complete", "close", f"lifespan.shutdown.{end}"]


async def test_lifespan_closes_once_when_the_application_raises():
    closed = []

    async def app(scope, receive, send):
        raise RuntimeError("broken")

    async def receive():
        return {"type": "lifespan.startup"}

    async def close():
        closed.append(True)

    async def nothing(*_):
        pass

    with pytest.raises(RuntimeError, match="broken"):
        await run_lifespan(app, {"type": "lifespan"}, receive, nothing, open=nothing, close=close)
    assert closed == [True]


@pytest.mark.parametrize("status", [204, 304])
async def test_gate_reply_without_body_has_no_content_length(status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"7")]})
        await send({"type": "http.response.body", "body": b""})

    server = behind(app, 100, Background(10, 1.0))
    gate = Gate(app, routes=RouteTable(ROUTES), pipeline=Pipeline([]), servers={"bentoml": server, "oip": server}, open=nothing, close=nothing)  # fmt: skip
    start, body = await Client(gate).call("GET", "/livez")
    assert (start["status"], body) == (status, b"") and b"content-length" not in dict(start["headers"])


class ForgetfulPlugin(Plugin):
    name = "forgetful"

    async def handle(self, exchange, proceed):
        await proceed(exchange)


async def test_gate_answers_500_if_a_plugin_returns_no_reply(caplog):
    gate = Gate(
        echo_app, routes=RouteTable(ROUTES), pipeline=Pipeline([ForgetfulPlugin()]),
        servers={"bentoml": behind(echo_app, 100, Background(1, 1.0))}, open=nothing, close=nothing,
    )  # fmt: skip
    start, _ = await Client(gate).call("GET", "/livez")
    assert start["status"] == 500 and b"problem" in dict(start["headers"])[b"content-type"]
    assert "unforeseen TypeError at gate.py" in caplog.text


async def test_gate_finishes_background_work_before_the_application_shuts_down():
    log, background = [], Background(10, 5.0)
    to_receive = asyncio.Queue()

    async def app(scope, receive, send):
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        log.append("application shuts down")
        await send({"type": "lifespan.shutdown.complete"})

    async def work():
        await asyncio.sleep(0.05)
        log.append("work ends")

    async def send(message):
        if message["type"] == "lifespan.startup.complete":
            await background.adopt(asyncio.create_task(work()))
            await to_receive.put({"type": "lifespan.shutdown"})

    gate = Gate(
        app, routes=RouteTable(ROUTES), pipeline=Pipeline([]), servers={"bentoml": oip, "oip": oip},
        open=nothing, close=nothing, drain=background.close,
    )  # fmt: skip
    await to_receive.put({"type": "lifespan.startup"})
    await gate({"type": "lifespan"}, to_receive.get, send)
    assert log == ["work ends", "application shuts down"]
