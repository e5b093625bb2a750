"""Pointers and JSONPath lead to the same places, and what cannot be read is refused when the settings are."""

import pytest

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.request.paths import EVERYWHERE, parse_path
from governance.privacy.request.records import Rule, redact

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
def test_a_path_leads_where_it_says(path, expected):
    assert values(path) == expected


def test_the_whole_document_has_a_place_of_its_own():
    holder = ["text"]
    [(container, key)] = EVERYWHERE.places(holder)
    container[key] = "changed"
    assert holder == ["changed"]


@pytest.mark.parametrize("text", ["$.", "$[", "$.a[?@.b", "$.a[", "$.length("])
def test_what_is_no_jsonpath_is_refused(text):
    with pytest.raises(ConfigurationError, match="RFC 9535"):
        parse_path(text)


def test_a_document_too_deep_for_a_query_is_refused():
    document = []
    for _ in range(3_000):
        document = [document]
    with pytest.raises(BadRequestError, match="nested too deeply"):
        values("$..name", document)


def test_declared_fields_are_found_by_jsonpath():
    holder = [{"people": [{"name": "Ada"}, {"name": "Bob", "note": {"name": "Eve"}}]}]
    redact(holder, [Rule.parse("$..name", "drop")], Context())
    assert holder == [{"people": [{}, {"note": {}}]}]
