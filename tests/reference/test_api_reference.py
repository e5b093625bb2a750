"""Everything public is explained: what it is, each parameter, each field."""

import pytest

from tools.reference import api
from tools.reference.api import INTERNAL, Thing, api_page, thing, things, undocumented
from tools.reference.docstrings import parse

ALL = list(things())


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_api_reference_everything_public_has_a_docstring(one):
    assert undocumented(one) == []


def test_api_reference_page_has_a_section_for_everything_public():
    page = api_page()
    for one in ALL:
        assert f"\n## {one.name}\n" in page
        for method in one.methods:
            assert f"\n### {'.'.join(method.name.split('.')[-2:])}\n" in page


def test_api_reference_internal_names_exist_and_are_not_shown(monkeypatch):
    assert not INTERNAL & {method.name for one in ALL for method in one.methods}
    monkeypatch.setattr(api, "INTERNAL", frozenset())
    assert {method.name for one in things() for method in one.methods} >= INTERNAL, "one is gone"


@pytest.mark.parametrize(
    ("one", "faults"),
    [
        (Thing("a.f", ("x",), "def f(x)", parse("Do it with `x`.")), []),
        (Thing("a.f", ("x",), "def f(x)", parse("Do it.\n\nArgs:\n    x: a number.")), []),
        (Thing("a.f", ("x",), "def f(x)", parse("Do it.")), ["a.f: x"]),
        (Thing("a.f", (), "def f()", parse(None)), ["a.f"]),
        (Thing("a.C", (), "class C", parse("A thing."), (("size", "int"),)), ["a.C: size"]),
        (Thing("a.C", (), "class C", parse("A thing."), (), (Thing("a.C.m", (), "def m()", parse("")),)), ["a.C.m"]),
    ],
)
def test_api_reference_check_detects_missing_docstrings(one, faults):
    assert undocumented(one) == faults


def test_api_reference_splits_docstring_into_prose_and_sections():
    found = parse(
        "Do it.\n\nMore.\n\nArgs:\n    one, two: numbers,\n        of any size.\n    *three: rest.\n\n"
        "Raises:\n    ValueError: if not.\n\nExample: `do(1)`."
    )
    assert found.prose == ("Do it.", "More.") and found.summary == "Do it."
    assert found.items("Args") == [
        ("one", "numbers, of any size."),
        ("two", "numbers, of any size."),
        ("three", "rest."),
    ]
    assert found.items("Raises") == [("ValueError", "if not.")] and found.items("Attributes") == []
    assert found.sections["Example"] == "`do(1)`."


def test_api_reference_signature_equals_the_source():
    shown = thing("tools.reference.docstrings.parse")
    assert shown.signature == "def parse(text: str | None) -> Docstring" and shown.parameters == ("text",)
    long = next(one for one in ALL if one.name == "governance.settings.load_settings")
    assert "environment: Mapping[str, str] = os.environ" in long.signature
