"""Plain documents are read and written exactly as by the strict reader and writer, or left to them."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.canonical import parse_json
from governance.errors import BadRequestError
from governance.privacy.change.context import Context
from governance.privacy.change.scope import PseudonymScope
from governance.privacy.change.text import AnonymizationProfile, TextAnonymizer
from governance.privacy.find.detect import Detectors
from governance.privacy.request.leaves import MAX_LEAVES
from governance.privacy.request.paths import EVERYWHERE, JsonPointer, parse_path
from governance.privacy.request.plain import read_plain, render_json
from governance.privacy.request.plan import FreeText, RequestPlan

CONTEXT = Context()
TEXT = FreeText(
    (EVERYWHERE,),
    TextAnonymizer(Detectors(), AnonymizationProfile.parse({}), CONTEXT),
    {},
    PseudonymScope.parse(""),
    None,
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([":", ' ":', "a@b.example"])
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
# Pieces of documents: most combinations are not documents, and some are wrong in only one place.
PIECES = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ",", ":", " ", "\n", "\t", '"a"', '"b"', '"a":', '"a" :', '":"', '"', "1", "-0", "1e400",
         "0.1", "1e5", "NaN", "null", "true", "\\", "\\ud800", "\x00", "\x7f", "\ufeff", "é", "4111111111111111"]
    ),
    max_size=14,
)  # fmt: skip


def _strictly(data: bytes) -> object:
    try:
        return parse_json(data)
    except BadRequestError:
        return BadRequestError


def _check(data: bytes) -> None:
    document = read_plain(data)
    if document is None:
        return
    strict = _strictly(data)
    assert repr(document.holder[0]) == repr(strict)
    try:
        written = render_json(strict)
    except BadRequestError:
        with pytest.raises(BadRequestError):
            document.render()
    else:
        assert document.render() == written


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",\n", "\t:")]), st.booleans())
def test_read_plain_and_render_agree_with_the_strict_reader_and_writer(document, separators, ascii_alone):
    text = json.dumps(document, separators=separators, ensure_ascii=ascii_alone)
    _check(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=500, deadline=None)
@given(PIECES.map("".join))
@example('{"a":1,"a":2}')
@example('{"a" :1,"a":2}')
@example('{"a" :":x","a":1}')
@example('{"a"\n:1,"a":":"}')
@example('{"a":{"b":1},"a":{"b":2,"c":3}}')
@example('[{"a":1e400}]')
@example('["\x7f"]')
@example("123456789012345678901234567890")
def test_read_plain_never_reads_what_the_strict_reader_refuses(text):
    _check(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":"x","a":"ada@example.org"}',
        b'{"a" :"x","a":"ada@example.org"}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a":"ada@example.org","b":1e400}',
        b"[" * 100_000 + b"]" * 100_000,
        b'[{"a":' * 50_000 + b"1" + b"}]" * 50_000,
        b'{"a":01}',
        b"1" * 5000,
        b"[" + b'"",' * MAX_LEAVES + b'""]',
    ],
    ids=lambda data: repr(data[:20]),
)
def test_request_plan_refuses_what_the_strict_reader_refuses(data):
    with pytest.raises(BadRequestError):
        RequestPlan(text=TEXT).change(data, memoryview(b""), CONTEXT)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{ "a" : "x" }', None),
        (b'{"n":1e400,"m":"caf\xc3\xa9"}', None),
        (b'{"t": "ada@example.org", "n":123456789012345678901234567890}',
         b'{"t":"<EMAIL_ADDRESS>","n":123456789012345678901234567890}'),
        (b'{"t":"ada@example.org","n":1e16}', b'{"t":"<EMAIL_ADDRESS>","n":1e+16}'),
        (b'{"t":"ada@example.org","n":"caf\xc3\xa9"}', b'{"t":"<EMAIL_ADDRESS>","n":"caf\\u00e9"}'),
        (b'{"t":"ada@example.org","n":"\\ud800"}', b'{"t":"<EMAIL_ADDRESS>","n":"\\ud800"}'),
        (b'"ada@example.org"', b'"<EMAIL_ADDRESS>"'),
    ],
)  # fmt: skip
def test_request_plan_changes_plain_bodies_as_the_strict_way_would(data, expected):
    changed = RequestPlan(text=TEXT).change(data, memoryview(b""), CONTEXT)
    assert (changed.head, changed.tail) == (expected or data, b"")
    # Two paths to the same strings use the strict reader, with the same result.
    twice = FreeText((EVERYWHERE, JsonPointer(())), TEXT.anonymizer, {}, TEXT.scope, None)
    assert RequestPlan(text=twice).change(data, memoryview(b""), CONTEXT) == changed


def test_read_plain_reads_usual_documents():
    document = read_plain(b'{"a": [{"b": "c", "n": 1.5}, "\xc3\xa9"], "d": {"x:": "y::"}}')
    assert document is not None and sorted(document.leaves.texts) == ["c", "y::", "é"]
    assert read_plain(b'{"a":1,"a":1}') is None


@pytest.mark.parametrize("paths", [("$..*",), ("$..a",), ("", "/a"), ("/a", "/a/0"), ("/*", "/a/*")])
def test_request_plan_changes_a_string_matched_by_two_paths_once(paths):
    text = FreeText(tuple(map(parse_path, paths)), TEXT.anonymizer, {}, TEXT.scope, None)
    changed = RequestPlan(text=text).change(b'{"a":["ada@example.org"]}', memoryview(b""), CONTEXT)
    assert changed.head == b'{"a":["<EMAIL_ADDRESS>"]}'
    assert changed.redactions.entities == {"EMAIL_ADDRESS": 1}


def test_request_plan_without_paths_changes_nothing():
    text = FreeText((), TEXT.anonymizer, {}, TEXT.scope, None)
    data = b'{"a":["ada@example.org"]}'
    assert RequestPlan(text=text).change(data, memoryview(b""), CONTEXT).head == data


def test_request_plan_of_the_inference_protocol_keeps_nan_and_infinities():
    body = b'{"inputs":[{"name":"note","data":["ada@example.org"]},{"name":"x","data":[NaN,-Infinity]}]}'
    changed = RequestPlan(text=TEXT, non_finite=True).change(body, memoryview(b""), CONTEXT).head
    assert b"ada@" not in changed and b'"data":[NaN,-Infinity]' in changed
    with pytest.raises(BadRequestError):
        RequestPlan(text=TEXT).change(body, memoryview(b""), CONTEXT)
