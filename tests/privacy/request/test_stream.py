"""Streamed answers: the result does not depend on the chunks, and no finding is sent unchanged."""

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.privacy.change.context import Context
from governance.privacy.change.text import AnonymizationProfile, TextAnonymizer
from governance.privacy.find.detect import Detectors
from governance.privacy.request.stream import LONGEST, units_of

ANONYMIZER = TextAnonymizer(Detectors(), AnonymizationProfile.parse({}), Context())
SECRETS = ["4716190207394368", "4716 1902 0739 4368", "DE02120300000000202051", "wilhelmina@hospital.example",
           "4716\u200b190207394368", "４７１６１９０２０７３９４３６８"]  # fmt: skip
WORDS = ["the", "patient.", "said!", "so\n", "然后。", "\n\n", "café", "\u200f", "wait?", "data: x", "{", '"']
KEY = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(["MC4CAQAwBQYDK2VwBCIEIABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"] * 30) + "\n-----END PRIVATE KEY-----"  # fmt: skip


def streamed(kind, chunks):
    units = units_of(kind, ANONYMIZER)
    return b"".join([*(units.feed(chunk, last=False) for chunk in chunks), units.feed(b"", last=True)])


def cut(data, random):
    places = sorted(random.sample(range(len(data) + 1), min(len(data), random.randint(0, 30))))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


texts = st.lists(st.sampled_from([*WORDS * 4, *(f"is {secret}" for secret in SECRETS)]), max_size=250).map(" ".join)


@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream", "application/x-ndjson"])
@settings(max_examples=40, deadline=None)
@given(text=texts, seed=st.integers(0, 2**32))
def test_plain_text_units_do_not_depend_on_the_chunks(kind, text, seed):
    data = text.encode()
    whole = streamed(kind, [data])
    assert streamed(kind, cut(data, random.Random(seed))) == whole
    assert not any(secret.encode() in whole for secret in SECRETS)


@settings(max_examples=40, deadline=None)
@given(text=texts)
def test_plain_text_changes_findings_that_span_chunks(text):
    assert streamed("text/plain", [bytes([b]) for b in text.encode()]).decode() == ANONYMIZER.anonymize([text])[0].text


def test_plain_text_sends_long_answers_before_their_end():
    units = units_of("text/plain", ANONYMIZER)
    assert units.feed(b"My card is 4716", last=False) == b""
    assert units.feed(b"190207394368", last=True) == b"My card is <CREDIT_CARD>"
    units = units_of("text/plain", ANONYMIZER)
    assert units.feed(b"A sentence without anything. " * 40, last=False).startswith(b"A sentence without anything. ")


def test_plain_text_keeps_a_private_key_of_many_lines_together():
    text = "Words. " * 100 + KEY + " words.\n" * 100
    made = streamed("text/plain", [bytes([b]) for b in text.encode()])
    assert b"MC4C" not in made and b"<PRIVATE_KEY>" in made


def test_stream_units_end_the_stream_on_units_that_are_too_long():
    with pytest.raises(RuntimeError):
        streamed("text/plain", [b"-----BEGIN PRIVATE KEY-----\n" + b"QUJD\n" * LONGEST])
    with pytest.raises(RuntimeError):
        streamed("application/x-ndjson", [b"x" * 3_000_000])
    with pytest.raises(RuntimeError):
        streamed("text/event-stream", [b"data: x\n" * 300_000])


def test_plain_text_without_sentences_is_cut_outside_findings():
    text = "x" * (LONGEST - 5) + " 4716190207394368 " + "y" * LONGEST
    assert b"4716190207394368" not in streamed("text/plain", [text.encode()])
    assert len(streamed("text/plain", [text.encode()])) == len(text) - 16 + len("<CREDIT_CARD>")


@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream", "application/jsonl"])
@pytest.mark.parametrize("bad", [b"\xff", b"4716\xff190207394368", b"\xed\xa0\x80", b"\xe4\xbd"])
def test_stream_units_end_the_stream_on_bytes_that_are_not_utf_8(kind, bad):
    with pytest.raises(RuntimeError):
        streamed(kind, [b"data: 1\n\n", bad])


def test_events_are_changed_as_json_or_text():
    secret = json.dumps({"token": "\ud800 4716190207394368"})
    events = f"\ufeffid: 4716190207394368\r\nevent: a\r\ndata: one\rdata: mail a@b.org\n\n: 4716190207394368\n\ndata: {secret}\n\n"
    made = streamed("text/event-stream", [bytes([b]) for b in events.encode()]).decode()
    assert made == (
        "id: <CREDIT_CARD>\nevent: a\ndata: one\ndata: mail <EMAIL_ADDRESS>\n\n: <CREDIT_CARD>\n\n"
        'data: {"token":"\\ud800 <CREDIT_CARD>"}\n\n'
    )


def test_events_or_text_reads_a_stream_without_events_as_text():
    units = units_of("text/event-stream", ANONYMIZER)
    text = b"A sentence without anything. " * 40
    ready = b"".join(units.feed(text[start : start + 5], last=False) for start in range(0, len(text), 5))
    assert ready and ready + units.feed(b" 4716190207394368", last=True) == text + b" <CREDIT_CARD>"


def test_json_lines_finds_escaped_card_numbers():
    made = streamed("application/x-ndjson", [b'{"a": "\\u0034716190207394368"}\n{"n":1}\nmail a@b.org'])
    assert made == b'{"a":"<CREDIT_CARD>"}\n{"n":1}\nmail <EMAIL_ADDRESS>'


def test_units_of_returns_none_for_unknown_media_types():
    assert units_of("application/json", ANONYMIZER) is None


TOKEN = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0" * 9 + ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"  # fmt: skip


@pytest.mark.parametrize("secret", [TOKEN, ("\u200b" * 150).join(["4716", "1902", "0739", "4368"])])
@pytest.mark.parametrize("before", range(1, 601, 60))
def test_plain_text_does_not_cut_a_long_secret(secret, before):
    text = "x" * (LONGEST - before) + " " + secret + " " + "y" * 700
    made = streamed("text/plain", [text[at : at + 999].encode() for at in range(0, len(text), 999)]).decode()
    assert not any(character.isdigit() or character in "eJ_" for character in made.replace("<CREDIT_CARD>", "").replace("<JWT>", ""))  # fmt: skip


def test_events_are_read_once_however_small_the_chunks(monkeypatch):
    read, real = [], re.sub
    monkeypatch.setattr(
        "governance.privacy.request.stream.re.sub", lambda a, b, text: read.append(len(text)) or real(a, b, text)
    )
    body = b'data: "' + b"a" * 100_000 + b'"\n' + b"data: b\n" * 9 + b"\n"
    assert streamed("text/event-stream", [body[at : at + 4] for at in range(0, len(body), 4)]) == body
    assert sum(read) == len(body)


def test_events_cut_within_a_line_end_stay_one_event():
    for ends in (b"\r\n\r\n", b"\r\r", b"\n\n", b"\r\n\n"):
        data = b"data: 4716190207394368" + ends + b"data: x" + ends
        assert streamed("text/event-stream", [bytes([b]) for b in data]) == b"data: <CREDIT_CARD>\n\ndata: x\n\n"


@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream", "application/x-ndjson"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "utf-16"])
def test_stream_units_end_a_stream_in_another_encoding(kind, encoding):
    with pytest.raises(RuntimeError, match="not UTF-8"):
        streamed(kind, [SECRETS[0].encode(encoding) + "\n".encode(encoding)])


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/event-stream"])
def test_stream_units_ignore_a_byte_order_mark(kind):
    begin = b"data: " if kind == "text/event-stream" else b""
    data = b"\xef\xbb\xbf" + begin + b'{"a":"\\u0034716190207394368"}\n\n'
    assert b"CREDIT_CARD" in streamed(kind, [bytes([b]) for b in data])
