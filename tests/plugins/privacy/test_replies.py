"""Replies that are not JSON: text is searched, pictures are cleaned, and what cannot be searched never leaves."""

import io
import json

import pytest
from PIL import Image

from governance.contract.exchange import Reply, StreamedReply
from governance.contract.routes import Route
from governance.errors import ApplicationError, ApplicationRefusedError, ConfigurationError, UnsearchableReplyError
from governance.gate.errors import status_of
from governance.gate.pipeline import Pipeline
from governance.plugins.privacy.plugin import PrivacyPlugin
from governance.privacy.redactions import ReplyFindings
from governance.settings import Settings
from governance.testing import make_exchange

ROUTE = Route("POST", "/ask", "infer", "bentoml", content_types=frozenset({"application/json"}), max_body_bytes=10**6)
MAIL, FOUND = "mail ada@example.org, now", "mail <EMAIL_ADDRESS>, now"


def settings(images=(), **text):
    sections = {"text": [{"route": "/ask", "replies": True, **text}], "images": list(images)}
    return Settings.model_validate({"service": {"name": "s"}, "privacy": sections})


async def changed(body, kind="text/plain", *, fields=(), images=(), status=200, **text):
    plugin = PrivacyPlugin(settings(images, **text))
    await plugin.open()
    exchange = make_exchange(
        "POST", "/ask", route=ROUTE, body=b"{}", headers=[(b"content-type", b"application/json"), *fields]
    )

    async def server(exchange):
        server.asked = dict(exchange.headers)
        return Reply(status, ((b"content-type", kind.encode()),), (body,))

    reply = await plugin.handle(exchange, server)
    return reply, b"".join(reply.body), exchange, server.asked


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("text/plain", MAIL, FOUND),
        ("text/plain; charset=utf-8", MAIL, FOUND),
        ("text/markdown", f"# {MAIL}", f"# {FOUND}"),
        ("text/csv", "name,mail\nx,ada@example.org\n", "name,mail\nx,<EMAIL_ADDRESS>\n"),
        ("text/html; charset=utf-8", "<p>ada&#64;example&#x2e;org &lt;b&gt;</p>", "<p><EMAIL_ADDRESS> &lt;b&gt;</p>"),
        ("application/xml", "<a m='ada@example.org'/>", "<a m='<EMAIL_ADDRESS>'/>"),
        ("image/svg+xml", "<svg>ada@example.org</svg>", "<svg><EMAIL_ADDRESS></svg>"),
        ("text/vcard", "EMAIL:ada@exa\r\n mple.org", "EMAIL:<EMAIL_ADDRESS>"),
        ("application/yaml", "mail: ada@example.org", "mail: <EMAIL_ADDRESS>"),
        ("application/x-ndjson", '{"a":"ada@example.org"}\n', '{"a":"<EMAIL_ADDRESS>"}\n'),
        ("text/event-stream", "data: ada@example.org\n\n", "data: <EMAIL_ADDRESS>\n\n"),
        ("text/event-stream", MAIL, FOUND),
        ("application/problem+json", '{"a":"ada@example.org"}', '{"a":"<EMAIL_ADDRESS>"}'),
        # BentoML calls the text of a function without an annotation JSON.
        ("application/json", MAIL, FOUND),
    ],
)
async def test_reply_that_is_text_is_searched(kind, body, wanted):
    reply, seen, exchange, _ = await changed(body.encode(), kind)
    assert seen.decode() == wanted and reply.status == 200
    assert dict(reply.headers)[b"content-type"] == kind.encode()
    assert exchange.require(ReplyFindings).entities == {"EMAIL_ADDRESS": 1}


async def test_reply_without_findings_is_the_same_bytes():
    body = b"<p>caf&eacute; &amp; tea</p>"
    assert (await changed(body, "text/html"))[1] == body
    assert (await changed(b"", "application/json", status=204))[1] == b""


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "utf-16"])
async def test_reply_in_another_charset_becomes_utf8(charset):
    reply, seen, *_ = await changed(f"\u00e9 {MAIL}".encode(charset), f"text/plain; charset={charset}")
    assert seen.decode() == f"\u00e9 {FOUND}"
    assert dict(reply.headers)[b"content-type"] == b"text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/octet-stream", b"ada@example.org"),
        ("application/pdf", b"%PDF"),
        ("image/png", b"\x89PNG"),
        ("text/javascript", b"'ada\\u0040example.org'"),
        ("text/rtf", b"{ada\\'40example.org}"),
        ("", b"ada@example.org"),
        ("application/json", b'"ada\\u0040example.org'),
        ("text/plain", b"\xff\xfe"),
        ("text/plain", "ada@example.org".encode("utf-16-le")),
        ("text/plain; charset=utf-7", b"ada+AEA-example.org"),
        ("text/plain; charset=nothing", b"x"),
        ("text/event-stream", b"\xff"),
        ("application/x-ndjson", b"\xff"),
        ("a/b\r\nx", b"x"),
    ],
)
async def test_reply_that_cannot_be_searched_is_502_and_never_leaves(kind, body):
    with pytest.raises(UnsearchableReplyError, match="searched|anonymized") as caught:
        await changed(body, kind)
    assert status_of(caught.value, under_v2=False) == 502
    assert "ada" not in str(caught.value) and "\n" not in str(caught.value)


async def test_compressed_reply_is_refused_and_not_asked_for():
    fields = [(b"accept-encoding", b"gzip"), (b"range", b"bytes=0-9"), (b"accept", b"*/*")]
    *_, asked = await changed(b"x", fields=fields)
    assert not {b"accept-encoding", b"range"} & set(asked) and asked[b"accept"] == b"*/*"
    plugin = PrivacyPlugin(settings())
    await plugin.open()

    async def server(exchange):
        return Reply(200, ((b"content-type", b"text/plain"), (b"content-encoding", b"gzip")), (b"x",))

    with pytest.raises(UnsearchableReplyError, match="compressed"):
        await plugin.handle(make_exchange("POST", "/ask", route=ROUTE, body=b"{}"), server)


def picture(where=b"camera of Ada"):
    exif = Image.Exif()
    exif[0x010E] = where.decode()
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "JPEG", exif=exif)
    return file.getvalue()


async def test_picture_in_reply_loses_its_metadata():
    body, images = picture(), [{"route": "/ask", "applies_to": "replies"}]
    _, seen, exchange, _ = await changed(body, "image/jpeg", images=images)
    assert b"Ada" in body and b"Ada" not in seen
    assert Image.open(io.BytesIO(seen)).size == (8, 8)
    assert exchange.require(ReplyFindings).entities
    with pytest.raises(UnsearchableReplyError):
        await changed(b"no picture", "image/jpeg", images=images)


async def opened(reply_type, *, images=(), stream=False):
    route = Route("POST", "/ask", "infer", "bentoml", stream=stream, reply_type=reply_type)
    pipeline = Pipeline([PrivacyPlugin(settings(images))], (), [route])
    await pipeline.open()
    await pipeline.close()


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/*", "image/gif", "audio/*", "multipart/form-data"])
async def test_route_whose_replies_cannot_be_searched_stops_the_start(kind):
    with pytest.raises(ConfigurationError) as caught:
        await opened(kind)
    sentence = str(caught.value)
    assert "POST /ask" in sentence and kind in sentence and "replies" in sentence


@pytest.mark.parametrize("kind", [None, "application/json", "text/plain", "text/html"])
async def test_route_whose_replies_may_be_searched_starts(kind):
    await opened(kind)
    await opened("text/event-stream", stream=True)
    await opened("image/*", images=[{"route": "/ask", "applies_to": "replies"}])


async def test_stream_of_html_is_searched_wherever_it_is_cut():
    page = "<p>" + "word " * 80 + "ada&#64;example.org &amp; more. " + "word " * 80 + "</p>"
    for size in (1, 7, 1000):
        plugin = PrivacyPlugin(settings())
        await plugin.open()

        async def server(exchange, size=size):
            async def pieces():
                for start in range(0, len(page), size):
                    yield page[start : start + size].encode()

            return StreamedReply(200, ((b"content-type", b"text/html"),), (), pieces())

        reply = await plugin.handle(make_exchange("POST", "/ask", route=ROUTE, body=b"{}"), server)
        seen = b"".join([piece async for piece in reply.pieces]).decode()
        assert seen == page.replace("ada&#64;example.org", "<EMAIL_ADDRESS>")


async def test_declared_places_of_json_replies_stay():
    body = json.dumps({"answer": "ada@example.org", "other": "bob@example.org"}).encode()
    _, seen, *_ = await changed(body, "application/json", reply_pointers=["/answer"])
    assert json.loads(seen) == {"answer": "<EMAIL_ADDRESS>", "other": "bob@example.org"}


@pytest.mark.parametrize("kind", [ApplicationRefusedError, ApplicationError])
async def test_sentence_of_an_application_error_is_searched(kind):
    plugin = PrivacyPlugin(settings())
    await plugin.open()
    exchange = make_exchange("POST", "/ask", route=ROUTE, body=b"{}", headers=[(b"content-type", b"application/json")])

    async def server(exchange):
        raise kind("ada@example.org has one already", status=409, headers=[(b"retry-after", b"7")])

    with pytest.raises(kind, match="^<EMAIL_ADDRESS> has one already$") as caught:
        await plugin.handle(exchange, server)
    assert (caught.value.status, caught.value.headers) == (409, ((b"retry-after", b"7"),))
    assert exchange.require(ReplyFindings).entities == {"EMAIL_ADDRESS": 1}
