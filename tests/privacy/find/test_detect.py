"""Detection: every example and counter-example of the table, offsets, hostile characters, and both engines alike."""

import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.privacy.find import checks
from governance.privacy.find.candidate_filter import Judge
from governance.privacy.find.candidates import Candidates, hyperscan_scan, re_scan
from governance.privacy.find.detect import Detectors
from governance.privacy.find.detectors import DETECTORS
from governance.privacy.find.finding import Finding
from governance.privacy.find.overlaps import resolve

DETECT = Detectors()
SLOW = Detectors(judge=Judge(Candidates(re_scan())))
EXAMPLES = [(item, example) for item in DETECTORS for example in item.examples]
COUNTERS = [(item, example) for item in DETECTORS for example in item.counter_examples]


def entities(text, detect=DETECT):
    return [(finding.entity, text[finding.start : finding.end]) for finding in detect.find(text)]


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize(("detector", "example"), EXAMPLES, ids=lambda item: getattr(item, "name", None))
def test_an_example_is_found(detector, example, detect):
    found = {finding.entity for finding in detect.find(f"see {example} now")}
    wanted = {"DATE_TIME", "DATE_OF_BIRTH"} if detector.entity == "DATE_TIME" else {detector.entity}
    assert found & wanted, found


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize(("detector", "example"), COUNTERS, ids=lambda item: getattr(item, "name", None))
def test_a_counter_example_is_not_found(detector, example, detect):
    assert detector.name not in {finding.why.split(",")[0] for finding in detect.find(f"see {example} now")}


def test_every_detector_has_an_example_and_a_counter_example():
    assert all(item.examples and item.counter_examples for item in DETECTORS)
    assert len({item.name for item in DETECTORS}) == len(DETECTORS) > 50


CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "card",
    [
        "4111 1111\u200b 1111 1111",
        "4\u00ad111 1111 1111 1111",
        "\u202e4111 1111 1111 1111",
        "４１１１ １１１１ １１１１ １１１１",
        "٤١١١ ١١١١ ١١١١ ١١١١",
        "4111\u00a01111\u20091111\u30001111",
        "4111‑1111–1111—1111",
        "\U0001d7d2\U0001d7cf\U0001d7cf\U0001d7cf 1111 1111 1111",
    ],
)
def test_disguised_digits_are_digits(card):
    text = f"卡号 {card}，谢谢"
    [(entity, found)] = entities(text)
    assert entity == "CREDIT_CARD" and found.strip("\u202e") in card and len(found) >= len(card) - 1


@pytest.mark.parametrize("before", ["", "电话", "é", "😀", "\ud800", "x "])
@pytest.mark.parametrize("behind", ["", "。", "，好", ".", " y", "😀"])
def test_offsets_are_code_points(before, behind):
    text = f"{before}13812345678{behind}"
    assert entities(text) == [("PHONE_NUMBER", "13812345678")]


def test_a_context_word_makes_a_number_something():
    assert entities("order 536904399") == []
    assert entities("SSN 536904399") == [("US_SSN", "536904399")]
    assert entities("born on 17 May 1984") == [("DATE_OF_BIRTH", "17 May 1984")]
    assert entities("due on 17 May 1984") == [("DATE_TIME", "17 May 1984")]
    assert entities("护照号 E12345678") == [("US_PASSPORT", "E12345678")]
    # A word within a word speaks for nothing.
    assert entities("glasses 536904399") == []


def test_a_part_of_a_longer_thing_is_not_found():
    for text in ("x4111111111111111", "41111111111111112222", "1.192.168.1.10.5", "a@b", "12:30:45"):
        assert not [pair for pair in entities(text) if pair[0] in ("CREDIT_CARD", "IP_ADDRESS", "EMAIL_ADDRESS")], text
    assert entities("It is 192.168.10.1.") == [("IP_ADDRESS", "192.168.10.1")]
    assert entities("card 4111111111111111 12/28")[0] == ("CREDIT_CARD", "4111111111111111")


def at(start, end, score=0.5, entity="X"):
    return Finding(entity, start, end, score, "")


def test_findings_of_one_entity_over_each_other_are_one():
    assert resolve([at(0, 5), at(3, 9, 0.9), at(9, 12, 0.4)]) == [at(0, 9, 0.9), at(9, 12, 0.4)]
    assert resolve([at(0, 3, 0.9), at(6, 9, 0.8), at(2, 7, 0.5)]) == [at(0, 9, 0.9)]


def test_of_another_entity_what_sticks_out_stays():
    assert resolve([at(0, 9), at(3, 5, 0.9, "Y")]) == [at(0, 3), at(3, 5, 0.9, "Y"), at(5, 9)]
    assert resolve([at(3, 5), at(0, 9, 0.9, "Y")]) == [at(0, 9, 0.9, "Y")]


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 10), st.sampled_from([0.5, 0.7, 0.9]), st.sampled_from("XYZ")),
        max_size=8,
    )
)
def test_resolved_findings_lie_beside_each_other_and_cover_what_was_covered(rows):
    findings = [at(start, start + size, score, entity) for start, size, score, entity in rows]
    resolved = resolve(findings)
    covered = [place for finding in resolved for place in range(finding.start, finding.end)]
    assert len(covered) == len(set(covered)) and covered == sorted(covered)
    assert set(covered) == {place for finding in findings for place in range(finding.start, finding.end)}


@given(st.text(max_size=200))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_findings_within_it(text):
    end = 0
    for finding in DETECT.find(text):
        assert end <= finding.start < finding.end <= len(text)
        end = finding.end


PIECES = st.sampled_from(
    [
        "4111 1111 1111 1111",
        "+44 20 7946 0958",
        "a@b.org",
        "call",
        "SSN",
        "536904399",
        "17/05/1984",
        " ",
        ", ",
        "电话",
        "x",
        "192.168.10.1",
        "é",
        "--",
        "00",
        "https://x.org/a",
    ]
)


@given(st.lists(PIECES, max_size=12))
@settings(max_examples=300, deadline=None)
def test_both_engines_find_the_same(pieces):
    text = "".join(pieces)
    assert entities(text) == entities(text, SLOW)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "1" * 300_000,
        "1-" * 150_000,
        "@" * 100_000,
        "a@" * 100_000,
        "eyJ" * 100_000,
        "-----BEGIN PRIVATE KEY-----" * 5_000,
        "a." * 150_000,
        "(" * 300_000,
        "0 " * 150_000,
        "::" * 100_000,
        "phone " * 50_000,
        "+1 " * 50_000,
        "\u200b" * 300_000,
    ],
    ids=lambda text: text[:8].encode("unicode_escape").decode(),
)
@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
def test_no_text_takes_more_than_its_length(text, detect):
    # Twice the text may not take four times as long: a hundred seconds stand for "for ever", not for a speed.
    started = time.monotonic()
    detect.find(text)
    assert time.monotonic() - started < 100


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.iban, "DE89370400440532013000", "DE89370400440532013001"),
        (checks.credit_card, "6011111111111117", "6011111111111118"),
        (checks.nhs, "9434765919", "9434765910"),
        (checks.cn_resident_id, "11010519491231002X", "110105194912310020"),
        (checks.bitcoin, "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "1BoatSLRHtKNngkdXEeobR76b53LETtpyU"),
    ],
)
def test_a_checksum_is_checked(check, good, bad):
    assert check(good) and not check(bad)


@pytest.mark.parametrize(
    ("check", "module", "size"),
    [
        ("pl-pesel", "pl.pesel", 11),
        ("br-cpf", "br.cpf", 11),
        ("de-tax-id", "de.idnr", 11),
        ("bank-routing", "us.rtn", 9),
        ("ca-sin", "ca.sin", 9),
        ("in-aadhaar-plain", "in_.aadhaar", 12),
    ],
)
def test_what_is_refused_before_the_library_is_asked_it_would_refuse(check, module, size):
    ours = next(item.check for item in DETECTORS if item.name == check)
    library = import_module(f"stdnum.{module}").is_valid
    numbers = [f"{(7 + place * 78_125_000_003) % 10**size:0{size}}" for place in range(4000)]
    numbers += [number[:2] + "0512" + number[6:] for number in numbers]
    assert [ours(number) for number in numbers] == [library(number) for number in numbers]
    assert any(map(library, numbers))


def test_texts_read_together_give_what_each_gives_alone():
    texts = [
        "SSN",
        "536904399",
        "call",
        "",
        "-----BEGIN PRIVATE KEY-----\nAAAA",
        "é 13812345678",
        "a@b.org",
        "https://x.org/a",
    ]
    texts += [
        "-----END PRIVATE KEY-----",
        "\0SSN\0536904399",
        "4111 1111",
        "1111 1111",
        "\ud800 a@b.org",
        "电话 5550123",
    ]
    for detect in (DETECT, SLOW):
        assert detect.find_all(texts * 3) == [detect.find(text) for text in texts] * 3
    assert DETECT.find_all(["SSN", "536904399"]) == [[], []]


@given(st.lists(st.lists(PIECES, max_size=4).map("".join), max_size=6))
@settings(max_examples=150, deadline=None)
@example(["4716\0001902", "see 4716\0001902\000739\0004368 now", "\0", "a\1b@c.org"])
def test_any_texts_read_together_give_what_each_gives_alone(texts):
    assert DETECT.find_all(texts) == [DETECT.find(text) for text in texts]


def test_many_threads_detect_at_once():
    texts = ["card 4111 1111 1111 1111, call +44 20 7946 0958 or a@b.org", "电话 13812345678"] * 100
    wanted = DETECT.find_all(texts)
    with ThreadPoolExecutor(4) as threads:
        assert all(found == wanted for found in threads.map(DETECT.find_all, [texts] * 24))


def test_no_pattern_matches_what_stands_between_texts():
    for item, text in EXAMPLES:
        for place in range(1, len(text)):
            torn = [f"see {text[:place]}", f"{text[place:]} now"]
            assert DETECT.find_all(torn) == [DETECT.find(part) for part in torn], (item.name, torn)


@pytest.mark.parametrize("label", ["MRN: ", "password=", "Hospital no.: ", "病历号：", '"api_key": "'])
def test_a_label_is_no_part_of_what_it_labels(label):
    [found] = DETECT.find(f"{label}12345678")
    assert found.start == len(label)


def test_hyperscan_is_used_where_there_is_a_wheel():
    pytest.importorskip("hyperscan")
    assert hyperscan_scan()


LOCALES = ["en_US", "en_GB", "en_CA", "de_DE", "de_AT", "fr_FR", "es_ES", "es_MX", "it_IT", "nl_NL", "pl_PL", "pt_BR", "sv_SE", "zh_CN", "ro_RO"]  # fmt: skip


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("credit_card_number", "I paid with {} yesterday."),
        ("iban", "Please send it to {} now."),
        ("phone_number", "Call me on {} today."),
        ("ssn", "My SSN is {}, and I live alone."),
        ("bban", "It is on bank account {} now."),
    ],
)
def test_numbers_that_a_library_makes_up_are_found(kind, sentence, locale):
    """Many a text for tests is filled by Faker, whose cards and numbers are not those of today's issuers alone."""
    faker = pytest.importorskip("faker").Faker(locale)
    faker.seed_instance(11)
    for _ in range(60):
        text = sentence.format(value := str(getattr(faker, kind)()))
        place = text.index(value)
        covered = {spot for one in DETECT.find(text) for spot in range(one.start, one.end)}
        wanted = {place + number for number, character in enumerate(value) if character.isalnum()}
        assert wanted <= covered, text
