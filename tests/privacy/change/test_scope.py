"""Scopes take in who asks, what for and when; anything else in them is refused."""

import pytest

from governance.errors import ConfigurationError
from governance.privacy.change.scope import Scope

VALUES = {"purpose": "treatment", "caller": "ada", "year": "2026", "month": "11"}


def test_a_scope_is_another_one_for_another_purpose():
    scope = Scope.parse("ward-7/{purpose}/{year}-{month}")
    assert scope.varies and scope.of(VALUES) == "ward-7/treatment/2026-11"
    assert scope.of({**VALUES, "purpose": "research"}) != scope.of(VALUES)
    assert not Scope.parse("ward").varies and Scope.parse("ward").of(VALUES) == "ward"


def test_what_a_request_says_is_taken_as_it_is():
    assert Scope.parse("{caller}").of({**VALUES, "caller": "{year}"}) == "{year}"


@pytest.mark.parametrize("text", ["{tenant}", "{", "}", "{year", "{}", "{{year}}", "x" * 257])
def test_a_place_for_what_is_not_known_is_refused(text):
    with pytest.raises(ConfigurationError, match="scope"):
        Scope.parse(text)
