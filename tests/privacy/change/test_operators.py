"""Operators: results, equality under one key and scope only, tokens, and the table in docs/privacy.md."""

import re
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import ConfigurationError, DecryptionError
from governance.privacy.change.context import Context
from governance.privacy.change.dates import read_date
from governance.privacy.change.keyed import decrypt_format, reveal
from governance.privacy.change.operators import OPERATORS, Operator
from governance.privacy.change.text import AnonymizationProfile, TextAnonymizer
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding
from governance.privacy.request.leaves import change_text
from governance.privacy.request.paths import JsonPointer

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/privacy.md"
KEYED = {name for name in OPERATORS if Operator(name).needs_key}
KEY = Context(b"k" * 32, "hospital/research/2026")
OTHERS = [Context(b"x" * 32, KEY.scope), Context(KEY.key, "hospital/billing/2026")]


def change(value, operator, entity="PERSON", context=KEY):
    return Operator.parse(operator).change_text(value, entity, context)


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
def test_operator_change_text(operator, value, entity, expected):
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
def test_ff1_library_passes_the_samples_of_nist(key, tweak, plain, cipher):
    """Samples of NIST SP 800-38G (FF1samples)."""
    from fastfpe import ff1

    alphabet = "0123456789" if cipher.isdigit() else "0123456789abcdefghijklmnopqrstuvwxyz"
    assert ff1.encrypt(key, tweak, alphabet, plain) == cipher and ff1.decrypt(key, tweak, alphabet, cipher) == plain


@given(st.from_regex(r"[0-9]{4}[ -]?[0-9]{4,8}", fullmatch=True))
def test_ff1_keeps_the_form_of_a_number_and_decrypt_format_reverses_it(value):
    made = change(value, "ff1", "ID")
    assert [c if not c.isdigit() else "9" for c in made] == [c if not c.isdigit() else "9" for c in value]
    assert decrypt_format(made, "ID", KEY) == value


def test_ff1_replaces_values_with_letters_or_too_few_digits():
    assert change("12345", "ff1", "ID") == change("AB-123456", "ff1", "ID") == "<ID>"


@pytest.mark.parametrize("operator", ["hash", "token", "surrogate"])
def test_hash_token_surrogate_are_equal_only_under_one_key_and_scope(operator):
    made = change("Ada Lovelace", operator)
    assert made == change("Ada Lovelace", operator) != change("Bob", operator)
    assert "Ada" not in made and "Lovelace" not in made
    for context in OTHERS:
        assert change("Ada Lovelace", operator, context=context) != made
    assert change("Ada Lovelace", operator, "ORGANIZATION") != made


def test_hash_ignores_capitals_and_spaces():
    assert change("ada  LOVELACE", "hash") == change("Ada Lovelace", "hash")


@given(st.text(min_size=1, max_size=60))
def test_reveal_decrypts_tokens(value):
    text = f"x {change(value, 'token')} y"
    assert reveal([text], KEY).texts == [f"x {value} y"]


def test_reveal_refuses_other_keys_other_scopes_and_changed_tokens():
    token = change("Ada", "token")
    for context in OTHERS:
        with pytest.raises(DecryptionError):
            reveal([token], context)
    for changed in (token.replace("PERSON", "OTHER"), token[:-3] + ("A" if token[-3] != "A" else "B") + token[-2:]):
        with pytest.raises(DecryptionError):
            reveal([changed], KEY)
    assert reveal(["<PERSON> and <PERSON:short>"], KEY).texts == ["<PERSON> and <PERSON:short>"]


def test_reveal_turns_back_what_it_can_and_counts_the_rest():
    tokens = [change("Ada", "token", entity) for entity in ("PERSON", "employee2", "K9", "x")]
    foreign, hashed = change("Bob", "token", context=OTHERS[0]), change("Bob", "hash")
    made = reveal([" ".join(tokens), f"{foreign} {hashed} {tokens[0][:-4]}>"], KEY)
    assert made.texts == ["Ada Ada Ada Ada", f"{foreign} {hashed} {tokens[0][:-4]}>"]
    assert (made.revealed, made.kept) == (4, 2)


@pytest.mark.parametrize("operator", ["replace", "hash", "token"])
def test_a_second_pass_leaves_placeholders_as_they_are(operator):
    texts = ["Ada, card 4111 1111 1111 1111, ada@example.org", "call 415-555-2671 on 17 May 1984", "SSN: 536904399"]

    def tagger(some):
        """Take every word for a name, as a tagger may take the name of an entity for one."""
        words = [re.finditer(r"[A-Z]\w+|\w{20,}", text) for text in some]
        return [[Finding("PERSON", *found.span(), 0.95, "t") for found in each] for each in words]

    anonymizer = TextAnonymizer(Detectors(tagger), AnonymizationProfile.parse({"default": operator}), KEY)
    once = [one.text for one in anonymizer.anonymize(texts)]
    again = anonymizer.anonymize(once)
    assert once != texts and [one.text for one in again] == once and not any(one.counts for one in again)


def test_a_placeholder_hides_no_number():
    for hidden in (
        "<PERSON:4111111111111111-aaaaaaaaaaaa>",
        "<X#4111111111111111>",
        "<ada@example.org>",
        "<4111111111111111>",
    ):
        assert Detectors().find(f"see {hidden} now")


def test_surrogate_is_of_the_same_kind():
    assert re.fullmatch(r"[^@]+@example\.(org|com|net)", change("ada@hospital.org", "surrogate", "EMAIL_ADDRESS"))
    assert all("\u4e00" <= character <= "\u9fff" for character in change("张伟", "surrogate"))
    plate = change("ABC-1234", "surrogate", "LICENSE_PLATE")
    assert re.fullmatch(r"[A-Z]{3}-\d{4}", plate)


def test_shift_date_moves_all_dates_of_a_subject_alike():
    def moved(value, subject):
        return Operator.parse("shift-date:30").change_text(value, "DATE_TIME", Context(KEY.key, KEY.scope, subject))

    first, second = (date.fromisoformat(moved(day, "ada")) for day in ("2020-02-27", "2020-03-05"))
    assert (second - first).days == 7 and first != date(2020, 2, 27) and abs((first - date(2020, 2, 27)).days) <= 30
    assert {moved("2020-02-27", subject) for subject in "abcdefgh"} != {moved("2020-02-27", "ada")}
    assert re.fullmatch(r"\d\d/\d\d/\d{4}", moved("17/05/1984", "ada"))
    assert moved("99/99/1984", "ada") == moved("May", "ada") == "<DATE_TIME>"


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("17 May 1984", r"\d{1,2} (April|May|June) 1984"),
        ("MAY 17th, 1984", r"(APRIL|MAY|JUNE) \d{1,2}, 1984"),
        ("3. März 2020", r"\d{1,2}\. (Februar|März|April) 2020"),
        ("5 de mayo de 2001", r"\d{1,2} de (abril|mayo|junio) de 2001"),
        ("1984年5月17日", r"1984年[456]月\d{1,2}日"),
        ("2024-02-27T10:11:12Z", r"2024-0[1-3]-\d\dT10:11:12Z"),
        ("27/02/2024 08:30", r"\d\d/0[1-3]/2024 08:30"),
        ("2/27/2024", r"[1-3]/\d{1,2}/2024"),
        ("27.02.2024", r"\d\d\.0[1-3]\.2024"),
        ("03/04/2024", "<DATE_TIME>"),
    ],
)
def test_shift_date_writes_a_date_as_it_was_and_refuses_what_it_cannot_tell(text, pattern):
    moved = Operator.parse("shift-date:30").change_text(text, "DATE_TIME", KEY)
    assert re.fullmatch(pattern, moved) and moved != text


def test_shift_date_is_uniform_and_never_zero():
    operator, counts = Operator.parse("shift-date:2"), Counter()
    for number in range(4_000):
        moved = operator.change_date(date(2024, 6, 15), "DATE_TIME", replace(KEY, subject=str(number)))
        counts[(moved - date(2024, 6, 15)).days] += 1
    assert set(counts) == {-2, -1, 1, 2} and max(counts.values()) < 1.2 * min(counts.values())


@pytest.mark.parametrize("text", ["12,500", "$52,000", "1e5", "12 500", "1.234.567", "3 of 5", "12'500"])
def test_bucket_refuses_what_is_not_one_plain_number(text):
    assert change(text, "bucket:1000", "AMOUNT") == "<AMOUNT>"


@pytest.mark.parametrize("text", ["Adam", "4711", "Li", "A1"])
def test_mask_never_shows_more_than_half_of_a_value(text):
    masked = change(text, "mask:4", "PERSON")
    assert masked.count("*") >= len(text) / 2


def test_surrogates_keep_shape_case_and_language():
    assert re.fullmatch(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", change("00:1A:2B:3C:4D:5E", "surrogate", "MAC_ADDRESS"))
    for text in ("1984-05-17", "17 May 1984", "27/02/2024"):
        made = change(text, "surrogate", "DATE_OF_BIRTH")
        assert made != text and made == change(text, "surrogate", "DATE_OF_BIRTH") and read_date(made, True)
    russian = change("Иван Петров", "surrogate", "PERSON")
    assert re.search("[а-яА-Я]", russian)


def test_noise_is_laplace_of_its_scale_and_equal_for_equal_numbers():
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
def test_operator_change_value_of_any_json_type(operator, value, expected):
    assert Operator.parse(operator).change_value(value, "FIELD", KEY) == expected


def test_noise_keeps_the_type_of_a_number():
    assert isinstance(Operator.parse("noise:5").change_value(7, "FIELD", KEY), int)
    assert isinstance(Operator.parse("noise:0.5").change_value(7.5, "FIELD", KEY), float)


@pytest.mark.parametrize("text", ["noise:0", "bucket:0", "bucket:0.0", "mask:1.5", "shift-date:0", "truncate:0.5"])
def test_operator_parse_refuses_zero_and_fractions_where_they_make_no_sense(text):
    with pytest.raises(ConfigurationError, match="takes a"):
        Operator.parse(text)


def test_operators_that_need_a_key_refuse_to_work_without_one():
    assert {"hash", "token", "ff1", "surrogate", "shift-date", "noise"} == KEYED
    for name in KEYED:
        with pytest.raises(ConfigurationError, match="needs a key"):
            Operator(name).change_text("7" if name == "noise" else "1984-05-17", "DATE_TIME", Context())
        with pytest.raises(ConfigurationError, match="needs a key"):
            TextAnonymizer(Detectors(), AnonymizationProfile.parse({"PERSON": name}), Context())


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [("bucket:10", 42, 40), ("bucket", 42.5, 40), ("bucket:0.5", 1.75, 1.5), ("keep", 7, 7)],
)
def test_operator_change_number_stays_a_number(operator, value, expected):
    assert Operator.parse(operator).change_number(value, "AGE", KEY) == expected


def test_operator_change_number_and_change_date_refuse_values_they_cannot_keep():
    for name, definition in OPERATORS.items():
        if "number" not in definition.applies_to:
            with pytest.raises(ConfigurationError, match="not for numbers"):
                Operator(name).change_number(7.0, "AGE", KEY)
        if "date" not in definition.applies_to:
            with pytest.raises(ConfigurationError, match="not for dates"):
                Operator(name).change_date(date(2024, 2, 27), "DATE_TIME", KEY)


def test_shift_date_moves_texts_and_dates_alike():
    operator = Operator.parse("shift-date:30")
    moved = operator.change_date(date(2024, 2, 27), "DATE_TIME", KEY)
    assert moved.isoformat() == operator.change_text("2024-02-27", "DATE_TIME", KEY) != "2024-02-27"
    with pytest.raises(OverflowError):
        Operator.parse("shift-date:999999").change_date(date(9999, 12, 31), "DATE_TIME", KEY)


def documented_row(definition):
    """Return the line of docs/privacy.md that shows one row of the table."""
    written, parameter = f"`{definition.name}`", definition.parameter
    if parameter is not None:
        written += f", `{definition.name}:{parameter.example}` ({parameter.meaning}; {parameter.default:g})"
    types = ", ".join(name for name in ("text", "number", "date") if name in definition.applies_to)
    flags = ("yes" if flag else "" for flag in (definition.needs_key, definition.is_reversible))
    return f"| {' | '.join((written, definition.keeps, definition.hides, types, *flags))} |"


def test_operators_table_of_the_documentation_is_the_table_of_the_code():
    section = DOCUMENT.read_text().partition("## Operators\n")[2].partition("\n## ")[0]
    shown = [line for line in section.splitlines() if line.startswith("| `")]
    assert shown == [documented_row(definition) for definition in OPERATORS.values()]


@pytest.mark.parametrize("text", ["", "nothing", "mask:x", "replace:3", "hash:1", "mask:-1", "truncate:9999999"])
def test_operator_parse_refuses_unknown_operators(text):
    with pytest.raises(ConfigurationError, match="no operator"):
        Operator.parse(text)


def test_text_anonymizer_changes_findings_as_the_profile_says():
    anonymizer = TextAnonymizer(
        Detectors(),
        AnonymizationProfile.parse({"CREDIT_CARD": "mask:4", "EMAIL_ADDRESS": "keep", "default": "redact"}),
        KEY,
    )
    [made] = anonymizer.anonymize(["卡 4111 1111 1111 1111, mail a@b.org, 电话13812345678。"])
    assert made.text == "卡 **** **** **** 1111, mail a@b.org, 电话。"
    assert made.counts == {"CREDIT_CARD": 1, "PHONE_NUMBER": 1}


@given(st.text(max_size=60), st.data())
def test_text_anonymizer_keeps_the_text_between_findings(text, data):
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    findings = [Finding("X", start, end, 1.0, "") for start, end in zip(places[::2], places[1::2], strict=False)]
    made = (
        TextAnonymizer(Detectors(), AnonymizationProfile.parse({"default": "redact"}), KEY).change(text, findings).text
    )
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
def test_change_text_changes_the_strings_of_a_document(document, pointers, expected):
    anonymizer = TextAnonymizer(Detectors(), AnonymizationProfile.parse({}), KEY)
    assert change_text(document, [JsonPointer(segments) for segments in pointers], anonymizer.anonymize)[0] == expected
