"""`Detectors` on texts for which no pattern was written: joined, disguised, in JSON, in logs; and on look-alikes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.privacy.find.candidate_filter import CandidateFilter
from governance.privacy.find.candidates import CandidateFinder
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding
from tests.privacy.find.test_engines import DETECT, SLOW

FOUND = [
    ("EMAIL_ADDRESS", "a.b+c@x-y.co.uk", "<{}>,"),
    ("EMAIL_ADDRESS", "o'neil@example.org", "邮箱{}谢谢"),
    ("EMAIL_ADDRESS", "ada@example.org", '{{"mail":"{}"}}'),
    ("PHONE_NUMBER", "+44 (0)20 7946 0958", "T {} | x"),
    ("PHONE_NUMBER", "07400 164513", "({}) <x>"),
    ("PHONE_NUMBER", "13812345678", "手机号{}，微信同号"),
    ("PHONE_NUMBER", "612 30 74 93", "llame al {} de lunes"),
    ("CREDIT_CARD", "5555555555554444", '"pan":"{}"'),
    ("CREDIT_CARD", "4111-1111-1111-1111", "卡{}扣款"),
    ("IBAN_CODE", "DE89-3704-0044-0532-0130-00", "IBAN:{};ref"),
    ("IBAN_CODE", "GB29 NWBK 6016 1331 9268 19", "账户{}已冻结"),
    ("IP_ADDRESS", "203.0.113.7", "IP{}被封"),
    ("IP_ADDRESS", "2001:db8::8a2e:370:7334", "[{}]:443"),
    ("MAC_ADDRESS", "00:1a:2b:3c:4d:5e", "hwaddr={},x"),
    ("URL", "https://example.org/a?b=c", "({})"),
    ("DOMAIN_NAME", "mail.example.org", "resolve {} now"),
    ("US_SSN", "536 90 4399", "SSN#{}, joint"),
    ("US_SSN", "536904399", "ssn={}&zip"),
    ("US_ITIN", "912-70-1234", "({})"),
    ("US_DRIVER_LICENSE", "D1234567", "driver's license {} and"),
    ("US_PASSPORT", "912345678", "Passport No.: {}"),
    ("PASSPORT", "C01X00T47", "Reisepass {} gilt"),
    ("UK_NHS", "943-476-5919", "NHS {}"),
    ("UK_NINO", "CE 12 34 56 A", "NI number: {}."),
    ("VAT_NUMBER", "DE136695976", "USt-IdNr. {}"),
    ("ES_NIF", "X0507458D", "NIE: {}"),
    ("CN_RESIDENT_ID", "11010519491231002X", "身份证号{}的"),
    ("DATE_OF_BIRTH", "17.05.1984", "geboren am {} in"),
    ("DATE_OF_BIRTH", "1984-05-17T00:00:00Z", '"birthDate":"{}"'),
    ("DATE_TIME", "5 de mayo del 2001", "el {} a"),
    ("DATE_TIME", "3 août 2020", "le {}, à"),
    ("DATE_TIME", "1er mars 2020", "dès le {}."),
    ("DATE_TIME", "2024年9月20号", "改到{}下午"),
    ("AGE", "42 years old", "is {}."),
    ("AGE", "65岁", "男，{}，"),
    ("POSTAL_CODE", "SW1A 1AA", "at {},"),
    ("ADDRESS", "221B Baker Street", "lives at {}, London"),
    ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "to {}."),
    ("LICENSE_PLATE", "京A12345", "车牌{}的"),
    ("MEDICAL_RECORD_NUMBER", "0012345", "病历号：{}，"),
    ("MEDICAL_RECORD_NUMBER", "84-22091", "MRN {}, ward 7"),
    ("API_KEY", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "https://{}@github.com/x"),
    ("API_KEY", "xoxb-12345678901-123456789012-abcdefghijkl", "'{}'"),
    ("CLOUD_CREDENTIAL", "AKIAIOSFODNN7EXAMPLE", "KEY={}\n"),
    ("CLOUD_CREDENTIAL", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key={}\n"),
    ("US_BANK_ROUTING", "111000025", "routing number {},"),
    ("SWIFT_CODE", "DEUTDEFF", "SWIFT: {},"),
]  # fmt: skip


NOTHING = [
    "Version 2.14.3 replaces 2.14.2; build 482910 took 31 s.",
    "order 4111111111111112 was shipped, invoice 9434765910",
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "2026-01-02T03:04:05.678Z INFO served in 12 ms",
    "It may 3 times fail, and 5 of 7 pass; p < 0.001, n = 4821",
    "$1,234.56 and 99,00 €; 3.5% of 12,000",
    "import os.path; e.g. setup.py or file.txt",
    "ratio 16:9 at 12:30:45, blood pressure 120/80",
    "ISBN 978-3-16-148410-0",
    "the hotel's card was scarred, and since then the final company sings",
    "x4111111111111111y 41111111111111112222",
    "SWIFT TRANSFER and passport renewals",
    "我们一共有12个人，花了345元，版本3.2.1",
    "081110 103027 15 INFO dfs.DataNode$PacketResponder: block blk_-1608999687919862906 terminating",
    "081109 203615 148 INFO dfs.FSNamesystem: blockMap updated, size 67108864",
    "x +12.345678, y -98.765432, z +0.000417; dx=+1.25 dy=-3.75",
    "import org.apache.commons.io.FileUtils; java.util.List; self.name = node.id; e.info(x); rdclass.IN",
    "A::B::c(), std::dec, ::1, 0.0.0.0, 127.0.0.1, 255.255.255.0",
    "version 10.0.17.4, Release: 4.18.0.20, build=12.1.3.1, Firefox/3.6.12.1",
    '{"id": -4539578763621486123, "offset": -5178058888888888888}',
    "/etc/nginx/sites.d/default.conf, README.md, main.rs, lib.so, a.out, fakeroot.es.1.gz",
    "Floor 5, Boston 02110-1301, from 10 000 to 20 000",
]


def found(text, detect=DETECT):
    return {(one.entity, text[one.start : one.end]) for one in detect.find(text)}


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize(("entity", "value", "frame"), FOUND)
def test_detectors_find_a_value_in_any_surroundings(entity, value, frame, detect):
    assert (entity, value) in found(frame.format(value), detect)


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize("text", NOTHING)
def test_detectors_ignore_look_alikes(text, detect):
    assert found(text, detect) == set()


NUMBERS = [
    "4111 1111 1111 1111",
    "+44 20 7946 0958",
    "536-90-4399",
    "192.168.10.1",
    "13812345678",
    "11010519491231002X",
]


@pytest.mark.parametrize(
    "mark",
    [
        "\u200b",
        "\u200d",
        "\u2060",
        "\u200f",
        "\u202e",
        "\ufeff",
        "\u00ad",
        "\ufe0f",
        "\u061c",
        "\0",
        "\1",
        "\x1f",
        "\x7f",
        "\x80",
        "\x9f",
    ],
)
@pytest.mark.parametrize("number", NUMBERS)
def test_detectors_find_a_number_with_invisible_characters(number, mark):
    plain = [one.entity for one in DETECT.find(f"see {number} now")]
    torn = f"see {mark.join(number)} now"
    assert plain and [one.entity for one in DETECT.find(torn)] == plain
    [one] = DETECT.find(torn)
    assert torn[one.start : one.end] == mark.join(number)


@given(st.text(max_size=60), st.sampled_from(NUMBERS), st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_detectors_return_places_in_the_original_text(before, number, behind):
    text = f"{before} \n {number} \n {behind}"
    place = len(before) + 3
    covered = {spot for one in DETECT.find(text) for spot in range(one.start, one.end)}
    assert covered <= set(range(len(text)))
    assert set(range(place, place + len(number))) - covered <= {place + n for n, c in enumerate(number) if c in " -."}


@given(st.text(alphabet=st.characters(), max_size=80))
@settings(max_examples=300, deadline=None)
def test_detectors_accept_any_text(text):
    for one in DETECT.find(text):
        assert text[one.start : one.end]


HOSTILE = ["1", "0 ", "1-1.", "a@", "@", "eyJ", "a.", "+1 ", "::", "phone ", "https://", "AB12 ", "password=", "-----BEGIN PRIVATE KEY-----", "1月", "MRN 12345 "]  # fmt: skip


class Counted:
    """A `CandidateFinder` that counts candidates, words, and every place and end that it is asked for."""

    def __init__(self, inner):
        self.inner, self.count = inner, 0

    def find(self, data):
        candidates, words = self.inner.find(data)
        self.count += len(candidates) + len(words)
        return candidates, words

    def first_match(self, data, number, first, last):
        found = self.inner.first_match(data, number, first, last)
        self.count += (found.start() if found else last) - first
        return found

    def shorter_ends(self, *place):
        for end in self.inner.shorter_ends(*place):
            self.count += 1
            yield end


@pytest.mark.parametrize("piece", HOSTILE)
def test_candidate_filter_in_python_does_work_in_proportion_to_the_text(piece):
    counts = []
    for times in (300, 600, 1200):
        using = Counted(CandidateFinder())
        Detectors(candidate_filter=CandidateFilter(using)).find(piece * times)
        counts.append(using.count)
    assert counts[2] - counts[1] <= 2.2 * (counts[1] - counts[0]) + 100


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("4111 1111 1111 1111 5555 5555 5555 4444", ["4111 1111 1111 1111", "5555 5555 5555 4444"]),
        ("4222 2222 2222 2 378282246310005", ["4222 2222 2222 2", "378282246310005"]),
        ("card -4111 1111 1111 1111, card-5555555555554444.", ["4111 1111 1111 1111", "5555555555554444"]),
        ("7-4111111111111111", []),
    ],
)
def test_detectors_find_a_card_after_another_one_and_after_a_dash(text, wanted, detect):
    assert [text[one.start : one.end] for one in detect.find(text) if one.entity == "CREDIT_CARD"] == wanted


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize("frame", ["{}", "key: {}.", "'{}',", "--- {} ---", "{}\n\n{}", "x={}; y"])
def test_detectors_find_a_private_key_with_all_its_dashes(frame, detect):
    key = "-----BEGIN RSA PRIVATE KEY-----\nMC4CAQ==\n-----END RSA PRIVATE KEY-----"
    text = frame.format(key, key)
    found = [text[one.start : one.end] for one in detect.find(text)]
    assert found == [key] * text.count(key)


def test_detectors_read_a_text_of_50_megabytes():
    pytest.importorskip("hyperscan", reason="without Hyperscan it takes minutes")
    text = "nothing to see here and nothing else to be found \n" * 1_000_000 + "a@b.org"
    assert found(text) == {("EMAIL_ADDRESS", "a@b.org")}
    assert found("7" * 5_000_000 + " a@b.org") == {("EMAIL_ADDRESS", "a@b.org")}


def test_detectors_drop_findings_of_the_tagger_that_are_no_names():
    def names(text, *pieces):
        spans = [Finding("PERSON", text.index(piece), text.index(piece) + len(piece), 0.8, "t") for piece in pieces]
        return [text[one.start : one.end] for one in Detectors(lambda texts: [spans for _ in texts]).find(text)]

    assert names("Ada paid to the IBAN, 3600 times", "Ada", "IBAN", "3600", "paid to") == ["Ada"]
    assert names("this is ada, call me", "ada") == ["ada"]
    log = "[Sun Dec  4 04:47:44 2005] [error] Ada May called in March"
    assert names(log, "Sun Dec", "March", "Ada May") == ["Ada May"]
    assert names("王芳在三点来", "王芳", "点") == ["王芳"]
