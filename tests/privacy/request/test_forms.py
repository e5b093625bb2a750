"""Queries and forms: declared names are changed however they are encoded, and nothing else is."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import BadRequestError
from governance.multipart import parse_multipart, render_multipart
from governance.privacy.change.context import Context
from governance.privacy.change.text import AnonymizationProfile, TextAnonymizer
from governance.privacy.find.detect import Detectors
from governance.privacy.request.forms import NamedRule, change_multipart, change_pairs, change_parts

CARD = "4716190207394368"
CONTEXT = Context()
ANONYMIZE = TextAnonymizer(Detectors(), AnonymizationProfile.parse({}), CONTEXT).anonymize
RULES = (
    NamedRule.parse("name", "replace", "identity", "PERSON"),
    NamedRule.parse("note", "text"),
    NamedRule.parse("id", "drop"),
)
TYPE = "multipart/form-data; boundary=b"


def changed(query):
    return change_pairs(query, RULES, CONTEXT, ANONYMIZE)


def test_change_pairs_changes_every_field_of_a_declared_name():
    query, done = changed(b"name=Ada&name=Bob&n=1&id=7&note=card+" + CARD.encode() + b"&empty=")
    assert parse_qsl(query.decode(), True) == [
        ("name", "<PERSON>"), ("name", "<PERSON>"), ("n", "1"), ("note", "card <CREDIT_CARD>"), ("empty", "")
    ]  # fmt: skip
    assert done.counts == {"replace": 2, "drop": 1} and done.entities == {"CREDIT_CARD": 1}
    assert done.classes == {"identity"}


@pytest.mark.parametrize(
    "query",
    [
        b"n%6Fte=%34716190207394368", b"note=4716%201902%200739%204368", b"note=4716+1902+0739+4368",
        "note=4716\u200b190207394368".encode("utf-8").replace(b"\xe2\x80\x8b", b"%E2%80%8B"),
        b"note=" + "４７１６１９０２０７３９４３６８".encode().hex(" ").replace(" ", "%").join(("%", "")).encode(),
        b"x=1&&note=" + CARD.encode(), b"note=\xe2\x80\x8b" + CARD.encode(), b"note=%E2%80%8F" + CARD.encode(),
        b"note=%22%5Cu0034716190207394368%22", b"note=%5B%22%5Cu0034716190207394368%22%5D",
        b'note=' + urlencode({"": '{"a": {"b": "\\ud800 4716190207394368"}}'}).encode()[1:],
    ],
)  # fmt: skip
def test_change_pairs_finds_a_card_number_however_it_is_encoded(query):
    try:
        made, _ = changed(query)
    except BadRequestError:
        return
    assert b"CREDIT_CARD" in made
    assert CARD[1:].encode() not in made and "７１６".encode() not in made


@pytest.mark.parametrize("query", [b"note=%FF", b"note=%ED%A0%80", b"%C3=1", b"a=\xff", b"&".join([b"a=1"] * 1025)])
def test_change_pairs_refuses_queries_that_are_not_utf_8_or_too_long(query):
    with pytest.raises(BadRequestError):
        changed(query)


def test_change_pairs_star_means_parameters_without_a_rule():
    rules = (NamedRule.parse("*", "text"), NamedRule.parse("name", "redact"))
    query, _ = change_pairs(b"a=" + CARD.encode() + b"&name=Ada", rules, CONTEXT, ANONYMIZE)
    assert parse_qsl(query.decode(), True) == [("a", "<CREDIT_CARD>"), ("name", "")]


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_change_pairs_keeps_undeclared_parameters(pairs):
    pairs = [(n, v) for n, v in pairs if n not in ("name", "note", "id") and not any("\ud800" <= c <= "\udfff" for c in n + v)]  # fmt: skip
    query = urlencode(pairs).encode()
    assert parse_qsl(changed(query)[0].decode(), True) == parse_qsl(query.decode(), True)


def form(*parts):
    return b"".join(b"--b\r\n%s\r\n\r\n%s\r\n" % part for part in parts) + b"--b--\r\n"


def field(name, value, more=b""):
    return b'Content-Disposition: form-data; name="%s"%s' % (name, more), value


FILE = (b'Content-Disposition: form-data; name="file"; filename="a \\"b\\".bin"\r\nContent-Type: x/y', bytes(range(256)) * 9 + b"\r\n--c")  # fmt: skip


def changed_form(body, content_type=TYPE):
    return change_multipart(body, content_type, lambda parts: change_parts(parts, RULES, CONTEXT, ANONYMIZE))


def test_change_parts_changes_fields_and_keeps_files():
    body = form(field(b"name", b"Ada"), FILE, field(b"note", b"card " + CARD.encode()), field(b"name", b"Bob"), field(b"id", b"7"))  # fmt: skip
    made, done = changed_form(body)
    assert made == form(field(b"name", b"<PERSON>"), FILE, field(b"note", b"card <CREDIT_CARD>"), field(b"name", b"<PERSON>"))  # fmt: skip
    assert done.counts == {"replace": 2, "drop": 1}


@pytest.mark.parametrize(
    "head",
    [
        b'content-disposition:form-data; NAME="note"',
        b"Content-Disposition: form-data; name=note",
        b"Content-Disposition: form-data; name*=utf-8''note",
        b'Content-Disposition: form-data; x="a;name=b"; name="n\\ote"',
    ],
)
def test_change_multipart_reads_names_as_the_application_does(head):
    from python_multipart.multipart import parse_options_header

    try:
        made, _ = changed_form(form((head, CARD.encode())))
    except BadRequestError:
        return
    seen = parse_options_header(head.partition(b":")[2])[1].get(b"name")
    assert (CARD.encode() not in made) == (seen == b"note")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(field(b"note", b"\xff")), TYPE),
        (form(field(b"note", b"x", b'; filename="n.txt"')), TYPE),
        (form(field(b"note", b"x"))[:-4], TYPE),
        (form(field(b"note", b'{"a": 1, "a": "4716190207394368"}')), TYPE),
        (form(field(b"note", b"[" * 10_000 + b"]" * 10_000)), TYPE),
        (form(field(b"note", b"x")), TYPE + "; charset=utf-7"),
        (form(*[field(b"a", b"")] * 65), TYPE),
        (form((b"Content-Disposition: form-data", b"x")), TYPE),
        (form((b"X: y", b"x")), TYPE),
        (b"", "multipart/form-data"),
    ],
)
def test_change_multipart_refuses_forms_it_cannot_search(body, content_type):
    with pytest.raises(BadRequestError):
        changed_form(body, content_type)


@pytest.mark.parametrize(
    "text",
    [
        CARD.encode(), b"\xef\xbb\xbfcard " + CARD.encode(), b"\0" + CARD.encode(), f'["{CARD}"]'.encode("utf-16"),
        f'"{CARD}"'.encode("utf-16-le"), CARD.encode("utf-32"),
    ],
)  # fmt: skip
def test_change_parts_searches_files_that_the_application_reads_as_text(text):
    rules = (NamedRule.parse("*", "text"),)
    parts = parse_multipart(form(field(b"note", text, b'; filename="n.txt"'), FILE), TYPE)
    (note, file), done = change_parts(parts, rules, CONTEXT, ANONYMIZE)
    assert note.is_file and b"<CREDIT_CARD>" in note.body and done.entities == {"CREDIT_CARD": 1}
    assert file == parts[1]


def test_change_parts_refuses_lone_surrogates_in_a_json_file():
    parts = parse_multipart(form(field(b"note", b'"\xed\xa0\x80' + CARD.encode() + b'"', b'; filename="n"')), TYPE)
    with pytest.raises(BadRequestError):
        change_parts(parts, (NamedRule.parse("*", "text"),), CONTEXT, ANONYMIZE)


def test_change_parts_keeps_a_text_file_without_findings_byte_for_byte():
    parts = parse_multipart(form(field(b"note", "[1, 2]".encode("utf-16"), b'; filename="n"')), TYPE)
    assert change_parts(parts, (NamedRule.parse("*", "text"),), CONTEXT, ANONYMIZE)[0] == parts


def test_change_multipart_cannot_create_a_boundary_by_removing_words():
    anonymize = TextAnonymizer(Detectors(), AnonymizationProfile.parse({"default": "redact"}), CONTEXT).anonymize
    content_type = 'multipart/form-data; boundary="(z"'
    hidden = b"x\r\n--DE02120300000000202051" + b'(z\r\nContent-Disposition: form-data; name="role"\r\n\r\nroot'
    body = form(field(b"note", hidden)).replace(b"--b", b"--(z")
    assert len(parse_multipart(body, content_type)) == 1
    with pytest.raises(BadRequestError, match="boundary"):
        change_multipart(body, content_type, lambda parts: change_parts(parts, RULES, CONTEXT, anonymize))


@given(st.lists(st.binary(max_size=40).filter(lambda data: b"b" not in data), max_size=5))
def test_render_multipart_reverses_parse_multipart(values):
    body = form(*[field(b"x", value) for value in values]) if values else b"--b--\r\n"
    if values:
        parts = parse_multipart(body, TYPE)
        assert render_multipart(parts, TYPE) == body and [part.body for part in parts] == values
