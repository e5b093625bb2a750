"""Canonical JSON, digests and safe paths."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.canonical import canonical_json, parse_json, safe_relative_path, sha256_digest
from governance.errors import BadRequestError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_canonical_json_round_trips(value):
    assert parse_json(canonical_json(value)) == value


@given(st.dictionaries(st.text(), st.integers(0, 9)))
def test_canonical_json_ignores_the_order_of_keys(value):
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


def test_canonical_json_matches_rfc_8785_example():
    assert canonical_json({"b": 1.0, "a": "\u20ac", "\u00e9": [1e30]}) == '{"a":"€","b":1,"é":[1e+30]}'.encode()


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b'{"a":1,"a":2}', b"NaN", b"[Infinity]", b"\xff", b'"\xed\xa0\x80"', b"[" * 100_000, b"{} x"],
)
def test_parse_json_refuses_invalid_json_without_repeating_it(document):
    with pytest.raises(BadRequestError) as refusal:
        parse_json(document)
    assert len(str(refusal.value)) < 200


def test_sha256_digest_has_the_name_of_its_algorithm():
    assert sha256_digest(b"x") == "sha256:" + hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize("path", ["model.onnx", "weights/part-0.bin", "a b/ü"])
def test_safe_relative_path_accepts_ordinary_paths(path):
    assert safe_relative_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "/etc/passwd", "a/../b", "../a", "a//b", "a/", "./a", "a\\b", "c:x", "a\x00b", "a\nb", "x" * 1025],
)
def test_safe_relative_path_refuses_paths_that_leave_the_folder(path):
    with pytest.raises(BadRequestError):
        safe_relative_path(path)


@given(st.text())
def test_safe_relative_path_stays_inside_any_folder(path):
    try:
        safe = safe_relative_path(path)
    except BadRequestError:
        return
    assert not safe.startswith("/")
    assert ".." not in safe.split("/")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty"),
        (b" \r\n", "it is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"1" * 5000, "too many digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{\xff}", "byte 1 is not UTF-8"),
        (b'{"a":1,\n"a":2}', "duplicate key"),
        (b'{"a":\n1 2}', "line 2, column 3"),
    ],
)
def test_parse_json_says_what_is_wrong_and_where(data, says):
    with pytest.raises(BadRequestError, match=f"not a JSON document: .*{says}"):
        parse_json(data)
