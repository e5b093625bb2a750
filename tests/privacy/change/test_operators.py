"""Operators: what each keeps and hides, that keys and scopes separate, and that tokens come back for their key alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import ConfigurationError, DecryptionError
from governance.privacy.change.operators import (
    KEYED,
    OPERATORS,
    Context,
    Operator,
    decrypt_format,
    reveal,
    transform,
    transform_value,
)
from governance.privacy.change.text import Profile, TextAnonymizer
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding
from governance.privacy.request.leaves import change_text
from governance.privacy.request.paths import Pointer

KEY = Context(b"k" * 32, "hospital/research/2026")
OTHERS = [Context(b"x" * 32, KEY.scope), Context(KEY.key, "hospital/billing/2026")]


def change(value, operator, entity="PERSON", context=KEY):
    return transform(value, entity, Operator.parse(operator), context)


@pytest.mark.parametrize(
    ("operator", "value", "entity", "expected"),
    [
        ("redact", "Ada", "PERSON", ""),
        ("replace", "Ada", "PERSON", "<PERSON>"),
        ("mask", "415-555-2671", "PHONE_NUMBER", "***-***-****"),
        ("mask:4", "4111 1111 1111 1234", "CREDIT_CARD", "**** **** **** 1234"),
        ("mask:0", "ab", "X", "**"),
        ("truncate:3", "94105", "POSTAL_CODE", "941"),
        ("truncate:0", "94105", "POSTAL_CODE", ""),
        ("bucket:10", "42 years old", "AGE", "40-49"),
        ("bucket", "7", "AGE", "0-9"),
        ("bucket:0.5", "1.75", "DOSE", "1.5-2"),
        ("bucket:10", "-3", "TEMPERATURE", "-10--1"),
        ("drop", "Ada", "PERSON", ""),
        ("noise", "Ada", "PERSON", "<PERSON>"),
        ("bucket", "old", "AGE", "<AGE>"),
        ("keep", "Ada", "PERSON", "Ada"),
    ],
)
def test_an_operator_does_what_it_says(operator, value, entity, expected):
    assert change(value, operator, entity) == expected


NIST = [
    ("2B7E151628AED2A6ABF7158809CF4F3C", "", "0123456789", "2433477484"),
    ("2B7E151628AED2A6ABF7158809CF4F3C", "39383736353433323130", "0123456789", "6124200773"),
    ("2B7E151628AED2A6ABF7158809CF4F3C", "3737373770717273373737", "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
    ("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94", "", "0123456789", "6657667009"),
    (
        "2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94",
        "39383736353433323130",
        "0123456789",
        "1001623463",
    ),
]


@pytest.mark.parametrize(("key", "tweak", "plain", "cipher"), NIST)
def test_the_library_is_nists_ff1(key, tweak, plain, cipher):
    """Samples of NIST SP 800-38G (FF1samples)."""
    from fastfpe import ff1

    alphabet = "0123456789" if cipher.isdigit() else "0123456789abcdefghijklmnopqrstuvwxyz"
    assert ff1.encrypt(key, tweak, alphabet, plain) == cipher and ff1.decrypt(key, tweak, alphabet, cipher) == plain


@given(st.from_regex(r"[0-9]{4}[ -]?[0-9]{4,8}", fullmatch=True))
def test_ff1_keeps_the_form_of_a_number_and_comes_back(value):
    made = change(value, "ff1", "ID")
    assert [c if not c.isdigit() else "9" for c in made] == [c if not c.isdigit() else "9" for c in value]
    assert decrypt_format(made, "ID", KEY) == value


def test_ff1_replaces_what_has_too_few_digits_or_letters():
    assert change("12345", "ff1", "ID") == change("AB-123456", "ff1", "ID") == "<ID>"


@pytest.mark.parametrize("operator", ["hash", "token", "surrogate"])
def test_equal_values_stay_equal_under_one_key_and_scope_alone(operator):
    made = change("Ada Lovelace", operator)
    assert made == change("Ada Lovelace", operator) != change("Bob", operator)
    assert "Ada" not in made and "Lovelace" not in made
    for context in OTHERS:
        assert change("Ada Lovelace", operator, context=context) != made
    assert change("Ada Lovelace", operator, "ORGANIZATION") != made


def test_a_hash_does_not_see_capitals_and_spaces():
    assert change("ada  LOVELACE", "hash") == change("Ada Lovelace", "hash")


@given(st.text(min_size=1, max_size=60))
def test_a_token_comes_back(value):
    text = f"x {change(value, 'token')} y"
    assert reveal(text, KEY) == f"x {value} y"


def test_a_token_comes_back_for_its_key_and_scope_alone():
    token = change("Ada", "token")
    for context in OTHERS:
        with pytest.raises(DecryptionError):
            reveal(token, context)
    for changed in (token.replace("PERSON", "OTHER"), token[:-3] + ("A" if token[-3] != "A" else "B") + token[-2:]):
        with pytest.raises(DecryptionError):
            reveal(changed, KEY)
    assert reveal("<PERSON> and <PERSON:short>", KEY) == "<PERSON> and <PERSON:short>"


def test_a_surrogate_is_of_the_same_kind():
    assert re.fullmatch(r"[^@]+@example\.(org|com|net)", change("ada@hospital.org", "surrogate", "EMAIL_ADDRESS"))
    assert all("\u4e00" <= character <= "\u9fff" for character in change("张伟", "surrogate"))
    plate = change("ABC-1234", "surrogate", "LICENSE_PLATE")
    assert re.fullmatch(r"[a-z]{3}-\d{4}", plate)


def test_dates_of_one_subject_move_together():
    def moved(value, subject):
        return transform(value, "DATE_TIME", Operator.parse("shift-date:30"), Context(KEY.key, KEY.scope, subject))

    from datetime import date

    first, second = (date.fromisoformat(moved(day, "ada")) for day in ("2020-02-27", "2020-03-05"))
    assert (second - first).days == 7 and first != date(2020, 2, 27) and abs((first - date(2020, 2, 27)).days) <= 30
    assert {moved("2020-02-27", subject) for subject in "abcdefgh"} != {moved("2020-02-27", "ada")}
    assert re.fullmatch(r"\d\d/\d\d/\d{4}", moved("17/05/1984", "ada"))
    assert moved("17 May 1984", "ada") == moved("99/99/1984", "ada") == "<DATE_TIME>"


def test_noise_is_laplace_of_its_scale_and_the_same_for_equal_numbers():
    made = [float(change(f"{number}.000000", "noise:3", "DOSE")) - number for number in range(4_000)]
    assert abs(sum(made) / len(made)) < 0.3
    # The mean absolute deviation of Laplace noise is its scale.
    assert 2.7 < sum(map(abs, made)) / len(made) < 3.3
    assert change("7.25", "noise:3", "DOSE") == change(" 7.25", "noise:3", "DOSE") != "7.25"
    assert change("7", "noise:3", "DOSE").lstrip("-").isdigit()
    assert all(change("7.25", "noise:3", "DOSE", other) != change("7.25", "noise:3", "DOSE") for other in OTHERS)


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("mask", "Ada", "***"),
        ("mask:2", "4711", "**11"),
        ("mask:2", 4711, "**11"),
        ("bucket:10", 42, "40-49"),
        ("bucket:10", {"age": 42}, "<FIELD>"),
        ("surrogate", ["Ada"], "<FIELD>"),
        ("noise:5", None, "<FIELD>"),
        ("noise:5", True, "<FIELD>"),
        ("replace", {"a": 1}, "<FIELD>"),
        ("keep", {"a": 1}, {"a": 1}),
    ],
)
def test_a_declared_value_is_changed_whatever_it_is(operator, value, expected):
    assert transform_value(value, "FIELD", Operator.parse(operator), KEY) == expected


def test_a_number_stays_one_under_noise():
    assert isinstance(transform_value(7, "FIELD", Operator.parse("noise:5"), KEY), int)
    assert isinstance(transform_value(7.5, "FIELD", Operator.parse("noise:0.5"), KEY), float)


@pytest.mark.parametrize("text", ["noise:0", "bucket:0", "bucket:0.0", "mask:1.5", "shift-date:0", "truncate:0.5"])
def test_an_operator_takes_no_number_that_makes_no_sense(text):
    with pytest.raises(ConfigurationError, match="takes a"):
        Operator.parse(text)


def test_what_needs_a_key_says_so():
    assert {name for name in OPERATORS if Operator(name).needs_key} == KEYED
    for name in KEYED:
        with pytest.raises(ConfigurationError, match="needs a key"):
            transform("7" if name == "noise" else "1984-05-17", "DATE_TIME", Operator(name), Context())
        with pytest.raises(ConfigurationError, match="needs a key"):
            TextAnonymizer(Detectors(), Profile.parse({"PERSON": name}), Context())


@pytest.mark.parametrize("text", ["", "nothing", "mask:x", "replace:3", "hash:1", "mask:-1", "truncate:9999999"])
def test_an_operator_that_there_is_not_is_named(text):
    with pytest.raises(ConfigurationError, match="no operator"):
        Operator.parse(text)


def test_a_text_is_changed_where_its_findings_are():
    anonymizer = TextAnonymizer(
        Detectors(), Profile.parse({"CREDIT_CARD": "mask:4", "EMAIL_ADDRESS": "keep", "default": "redact"}), KEY
    )
    [made] = anonymizer.anonymize(["卡 4111 1111 1111 1111, mail a@b.org, 电话13812345678。"])
    assert made.text == "卡 **** **** **** 1111, mail a@b.org, 电话。"
    assert made.counts == {"CREDIT_CARD": 1, "PHONE_NUMBER": 1}


@given(st.text(max_size=60), st.data())
def test_what_lies_between_findings_stays(text, data):
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    findings = [Finding("X", start, end, 1.0, "") for start, end in zip(places[::2], places[1::2], strict=False)]
    made = TextAnonymizer(Detectors(), Profile.parse({"default": "redact"}), KEY).change(text, findings).text
    kept = list(text)
    for finding in findings:
        kept[finding.start : finding.end] = [""] * (finding.end - finding.start)
    assert made == "".join(kept)


@pytest.mark.parametrize(
    ("document", "pointers", "expected"),
    [
        ("mail a@b.org", [()], "mail <EMAIL_ADDRESS>"),
        (
            {"a": "a@b.org", "b": ["a@b.org", 1, None]},
            [()],
            {"a": "<EMAIL_ADDRESS>", "b": ["<EMAIL_ADDRESS>", 1, None]},
        ),
        ({"a": "a@b.org", "b": {"c": "a@b.org"}}, [("b",)], {"a": "a@b.org", "b": {"c": "<EMAIL_ADDRESS>"}}),
        (
            {"x": [{"d": "a@b.org"}, {"e": "a@b.org"}]},
            [("x", "*", "d")],
            {"x": [{"d": "<EMAIL_ADDRESS>"}, {"e": "a@b.org"}]},
        ),
        (7, [()], 7),
    ],
)
def test_the_strings_of_a_document_are_changed(document, pointers, expected):
    anonymizer = TextAnonymizer(Detectors(), Profile.parse({}), KEY)
    assert change_text(document, [Pointer(segments) for segments in pointers], anonymizer.anonymize)[0] == expected
