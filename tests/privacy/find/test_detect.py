"""`Detectors`: places in texts, disguised numbers, context words, and texts that are searched together."""

import doctest
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance.privacy.find import candidate_filter, characters, overlaps
from governance.privacy.find import detect as detect_module
from governance.privacy.find.patterns import checks
from governance.privacy.tagger import windows
from tests.privacy.find.test_engines import DETECT, PIECES, SLOW, entities

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
def test_detectors_find_disguised_digits(card):
    text = f"卡号 {card}，谢谢"
    [(entity, found)] = entities(text)
    assert entity == "CREDIT_CARD" and found.strip("\u202e") in card and len(found) >= len(card) - 1


@pytest.mark.parametrize("before", ["", "电话", "é", "😀", "\ud800", "x "])
@pytest.mark.parametrize("behind", ["", "。", "，好", ".", " y", "😀"])
def test_detectors_return_places_in_code_points(before, behind):
    text = f"{before}13812345678{behind}"
    assert entities(text) == [("PHONE_NUMBER", "13812345678")]


def test_detectors_accept_a_number_near_its_context_word():
    assert entities("order 536904399") == []
    assert entities("SSN 536904399") == [("US_SSN", "536904399")]
    assert entities("born on 17 May 1984") == [("DATE_OF_BIRTH", "17 May 1984")]
    assert entities("due on 17 May 1984") == [("DATE_TIME", "17 May 1984")]
    assert entities("护照号 E12345678") == [("US_PASSPORT", "E12345678")]
    # A context word inside another word does not count.
    assert entities("glasses 536904399") == []


def test_detectors_ignore_a_part_of_a_longer_number():
    for text in ("x4111111111111111", "41111111111111112222", "1.192.168.1.10.5", "a@b", "12:30:45"):
        assert not [pair for pair in entities(text) if pair[0] in ("CREDIT_CARD", "IP_ADDRESS", "EMAIL_ADDRESS")], text
    assert entities("It is 192.168.10.1.") == [("IP_ADDRESS", "192.168.10.1")]
    assert entities("card 4111111111111111 12/28")[0] == ("CREDIT_CARD", "4111111111111111")


@given(st.text(max_size=200))
@settings(max_examples=400, deadline=None)
def test_detectors_return_disjoint_findings_within_any_text(text):
    end = 0
    for finding in DETECT.find(text):
        assert end <= finding.start < finding.end <= len(text)
        end = finding.end


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
def test_detectors_take_time_in_proportion_to_the_text(text, detect):
    # Twice the text may not take four times as long. The limit of a hundred seconds only stops an endless run.
    started = time.monotonic()
    detect.find(text)
    assert time.monotonic() - started < 100


def test_find_all_finds_what_find_finds():
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
def test_find_all_finds_what_find_finds_in_any_texts(texts):
    assert DETECT.find_all(texts) == [DETECT.find(text) for text in texts]


def test_detectors_find_the_same_in_many_threads():
    texts = ["card 4111 1111 1111 1111, call +44 20 7946 0958 or a@b.org", "电话 13812345678"] * 100
    wanted = DETECT.find_all(texts)
    with ThreadPoolExecutor(4) as threads:
        assert all(found == wanted for found in threads.map(DETECT.find_all, [texts] * 24))


@pytest.mark.parametrize("label", ["MRN: ", "password=", "Hospital no.: ", "病历号：", '"api_key": "'])
def test_detectors_leave_the_label_out_of_the_finding(label):
    [found] = DETECT.find(f"{label}12345678")
    assert found.start == len(label)


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
def test_detectors_find_numbers_generated_by_faker(kind, sentence, locale):
    """Faker generates much test data; some of its cards and numbers follow formats that no issuer uses today."""
    faker = pytest.importorskip("faker").Faker(locale)
    faker.seed_instance(11)
    for _ in range(60):
        text = sentence.format(value := str(getattr(faker, kind)()))
        place = text.index(value)
        covered = {spot for one in DETECT.find(text) for spot in range(one.start, one.end)}
        wanted = {place + number for number, character in enumerate(value) if character.isalnum()}
        assert wanted <= covered, text


@pytest.mark.needs("phonenumbers")
@pytest.mark.parametrize(
    "module",
    [detect_module, candidate_filter, characters, overlaps, checks, windows],
    ids=lambda module: module.__name__,
)
def test_examples_in_docstrings_are_true(module):
    failed, tried = doctest.testmod(module)
    assert not failed and tried
