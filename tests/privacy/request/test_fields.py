"""Declared fields are changed, and a body that cannot be searched is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import BadRequestError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import Operator
from governance.privacy.redactions import Redactions
from governance.privacy.request.fields import FieldRule, change_json

CONTEXT = Context(b"k" * 32)
SECRET = "4111-1111-1111-1111"


def change_document(document, *rules):
    data, redactions = change_json(json.dumps(document).encode(), [FieldRule.parse(*rule) for rule in rules], CONTEXT)
    return json.loads(data), dict(redactions.counts)


def test_change_json_changes_each_field_by_its_operator():
    document = {"a": "x", "b": "y", "c": "z", "d": 1}
    changed, counts = change_document(document, ("/a", "drop"), ("/b", "mask"), ("/c", "hash"))
    assert changed == {"b": "***", "c": changed["c"], "d": 1}
    assert len(changed["c"]) == 64
    assert counts == {"drop": 1, "mask": 1, "hash": 1}


def test_change_json_hashes_are_equal_only_under_one_key_and_scope():
    first, _ = change_document({"a": "x", "b": "x", "c": "y"}, ("/*", "hash"))
    assert first["a"] == first["b"] != first["c"]
    others = [Context(b"o" * 32), Context(CONTEXT.key, "another scope")]
    assert first["a"] not in [Operator("hash").change_value("x", "FIELD", other) for other in others]


def test_change_json_wildcard_matches_every_element_and_member():
    changed, counts = change_document({"p": [{"n": SECRET, "k": 1}, {"n": SECRET}, 3]}, ("/p/*/n", "drop"))
    assert changed == {"p": [{"k": 1}, {}, 3]}
    assert counts == {"drop": 2}


def test_change_json_drops_the_declared_elements_of_a_list():
    assert change_document({"a": [0, 1, 2, 3]}, ("/a/0", "drop"), ("/a/1", "drop"))[0] == {"a": [2, 3]}


def test_change_json_reads_escaped_pointers():
    assert change_document({"a/b": 1, "c~d": 2}, ("/a~1b", "drop"), ("/c~0d", "drop"))[0] == {}


def test_change_json_ignores_absent_fields():
    assert change_document({"a": [1]}, ("/b", "drop"), ("/a/7", "mask"), ("/a/x", "mask"), ("/a/0/z", "mask")) == (
        {"a": [1]},
        {},
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a":1,"a":2}', b"NaN", b"\xff", b"[" * 10_000 + b"]" * 10_000, b"[1e400]", b'{"b":1e999}']
)
def test_change_json_refuses_what_is_not_strict_json(body):
    with pytest.raises(BadRequestError):
        change_json(
            body,
            [FieldRule.parse("/*/x", "mask")]
            if b"x" in body
            else [FieldRule.parse("/*", "drop" if b"1e" not in body else "hash")],
            CONTEXT,
        )


@pytest.mark.parametrize("name", ["secret", "\\u0073ecret", "s\\u0065cret", "secre\\u0074"])
def test_change_json_finds_escaped_member_names(name):
    data, redactions = change_json(
        b'{"%s":"x","other":1}' % name.encode(), [FieldRule.parse("/secret", "drop")], CONTEXT
    )
    assert json.loads(data) == {"other": 1}
    assert redactions.counts == {"drop": 1}


def test_change_json_keeps_documents_without_declared_fields():
    body = b'{ "other" : 1 }'
    assert change_json(body, [FieldRule.parse("/secret", "drop")], CONTEXT) == (body, Redactions({}))


def test_change_json_refuses_or_escapes_lone_surrogates():
    with pytest.raises(BadRequestError):
        change_json(b'{"a":"\\ud800"}', [FieldRule.parse("/a", "hash")], CONTEXT)


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcn"), inner, max_size=4),
    max_leaves=20,
)


@given(documents, st.sampled_from(["drop", "mask", "hash"]))
def test_change_json_removes_the_declared_value_from_any_document(rest, operator):
    document = {"people": [{"name": SECRET, "rest": rest}, {"name": [SECRET, rest]}], "rest": rest}
    data, _ = change_json(json.dumps(document).encode(), [FieldRule.parse("/people/*/name", operator)], CONTEXT)
    assert SECRET not in data.decode()
    assert json.loads(data)["rest"] == rest
