"""Makes the labelled set: templates filled with invented people and with numbers whose check digits are right.

`python -m benchmarks.pii.make` writes it again, byte for byte the same. Numbers use the check digits of python-stdnum,
the example numbers of phonenumbers and the locales of Faker, some of which the training of the tagger does not use. The
set was made without looking at what the detectors find.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

import phonenumbers
from faker import Faker
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from benchmarks.pii.templates import TEMPLATES

LABELLED = Path(__file__).with_name("labelled.jsonl")
COUNT, SEED = 3_200, 20261125
LOCALES = {
    "en": ("en_US", "en_GB", "en_NZ", "en_CA", "da_DK", "ro_RO", "es_MX", "hr_HR", "sl_SI", "et_EE", "en_IE"),
    "zh": ("zh_CN",),
    "de": ("de_AT", "de_DE"),
    "fr": ("fr_BE", "fr_FR"),
    "es": ("es_MX", "es_ES"),
}
_SLOT = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_EN = "January February March April May June July August September October November December".split()
_DE = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
_FR = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
_ES = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
_B58, _B32 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_WIDE = str.maketrans(string.digits, "０１２３４５６７８９")

# Entity by the first word of a slot's name; a slot that is neither here nor in ENTITIES is a negative.
ENTITIES = {
    "person": "PERSON", "first": "PERSON", "last": "PERSON", "org": "ORGANIZATION", "city": "LOCATION",
    "country": "LOCATION", "address": "ADDRESS", "email": "EMAIL_ADDRESS", "phone": "PHONE_NUMBER",
    "card": "CREDIT_CARD", "iban": "IBAN_CODE", "ipv4": "IP_ADDRESS", "ipv6": "IP_ADDRESS", "mac": "MAC_ADDRESS",
    "url": "URL", "domain": "DOMAIN_NAME", "ssn": "US_SSN", "itin": "US_ITIN", "dl": "US_DRIVER_LICENSE",
    "passport": "PASSPORT", "nhs": "UK_NHS", "nino": "UK_NINO", "vat": "VAT_NUMBER", "cn": "CN_RESIDENT_ID",
    "dob": "DATE_TIME", "date": "DATE_TIME", "age": "AGE", "zip": "POSTAL_CODE", "postcode": "POSTAL_CODE",
    "btc": "CRYPTO", "eth": "CRYPTO", "plate": "LICENSE_PLATE", "mrn": "MEDICAL_RECORD_NUMBER",
    "account": "US_BANK_NUMBER", "aba": "US_BANK_ROUTING", "swift": "SWIFT_CODE", "password": "PASSWORD", "jwt": "JWT",
    "pem": "PRIVATE_KEY", "aws": "CLOUD_CREDENTIAL", "azure": "CLOUD_CREDENTIAL", "gcp": "CLOUD_CREDENTIAL",
    "github": "API_KEY", "gitlab": "API_KEY", "slack": "API_KEY", "stripe": "API_KEY", "openai": "API_KEY",
    "anthropic": "API_KEY", "hf": "API_KEY", "npm": "API_KEY", "sendgrid": "API_KEY",
    "es_nif": "ES_NIF", "es_nie": "ES_NIF", "it_cf": "IT_FISCAL_CODE", "fr_nir": "FR_NIR", "de_tax": "DE_TAX_ID",
    "nl_bsn": "NL_BSN", "pl_pesel": "PL_PESEL", "se_pn": "SE_PERSONNUMMER", "fi_hetu": "FI_HETU",
    "in_aadhaar": "IN_AADHAAR", "in_pan": "IN_PAN", "br_cpf": "BR_CPF", "au_tfn": "AU_TFN", "ca_sin": "CA_SIN",
    "sg_nric": "SG_NRIC",
}  # fmt: skip
NEGATIVES = frozenset(
    "order version price percent uuid hash timestamp clf num build bp ward dose grade isbn serial flight".split()
)


class Maker:
    """Makes values from one random seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._fakers = {name: Faker(name) for names in LOCALES.values() for name in names}
        for number, faker in enumerate(self._fakers.values()):
            faker.seed_instance(seed + number)
        self._faker = self._fakers["en_US"]
        self._regions = sorted(phonenumbers.SUPPORTED_REGIONS)

    def choose(self, language: str) -> None:
        """Choose one of the locales of a language for the next text."""
        self._faker = self._fakers[self.chance.choice(LOCALES.get(language, LOCALES["en"]))]

    def value(self, slot: str) -> str:
        """Return a value for a slot."""
        return " ".join(_MAKERS[slot](self).split()) if slot != "pem" else _pem(self)

    def fake(self, method: str, locale: str | None = None) -> str:
        """Return a value of a Faker method, in the locale of the text or in the given one."""
        return str(getattr(self._fakers[locale] if locale else self._faker, method)())

    def some(self, alphabet: str, count: int) -> str:
        """Return `count` random characters of an alphabet."""
        return "".join(self.chance.choices(alphabet, k=count))

    def digits(self, count: int) -> str:
        """Return `count` random digits, of which the first is not 0."""
        return self.some("123456789", 1) + self.some(string.digits, count - 1)

    def shaped(self, shape: str) -> str:
        """Return `shape` with each "0" replaced by a digit, "A" by a capital, "x" by an alphanumeric character."""
        of = {"0": string.digits, "A": "ABCDEFGHJKLMNPRSTUVWXYZ", "x": string.ascii_letters + string.digits}
        return "".join(self.chance.choice(of[mark]) if mark in of else mark for mark in shape)

    def valid(self, module: str, shape: str) -> str:
        """Return a number of this shape that the python-stdnum module accepts as valid."""
        check = import_module(f"stdnum.{module}").is_valid
        while True:
            candidate = self.shaped(shape)
            if check(candidate):
                return candidate

    def day(self, born: bool = False) -> date:
        """Return a recent date, or a date of birth if `born`."""
        return date(2026, 10, 1) - timedelta(
            days=self.chance.randint(6_000, 33_000) if born else self.chance.randint(1, 2500)
        )


def _phone(make: Maker, region: str | None = None) -> str:
    region = region or make.chance.choice(("US", "GB", "US", "GB", make.chance.choice(make._regions)))
    kind = make.chance.choice((PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE))
    base = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    for _ in range(200):
        national = str(base.national_number)
        number = phonenumbers.PhoneNumber(base.country_code, int(national[:-5] + make.some(string.digits, 5)))
        number.italian_leading_zero = base.italian_leading_zero
        if phonenumbers.is_valid_number(number):
            break
    form = PhoneNumberFormat.INTERNATIONAL
    if region in ("US", "GB", "DE", "FR", "ES") and make.chance.random() < 0.6:
        form = PhoneNumberFormat.NATIONAL
    elif make.chance.random() < 0.25:
        form = PhoneNumberFormat.E164
    return str(phonenumbers.format_number(number, form))


def _phone_cn(make: Maker) -> str:
    plain = make.shaped("1") + make.chance.choice("3578") + make.shaped("000000000")
    spaced = f"{plain[:3]}{{0}}{plain[3:7]}{{0}}{plain[7:]}"
    return make.chance.choice((plain, plain, plain, spaced.format("-"), spaced.format(" "), "+86 " + plain))


def _card(make: Maker) -> str:
    prefix, size = make.chance.choice(
        (
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("3566", 16),
            ("36", 14),
            ("62", 16),
        )
    )
    body = prefix + make.some(string.digits, size - len(prefix) - 1)
    number = body + str(import_module("stdnum.luhn").calc_check_digit(body))
    groups = [number[:4], number[4:10], number[10:]] if size < 16 else [number[n : n + 4] for n in range(0, 16, 4)]
    return make.chance.choice(("", "", " ", " ", "-")).join(groups)


def _iban(make: Maker) -> str:
    locale = make.chance.choice(
        ("en_GB", "de_DE", "de_AT", "fr_FR", "es_ES", "fr_BE", "da_DK", "hr_HR", "sl_SI", "et_EE")
    )
    number = make.fake("iban", locale)
    return number if make.chance.random() < 0.5 else " ".join(number[n : n + 4] for n in range(0, len(number), 4))


def _btc(make: Maker) -> str:
    raw = bytes([make.chance.choice((0, 5))]) + make.chance.randbytes(20)
    if make.chance.random() < 0.4:
        return _bech32(make)
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, text = int.from_bytes(raw), ""
    while number:
        number, rest = divmod(number, 58)
        text = _B58[rest] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def _bech32(make: Maker) -> str:
    """Return a Bitcoin address with a witness program of version 0 (BIP 173)."""
    data = [0, *(make.chance.randrange(32) for _ in range(31)), make.chance.randrange(2) * 16]
    values, state = [3, 3, 0, 2, 3, *data, 0, 0, 0, 0, 0, 0], 1
    for value in values:
        top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= term if (top >> bit) & 1 else 0
    check = [((state ^ 1) >> 5 * (5 - place)) & 31 for place in range(6)]
    return "bc1" + "".join(_B32[value] for value in [*data, *check])


def _cn_id(make: Maker) -> str:
    day = make.day(born=True)
    body = (
        make.chance.choice(("110105", "310104", "440305", "510107", "330106", "420102"))
        + f"{day:%Y%m%d}"
        + make.some(string.digits, 3)
    )
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(body))
    return body + "10X98765432"[total % 11]


def _ssn(make: Maker, separator: str = "-") -> str:
    area = make.chance.choice((make.chance.randint(1, 665), make.chance.randint(667, 899)))
    return f"{area:03}{separator}{make.chance.randint(1, 99):02}{separator}{make.chance.randint(1, 9999):04}"


def _nhs(make: Maker) -> str:
    number = make.valid("gb.nhs", "0000000000")
    return number if make.chance.random() < 0.3 else f"{number[:3]} {number[3:6]} {number[6:]}"


def _nino(make: Maker) -> str:
    number = (
        make.some("ABCEHJLMPRSTWXYZ", 1)
        + make.some("ABCEHJLMPRSWXYZ", 1)
        + make.shaped("000000")
        + make.some("ABCD", 1)
    )
    number = "CE" + number[2:] if number[:2] in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") else number
    return (
        number
        if make.chance.random() < 0.4
        else " ".join((number[:2], number[2:4], number[4:6], number[6:8], number[8]))
    )


def _routing(make: Maker) -> str:
    return make.valid("us.rtn", make.chance.choice(("02", "06", "11", "12", "32")) + "0000000")


def _date(make: Maker, months: Sequence[str], forms: Sequence[str], born: bool = False) -> str:
    day = make.day(born)
    form = make.chance.choice(forms)
    return form.format(
        d=day.day,
        m=day.month,
        y=day.year,
        M=months[day.month - 1],
        b=months[day.month - 1][:3],
        s=day.year % 100,
        th=_ordinal(day.day),
    )


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


_EN_DATES = ("{d} {M} {y}", "{M} {d}, {y}", "{d:02}/{m:02}/{y}", "{m}/{d}/{y}", "{y}-{m:02}-{d:02}", "{d}{th} {M} {y}", "{d} {b} {y}", "{b} {d}, {y}", "{M} {d}{th}, {y}", "{d:02}-{b}-{y}", "{d:02}.{m:02}.{y}", "{m:02}/{d:02}/{s:02}", "{d}{th} of {M} {y}")  # fmt: skip


def _us_address(make: Maker) -> str:
    return make.fake("address", make.chance.choice(("en_US", "en_CA"))).replace("\n", ", ")


def _zh_address(make: Maker) -> str:
    city, district = make.chance.choice(
        (
            ("苏州市", "姑苏区"),
            ("青岛市", "市南区"),
            ("长沙市", "岳麓区"),
            ("厦门市", "思明区"),
            ("北京市", "海淀区"),
            ("昆明市", "盘龙区"),
        )
    )
    road = make.chance.choice(("观前", "香港中", "麓山南", "湖滨北", "学院", "金碧")) + "路"
    flat = make.chance.choice(("", f"{make.chance.randint(1, 20)}栋{make.chance.randint(101, 2500)}室"))
    return f"{city}{district}{road}{make.chance.randint(1, 500)}号{flat}"


def _german_plate(make: Maker) -> str:
    return f"{make.chance.choice(('B', 'M', 'HH', 'K', 'DD', 'LEV', 'HD'))}-{make.shaped('AA')} {make.digits(make.chance.randint(2, 4))}"


def _jwt(make: Maker) -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    body = json.dumps({"sub": make.digits(8), "iat": int(make.digits(10))}).encode()
    head = json.dumps({"alg": "HS256", "typ": "JWT"}).encode()
    return ".".join(map(part, (head, body, make.chance.randbytes(32))))


def _pem(make: Maker) -> str:
    kind = make.chance.choice(("", "RSA ", "EC ", "OPENSSH "))
    raw = base64.b64encode(make.chance.randbytes(make.chance.choice((96, 300)))).decode()
    lines = "\n".join(raw[n : n + 64] for n in range(0, len(raw), 64))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


def _broken(text: str, make: Maker, mark: str) -> str:
    places = sorted(make.chance.sample(range(1, len(text)), 2), reverse=True)
    for place in places:
        text = text[:place] + mark + text[place:]
    return text


def _compact(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


def _it_code(make: Maker) -> str:
    return make.valid(
        "it.codicefiscale",
        make.some("BCDFGLMNPRSTV", 6)
        + make.shaped("00")
        + make.some("ABCDEHLMPRST", 1)
        + f"{make.chance.randint(1, 28):02}"
        + "H501A",
    )


def _dashed(number: str) -> str:
    return "-".join(_compact(number)[n : n + 4] for n in range(0, len(_compact(number)), 4))


def _tax_id(make: Maker) -> str:
    number = make.valid("de.idnr", "00000000000")
    return make.chance.choice((number, f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"))


def _social_security(make: Maker) -> str:
    body = (
        make.chance.choice("12")
        + make.shaped("00")
        + f"{make.chance.randint(1, 12):02}"
        + f"{make.chance.randint(1, 95):02}"
        + make.shaped("000000")
    )
    number = body + f"{97 - int(body) % 97:02}"
    return make.chance.choice(
        (number, " ".join((number[0], number[1:3], number[3:5], number[5:7], number[7:10], number[10:13], number[13:])))
    )


def _polish(make: Maker) -> str:
    day = make.day(born=True)
    return make.valid(
        "pl.pesel", f"{day.year % 100:02}{day.month + (20 if day.year > 1999 else 0):02}{day.day:02}00000"
    )


def _nric(make: Maker) -> str:
    digits = make.shaped("0000000")
    weight = sum(int(digit) * factor for digit, factor in zip(digits, (2, 7, 6, 5, 4, 3, 2), strict=True))
    return "S" + digits + "JZIHGFEDCBA"[weight % 11]


_MAKERS: Mapping[str, Callable[[Maker], str]] = {
    "person": lambda m: f"{m.fake('first_name')} {m.fake('last_name')}", "person_zh": lambda m: m.fake("name", "zh_CN"),
    "first": lambda m: m.fake("first_name"), "last": lambda m: m.fake("last_name"), "org": lambda m: m.fake("company"),
    "city": lambda m: m.fake("city"), "country": lambda m: m.fake("country", "en_GB"),
    "email": lambda m: m.fake(m.chance.choice(("email", "company_email", "ascii_free_email"))),
    "phone": _phone, "phone_cn": _phone_cn, "phone_de": lambda m: _phone(m, "DE"), "phone_fr": lambda m: _phone(m, "FR"),
    "phone_es": lambda m: _phone(m, "ES"), "card": _card, "iban": _iban, "ipv4": lambda m: m.fake("ipv4_public"),
    "ipv6": lambda m: m.fake("ipv6"), "mac": lambda m: m.chance.choice((str.upper, str.lower))(m.fake("mac_address")),
    "url": lambda m: m.fake("uri"), "domain": lambda m: m.fake("domain_name", "en_US"), "ssn": _ssn,
    "itin": lambda m: f"9{m.shaped('00')}-7{m.shaped('0')}-{m.shaped('0000')}",
    "dl_us": lambda m: m.chance.choice((m.shaped("A0000000"), m.shaped("A000-0000-0000"), m.digits(8), m.shaped("AA000000"))),
    "passport_us": lambda m: m.chance.choice((m.digits(9), m.some("AXC", 1) + m.shaped("00000000"))),
    "passport_uk": lambda m: m.digits(9), "passport_de": lambda m: m.some("CFGHJK", 1) + m.some("0123456789CFGHJKLMNPRTVWXYZ", 8),
    "passport_fr": lambda m: m.shaped("00AA00000"), "passport_es": lambda m: m.shaped("AAA000000"),
    "passport_cn": lambda m: m.some("EG", 1) + m.shaped("00000000"), "nhs": _nhs, "nino": _nino,
    "vat": lambda m: m.chance.choice(("DE" + m.valid("de.vat", "000000000"), "NL" + m.valid("nl.btw", "000000000B01"), "IT" + m.valid("it.iva", "00000000000"), "PL" + m.valid("pl.nip", "0000000000"), "ATU" + m.valid("at.uid", "U00000000")[1:], "DK" + m.valid("dk.cvr", "00000000"))),
    "vat_de": lambda m: "DE" + m.valid("de.vat", "000000000"),
    "vat_fr": lambda m: "FR" + m.valid("fr.tva", "00000000000"), "vat_es": lambda m: m.valid("es.cif", m.chance.choice("AB") + "00000000"),
    "cn_id": _cn_id, "dob_en": lambda m: _date(m, _EN, _EN_DATES, born=True), "date_en": lambda m: _date(m, _EN, _EN_DATES),
    "date_iso": lambda m: _date(m, _EN, ("{y}-{m:02}-{d:02}",)), "date_short": lambda m: _date(m, _EN, ("{d} {b} {s:02}", "{d:02}-{b}-{s:02}", "{d} {b} {y}")),
    "date_de": lambda m: _date(m, _DE, ("{d}. {M} {y}", "{d:02}.{m:02}.{y}", "{d}.{m}.{y}", "{d:02}.{m:02}.{s:02}")),
    "date_fr": lambda m: _date(m, _FR, ("{d} {M} {y}", "{d:02}/{m:02}/{y}", "{d} {M} {y}")),
    "date_es": lambda m: _date(m, _ES, ("{d} de {M} de {y}", "{d:02}/{m:02}/{y}", "{d} de {M} del {y}")),
    "date_zh": lambda m: _date(m, _EN, ("{y}年{m}月{d}日", "{y}年{m:02}月{d:02}日", "{y}-{m:02}-{d:02}", "{y}/{m}/{d}", "{y}年{m}月{d}号")),
    "age_en": lambda m: m.chance.choice(("{} years old", "{}-year-old", "aged {}", "{} y/o", "{} yrs old")).format(m.chance.randint(2, 99)),
    "age_zh": lambda m: f"{m.chance.randint(2, 95)}岁", "age_de": lambda m: f"{m.chance.randint(2, 95)} Jahre alt",
    "age_fr": lambda m: f"{m.chance.randint(2, 95)} ans", "age_es": lambda m: f"{m.chance.randint(2, 95)} años",
    "zip_us": lambda m: m.digits(5), "postcode_uk": lambda m: m.chance.choice(("{}{} {}{}", "{}{} {}{}")).format(m.chance.choice(("SW", "M", "EH", "LS", "CB", "N")), m.digits(1), m.digits(1), m.some("ABDEFGHJLN", 2)),
    "address_us": _us_address, "address_uk": lambda m: m.fake("address", "en_GB").replace("\n", ", "),
    "address_de": lambda m: m.fake("address", "de_DE").replace("\n", ", "), "address_fr": lambda m: m.fake("address", "fr_FR").replace("\n", ", "),
    "address_es": lambda m: m.fake("address", "es_ES").replace("\n", ", "), "address_zh": _zh_address,
    "btc": _btc, "eth": lambda m: "0x" + m.some("0123456789abcdef", 40),
    "plate_uk": lambda m: m.shaped("AA") + m.digits(2) + " " + m.shaped("AAA"), "plate_us": lambda m: m.chance.choice((m.shaped("AAA-0000"), m.digits(1) + m.shaped("AAA000"), m.shaped("AAA 0000"))),
    "plate_de": _german_plate, "plate_cn": lambda m: m.chance.choice("京沪粤苏浙川") + m.some("ABCDE", 1) + m.chance.choice(("", "·")) + m.shaped("00000"),
    "mrn": lambda m: m.chance.choice((m.digits(8), m.digits(7), m.shaped("A0000000"))), "mrn_bare": lambda m: m.digits(8), "mrn_digits": lambda m: m.digits(m.chance.randint(6, 9)),
    "account": lambda m: m.digits(m.chance.randint(9, 12)), "aba": _routing,
    "swift": lambda m: m.chance.choice(("DEUTDEFF", "BARCGB22", "BNPAFRPPXXX", "CHASUS33", "NDEASESS", "UBSWCHZH80A", "COBADEFFXXX")),
    "password": lambda m: m.some(string.ascii_letters + string.digits + "!#%+_", 14), "jwt": _jwt, "pem": _pem,
    "aws": lambda m: m.chance.choice(("AKIA", "ASIA")) + m.some("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    "azure": lambda m: f"DefaultEndpointsProtocol=https;AccountName=store{m.digits(3)};AccountKey={base64.b64encode(m.chance.randbytes(64)).decode()};EndpointSuffix=core.windows.net",
    "gcp": lambda m: "AIza" + m.shaped("x" * 35), "github": lambda m: m.chance.choice(("ghp_", "gho_", "ghs_")) + m.shaped("x" * 36),
    "gitlab": lambda m: "glpat-" + m.shaped("x" * 20), "slack": lambda m: f"xoxb-{m.digits(11)}-{m.digits(12)}-{m.shaped('x' * 24)}",
    "stripe": lambda m: m.chance.choice(("sk_test_", "rk_test_")) + m.shaped("x" * 24), "openai": lambda m: "sk-proj-" + m.shaped("x" * 48),
    "anthropic": lambda m: "sk-ant-api03-" + m.shaped("x" * 60), "hf": lambda m: "hf_" + m.shaped("x" * 34), "npm": lambda m: "npm_" + m.shaped("x" * 36),
    "sendgrid": lambda m: f"SG.{m.shaped('x' * 22)}.{m.shaped('x' * 43)}",
    "es_nif": lambda m: m.valid("es.dni", "00000000A"), "es_nie": lambda m: m.valid("es.nie", m.chance.choice("XYZ") + "0000000A"),
    "it_cf": _it_code, "fr_nir": _social_security, "de_tax": _tax_id, "nl_bsn": lambda m: m.valid("nl.bsn", "000000000"), "pl_pesel": _polish,
    "se_pn": lambda m: m.valid("se.personnummer", f"{m.day(born=True):%y%m%d}-0000"), "fi_hetu": lambda m: m.valid("fi.hetu", f"{m.day(born=True):%d%m%y}-000A"),
    "in_aadhaar": lambda m: (lambda n: m.chance.choice((n, f"{n[:4]} {n[4:8]} {n[8:]}")))(m.valid("in_.aadhaar", m.some("3456789", 1) + "00000000000")),
    "in_pan": lambda m: m.valid("in_.pan", "AAAPA0000A"), "br_cpf": lambda m: (lambda n: f"{n[:3]}.{n[3:6]}.{n[6:9]}-{n[9:]}")(m.valid("br.cpf", "00000000000")),
    "au_tfn": lambda m: (lambda n: f"{n[:3]} {n[3:6]} {n[6:]}")(m.valid("au.tfn", m.digits(1) + "00000000")), "ca_sin": lambda m: (lambda n: f"{n[:3]}-{n[3:6]}-{n[6:]}")(m.valid("ca.sin", m.some("1234567", 1) + "00000000")),
    "sg_nric": _nric, "card_zero_width": lambda m: _broken(_card(m), m, "\u200b"), "card_full_width": lambda m: _compact(_card(m)).translate(_WIDE),
    "email_zero_width": lambda m: _broken(m.fake("email"), m, "\u200d"), "iban_dashes": lambda m: _dashed(_iban(m)), "ssn_spaces": lambda m: _ssn(m, " "),
    "ssn_nodash": lambda m: _ssn(m, ""), "phone_full_width": lambda m: _compact(_phone_cn(m)).removeprefix("+86").translate(_WIDE),
    "phone_spread": lambda m: "‑".join((str(m.chance.randint(201, 989)), f"{m.chance.randint(201, 989)}", m.shaped("0000"))),
    # Values that look like personal data but are not.
    "order": lambda m: m.chance.choice((m.shaped("A0000000"), m.digits(6), m.digits(9), m.shaped("AA-000000"), m.digits(10))),
    "version": lambda m: f"{m.chance.randint(0, 9)}.{m.chance.randint(0, 30)}.{m.chance.randint(0, 9)}", "price": lambda m: f"{m.chance.choice('$€£')}{m.chance.randint(1, 99_999):,}.{m.shaped('00')}",
    "price_de": lambda m: f"{m.digits(3)},{m.shaped('00')} €", "price_fr": lambda m: f"{m.digits(2)},{m.shaped('00')} €", "price_es": lambda m: f"{m.digits(3)},{m.shaped('00')} euros", "price_zh": lambda m: f"{m.digits(3)}元",
    "percent": lambda m: f"{m.digits(1)}.{m.digits(1)}%", "uuid": lambda m: m.fake("uuid4"), "hash": lambda m: m.some("0123456789abcdef", m.chance.choice((7, 40, 64))),
    "timestamp": lambda m: f"{m.day():%Y-%m-%d}T{m.chance.randint(10, 23)}:{m.chance.randint(10, 59)}:{m.chance.randint(10, 59)}.{m.shaped('000')}Z", "clf": lambda m: f"{m.day():%d/%b/%Y}:{m.chance.randint(10, 23)}:12:45 +0000",
    "num": lambda m: m.digits(m.chance.randint(2, 5)), "build": lambda m: m.digits(6), "bp": lambda m: f"{m.chance.randint(100, 170)}/{m.chance.randint(60, 99)}", "ward": lambda m: m.shaped("A0"),
    "dose": lambda m: str(m.chance.choice((200, 400, 600))), "grade": lambda m: m.shaped("A0"), "isbn": lambda m: f"978-{m.digits(1)}-{m.digits(3)}-{m.digits(5)}-{m.digits(1)}",
    "serial": lambda m: m.shaped("AA0000-AA"), "flight": lambda m: m.digits(3),
}  # fmt: skip


def entity_of(slot: str) -> str | None:
    """Return the entity of a slot, or None for a negative."""
    base = slot.partition("_")[0]
    return None if base in NEGATIVES else ENTITIES.get(slot) or ENTITIES[base]


def fill(template: str, maker: Maker) -> tuple[str, list[dict[str, object]]]:
    """Return a filled template and its labelled spans (offsets in code points)."""
    text, position, spans = "", 0, []
    for slot in _SLOT.finditer(template):
        text, position = text + template[position : slot.start()], slot.end()
        if slot[1] is None:
            text += slot[0][0]
            continue
        value = maker.value(slot[1])
        entity = entity_of(slot[1])
        if entity is not None:
            spans.append({"entity": entity, "start": len(text), "end": len(text) + len(value)})
        text += value
    return text + template[position:], spans


def generate(count: int, seed: int) -> Iterator[dict[str, object]]:
    """Yield labelled texts; all templates occur about equally often."""
    maker = Maker(seed)
    rows = [
        (group, line.replace("⏎", "\n")) for group, lines in TEMPLATES.items() for line in lines.strip().splitlines()
    ]
    order = [rows[number % len(rows)] for number in range(count)]
    maker.chance.shuffle(order)
    for number, (group, template) in enumerate(order):
        maker.choose(group[:2])
        text, spans = fill(template, maker)
        yield {"id": number, "group": group, "text": text, "spans": spans}


def main() -> None:
    """Write the labelled set."""
    lines = [json.dumps(item, ensure_ascii=False) for item in generate(COUNT, SEED)]
    LABELLED.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} texts in {LABELLED}")


if __name__ == "__main__":
    main()
