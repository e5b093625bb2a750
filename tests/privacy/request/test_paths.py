"""JSON Pointers and JSONPath select the same places; a text that is neither is refused when settings are read."""

import pytest

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.request.fields import FieldRule, change_fields
from governance.privacy.request.paths import EVERYWHERE, parse_path

DOCUMENT = {"people": [{"name": "Ada", "age": 36}, {"name": "Bob"}], "name": "list", "a/b": {"c~d": 1}}


def values(path, document=DOCUMENT):
    return [container[key] for container, key in parse_path(path).places([document])]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/people/*/name", ["Ada", "Bob"]),
        ("$.people[*].name", ["Ada", "Bob"]),
        ("$..name", ["list", "Ada", "Bob"]),
        ("$.people[?@.age > 30].name", ["Ada"]),
        ("$['a/b']['c~d']", [1]),
        ("/a~1b/c~0d", [1]),
        ("$.nobody", []),
        ("", [DOCUMENT]),
        ("$", [DOCUMENT]),
    ],
)
def test_parse_path_places(path, expected):
    assert values(path) == expected


def test_everywhere_is_the_place_of_the_whole_document():
    holder = ["text"]
    [(container, key)] = EVERYWHERE.places(holder)
    container[key] = "changed"
    assert holder == ["changed"]


@pytest.mark.parametrize("text", ["$.", "$[", "$.a[?@.b", "$.a[", "$.length("])
def test_parse_path_refuses_what_is_not_jsonpath(text):
    with pytest.raises(ConfigurationError, match="RFC 9535"):
        parse_path(text)


def test_json_path_refuses_documents_that_are_nested_too_deeply():
    document = []
    for _ in range(3_000):
        document = [document]
    with pytest.raises(BadRequestError, match="nested too deeply"):
        values("$..name", document)


def test_change_fields_finds_fields_by_jsonpath():
    holder = [{"people": [{"name": "Ada"}, {"name": "Bob", "note": {"name": "Eve"}}]}]
    change_fields(holder, [FieldRule.parse("$..name", "drop")], Context())
    assert holder == [{"people": [{}, {"note": {}}]}]
