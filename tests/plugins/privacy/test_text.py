"""Free text in the privacy plugin: requests and replies change, data classes go to the policy, tensors hide no text."""

import json
import struct

import pytest

from governance.access.policies.verdict import Decision, Verdict
from governance.contract.exchange import Reply, StreamedReply
from governance.contract.routes import Route
from governance.errors import BadRequestError, ForbiddenError
from governance.plugins.privacy.plugin import PrivacyPlugin
from governance.privacy.redactions import Redactions, ReplyFindings
from governance.settings import Settings
from governance.testing import make_exchange

ASK = Route("POST", "/ask", "infer", "bentoml", content_types=frozenset({"application/json"}), max_body_bytes=10**6)
INFER = Route(
    "POST",
    "/v2/models/{model}/infer",
    "infer",
    "oip",
    content_types=frozenset({"application/octet-stream", "application/json"}),
    max_body_bytes=10**6,
)


async def plugin(**text):
    section = {"route": text.pop("route", "/ask"), **text}
    made = PrivacyPlugin(Settings.model_validate({"service": {"name": "s"}, "privacy": {"text": [section]}}))
    await made.open()
    return made


async def call(made, body, route=ASK, headers=(), answer=None, decision=None, model=None, facts=()):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), *headers]
    exchange = make_exchange("POST", route.template, route=route, body=body, headers=headers, model=model)
    for fact in filter(None, (decision, *facts)):
        exchange.put(fact)

    async def server(exchange):
        reply = exchange.body if answer is None else json.dumps(answer).encode()
        return Reply(200, ((b"content-type", b"application/json"),), (reply,))

    reply = await made.handle(exchange, server)
    return exchange, b"".join(reply.body)


async def test_privacy_plugin_changes_texts_in_request():
    exchange, seen = await call(await plugin(), {"note": "call 415-555-2671", "n": 1})
    assert json.loads(seen) == {"note": "call <PHONE_NUMBER>", "n": 1}
    assert exchange.require(Redactions).entities == {"PHONE_NUMBER": 1}
    assert b"415" in exchange.received_body


async def test_privacy_plugin_body_without_findings_is_unchanged():
    body = b'{ "note" : "nothing here" }'
    assert (await call(await plugin(), body))[1] == body


async def test_privacy_plugin_changes_reply_if_replies_is_set():
    answer = {"text": "mail a@b.org"}
    exchange, seen = await call(await plugin(replies=True), {}, answer=answer)
    assert json.loads(seen) == {"text": "mail <EMAIL_ADDRESS>"}
    assert exchange.require(ReplyFindings).entities == {"EMAIL_ADDRESS": 1}
    assert json.loads((await call(await plugin(), {}, answer=answer))[1]) == answer


async def test_privacy_plugin_changes_streamed_reply_and_counts_at_its_end():
    made = await plugin(replies=True)
    exchange = make_exchange("POST", "/ask", route=ASK, body=b"{}", headers=[(b"content-type", b"application/json")])

    async def pieces():
        for piece in (b"mail a@b.", b"org, or call 415-5", b"55-2671 and a@b.org. ", b"Bye."):
            yield piece

    async def server(exchange):
        return StreamedReply(200, ((b"content-type", b"text/plain"),), (), pieces())

    reply = await made.handle(exchange, server)
    seen = b"".join([piece async for piece in reply.pieces])
    assert seen == b"mail <EMAIL_ADDRESS>, or call <PHONE_NUMBER> and <EMAIL_ADDRESS>. Bye."
    assert exchange.require(ReplyFindings).entities == {"EMAIL_ADDRESS": 2, "PHONE_NUMBER": 1}


async def test_privacy_plugin_passes_found_data_classes_to_the_policy():
    def review(classes):
        return Verdict("health" not in classes, (), "d")

    made = await plugin(classes={"MEDICAL_RECORD_NUMBER": "health"})
    await call(made, {"a": "mail a@b.org"}, decision=Decision(Verdict(True, (), "d"), review))
    with pytest.raises(ForbiddenError):
        await call(made, {"a": "MRN: 12345678"}, decision=Decision(Verdict(True, (), "d"), review))


def binary(texts, **more):
    raw = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    tensor = {"name": "t", "datatype": "BYTES", "shape": [len(texts)], "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor | more]}).encode()
    return head + raw, (b"inference-header-content-length", str(len(head)).encode())


async def test_privacy_plugin_changes_texts_in_binary_tensor():
    made = await plugin(route="/v2/models/{model}/infer")
    body, length = binary([b"mail a@b.org", b"", "\u4f60\u597d".encode()])
    exchange, seen = await call(made, body, INFER, [length])
    size = int(exchange.header(b"inference-header-content-length"))
    head, tail = json.loads(seen[:size]), seen[size:]
    assert tail == b"".join(
        struct.pack("<I", len(t)) + t for t in (b"mail <EMAIL_ADDRESS>", b"", "\u4f60\u597d".encode())
    )
    assert head["inputs"][0]["parameters"] == {"binary_data_size": len(tail)}
    assert exchange.require(Redactions).entities == {"EMAIL_ADDRESS": 1}
    _, seen = await call(
        made, {"inputs": [{"name": "t", "datatype": "BYTES", "shape": [1], "data": ["mail a@b.org"]}]}, INFER
    )
    assert json.loads(seen)["inputs"][0]["data"] == ["mail <EMAIL_ADDRESS>"]


@pytest.mark.parametrize(
    ("texts", "more"),
    [
        ([b"\xff"], {}),
        ([b"a"], {"parameters": {"binary_data_size": 4}}),
        ([b"a"], {"parameters": {"binary_data_size": 500}}),
        ([b"a"], {"parameters": {"binary_data_size": -1}}),
        ([b"a"], {"parameters": {"binary_data_size": True}}),
        ([b"a"], {"parameters": {}}),
        ([b"a"], {"data": ["b"]}),
        ([b"a\xff\xff\xff\xff"], {"parameters": {"binary_data_size": 5}}),
    ],
)
async def test_privacy_plugin_refuses_binary_tensor_that_cannot_be_searched(texts, more):
    body, length = binary(texts, **more)
    with pytest.raises(BadRequestError):
        await call(await plugin(route="/v2/models/{model}/infer"), body, INFER, [length])


@pytest.mark.parametrize(
    "body", [b"\xff", b"{", b"[" * 10_000, b'{"a": "' + b"\xed\xa0\x80" + b'"}', b'{"a": 1, "a": "a@b.org"}']
)
async def test_privacy_plugin_refuses_body_that_cannot_be_searched(body):
    with pytest.raises(BadRequestError):
        await call(await plugin(), body)


async def test_privacy_plugin_lone_surrogate_hides_nothing():
    _, seen = await call(await plugin(), b'{"a": "\\ud800 415-555-2671 \\udfff"}')
    assert b"415-555" not in seen
