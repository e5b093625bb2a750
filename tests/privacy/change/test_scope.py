"""Pseudonym scopes: placeholders for purpose, caller, year and month; everything else in them is refused."""

import pytest

from governance.errors import ConfigurationError
from governance.privacy.change.scope import PseudonymScope

VALUES = {"purpose": "treatment", "caller": "ada", "year": "2026", "month": "11"}


def test_pseudonym_scope_differs_for_each_purpose():
    scope = PseudonymScope.parse("ward-7/{purpose}/{year}-{month}")
    assert scope.varies and scope.of(VALUES) == "ward-7/treatment/2026-11"
    assert scope.of({**VALUES, "purpose": "research"}) != scope.of(VALUES)
    assert not PseudonymScope.parse("ward").varies and PseudonymScope.parse("ward").of(VALUES) == "ward"


def test_pseudonym_scope_inserts_values_literally():
    assert PseudonymScope.parse("{caller}").of({**VALUES, "caller": "{year}"}) == "{year}"


@pytest.mark.parametrize("text", ["{tenant}", "{", "}", "{year", "{}", "{{year}}", "x" * 257])
def test_pseudonym_scope_parse_refuses_unknown_placeholders_and_long_texts(text):
    with pytest.raises(ConfigurationError, match="scope"):
        PseudonymScope.parse(text)
