"""Declared fields never leave; a body that cannot be searched is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import BadRequestError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import Operator
from governance.privacy.redactions import Redactions
from governance.privacy.request.records import Rule, redact_json

CONTEXT = Context(b"k" * 32)
SECRET = "4111-1111-1111-1111"


def redact(document, *rules):
    data, redactions = redact_json(json.dumps(document).encode(), [Rule.parse(*rule) for rule in rules], CONTEXT)
    return json.loads(data), dict(redactions.counts)


def test_each_operator_does_what_it_says():
    document = {"a": "x", "b": "y", "c": "z", "d": 1}
    changed, counts = redact(document, ("/a", "drop"), ("/b", "mask"), ("/c", "hash"))
    assert changed == {"b": "***", "c": changed["c"], "d": 1}
    assert len(changed["c"]) == 64
    assert counts == {"drop": 1, "mask": 1, "hash": 1}


def test_equal_values_hash_equally_and_another_key_otherwise():
    first, _ = redact({"a": "x", "b": "x", "c": "y"}, ("/*", "hash"))
    assert first["a"] == first["b"] != first["c"]
    others = [Context(b"o" * 32), Context(CONTEXT.key, "another scope")]
    assert first["a"] not in [Operator("hash").change_value("x", "FIELD", other) for other in others]


def test_a_wildcard_reaches_every_element_and_member():
    changed, counts = redact({"p": [{"n": SECRET, "k": 1}, {"n": SECRET}, 3]}, ("/p/*/n", "drop"))
    assert changed == {"p": [{"k": 1}, {}, 3]}
    assert counts == {"drop": 2}


def test_dropping_several_elements_drops_those_that_were_named():
    assert redact({"a": [0, 1, 2, 3]}, ("/a/0", "drop"), ("/a/1", "drop"))[0] == {"a": [2, 3]}


def test_escaped_pointers_name_strange_members():
    assert redact({"a/b": 1, "c~d": 2}, ("/a~1b", "drop"), ("/c~0d", "drop"))[0] == {}


def test_a_field_that_is_absent_changes_nothing():
    assert redact({"a": [1]}, ("/b", "drop"), ("/a/7", "mask"), ("/a/x", "mask"), ("/a/0/z", "mask")) == (
        {"a": [1]},
        {},
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a":1,"a":2}', b"NaN", b"\xff", b"[" * 10_000 + b"]" * 10_000, b"[1e400]", b'{"b":1e999}']
)
def test_what_is_not_strict_json_is_refused(body):
    with pytest.raises(BadRequestError):
        redact_json(
            body,
            [Rule.parse("/*/x", "mask")]
            if b"x" in body
            else [Rule.parse("/*", "drop" if b"1e" not in body else "hash")],
            CONTEXT,
        )


@pytest.mark.parametrize("name", ["secret", "\\u0073ecret", "s\\u0065cret", "secre\\u0074"])
def test_an_escaped_name_is_found_all_the_same(name):
    data, redactions = redact_json(b'{"%s":"x","other":1}' % name.encode(), [Rule.parse("/secret", "drop")], CONTEXT)
    assert json.loads(data) == {"other": 1}
    assert redactions.counts == {"drop": 1}


def test_a_document_that_cannot_hold_a_declared_field_is_left_as_it_is():
    body = b'{ "other" : 1 }'
    assert redact_json(body, [Rule.parse("/secret", "drop")], CONTEXT) == (body, Redactions({}))


def test_half_a_surrogate_is_refused_or_harmless():
    with pytest.raises(BadRequestError):
        redact_json(b'{"a":"\\ud800"}', [Rule.parse("/a", "hash")], CONTEXT)


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcn"), inner, max_size=4),
    max_leaves=20,
)


@given(documents, st.sampled_from(["drop", "mask", "hash"]))
def test_a_declared_value_never_leaves(rest, operator):
    document = {"people": [{"name": SECRET, "rest": rest}, {"name": [SECRET, rest]}], "rest": rest}
    data, _ = redact_json(json.dumps(document).encode(), [Rule.parse("/people/*/name", operator)], CONTEXT)
    assert SECRET not in data.decode()
    assert json.loads(data)["rest"] == rest
