"""Checks of candidates: checksums and structures, from python-stdnum where it has them.

Each takes the candidate's text and returns whether it can be such a number. They run on candidates alone.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from operator import mul
from typing import Any

from governance.errors import ConfigurationError
from governance.privacy.native import in_c

Check = Callable[[str], bool]

_SEPARATORS = str.maketrans("", "", " -.()/\u00a0")
_NOT_DIGITS = bytes(code for code in range(256) if not 48 <= code <= 57)
_NUMBER = re.compile(r"\d+")
_RESIDENT_WEIGHTS = tuple(pow(2, 17 - place, 11) for place in range(17))
# What the code of a digit counts twice.
_LUHN = dict(zip(b"0123456789", (0, 2, 4, 6, 8, 1, 3, 5, 7, 9), strict=True))
_LETTER_VALUES = {ord(letter): str(10 + place) for place, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@in_c
def digits_of(text: str) -> str:
    """Return a number without what people write between its digits."""
    return text if text.isdigit() else text.translate(_SEPARATORS)


@in_c
def digits_alone(text: str) -> str:
    """Return the ASCII digits of a text."""
    return text.encode().translate(None, _NOT_DIGITS).decode()


@in_c
def luhn(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    values = digits.encode()
    return (sum(values[-1::-2]) - 48 * len(values[-1::-2]) + sum(map(_LUHN.__getitem__, values[-2::-2]))) % 10 == 0


def credit_card(text: str) -> bool:
    """A card number of an issuer that there is, with its check digit."""
    digits = digits_of(text)
    return len(digits) in _card_sizes()[int(digits[:4])] and luhn(digits) and digits != digits[0] * len(digits)


@lru_cache
def _card_sizes() -> Sequence[frozenset[int]]:
    """Return how many digits a card number has, by its first four."""
    return [frozenset(size for size in range(12, 20) if _is_issued(four, size)) for four in range(10_000)]


def _is_issued(four: int, size: int) -> bool:
    first, two, three = four // 1000, four // 100, four // 10
    return (
        (first == 4 and size in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or (two in (34, 37) and size == 15)
        or ((two in (65, 62, 81) or four == 6011 or 644 <= three <= 649) and 16 <= size <= 19)
        or ((two in (36, 38, 39) or 300 <= three <= 305) and 14 <= size <= 19)
        # JCB has 3528 to 3589; what is made up for tests has all of 35, and 15 digits behind 1800 and 2131.
        or (two == 35 and 16 <= size <= 19)
        or (four in (1800, 2131) and size == 15)
        or (two in (50, 56, 57, 58, 63, 67, 69) and 12 <= size <= 19)
    )


def iban(text: str) -> bool:
    """Country and check digits of an IBAN (ISO 13616, mod 97); one of another length than its country's is one, too.

    Such are made up, or miswritten, and one number in 97 has the right check digits by chance.
    """
    compact = digits_of(text).upper()
    return compact[:2] in _IBAN_COUNTRIES and 15 <= len(compact) <= 34 and mod_97(compact[4:] + compact[:4]) == 1


def ssn(text: str) -> bool:
    """A US Social Security number that can be given out."""
    digits = digits_of(text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000" and digits != "123456789"


def itin(text: str) -> bool:
    """A US Individual Taxpayer Identification Number."""
    digits = digits_of(text)
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def nhs(text: str) -> bool:
    """An NHS number (modulus 11)."""
    digits = digits_of(text)
    rest = 11 - (sum(map(mul, range(10, 1, -1), digits.encode())) - 48 * 54) % 11
    return rest != 10 and rest % 11 == int(digits[9]) and digits != digits[0] * 10


def nino(text: str) -> bool:
    """A UK National Insurance number: prefixes that are given out."""
    prefix = digits_of(text)[:2].upper()
    return (
        prefix[0] not in "DFIQUV"
        and prefix[1] not in "DFIOQUV"
        and prefix not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
    )


def cn_resident_id(text: str) -> bool:
    """A Chinese resident identity number: a date that can be, and its check character (GB 11643, ISO 7064 MOD 11-2)."""
    body, check = text[:17], text[17].upper()
    month, day = int(body[10:12]), int(body[12:14])
    total = sum(map(mul, _RESIDENT_WEIGHTS, body.encode())) - 48 * sum(_RESIDENT_WEIGHTS)
    return (
        1 <= month <= 12 and 1 <= day <= 31 and body[6:8] in ("18", "19", "20") and "10X98765432"[total % 11] == check
    )


def ip_address(text: str) -> bool:
    """An IPv4 or IPv6 address."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        return False
    return True


def version_like(text: str) -> bool:
    """Whether an IPv4 address looks no more like one than like a version number."""
    return text.startswith(("0.", "1.", "2.", "3.", "4.")) and all(len(part) == 1 for part in text.split("."))


def bitcoin(text: str) -> bool:
    """A Bitcoin address: Base58Check, or the shape of a Bech32 one."""
    if text[:3].lower() == "bc1":
        return True
    import hashlib

    number = 0
    for character in text:
        number = number * 58 + _BASE58.index(character)
    raw = number.to_bytes(25, "big") if number.bit_length() <= 200 else b""
    return len(raw) == 25 and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def phone(text: str) -> bool:
    """A phone number: the digits that its calling code takes, or a national one as people write it."""
    digits = digits_alone(text)
    if text.lstrip("( ").startswith(("+", "00")):
        international = digits[2:] if text.startswith("00") else digits
        return 8 <= len(international) <= 15 and not _calling_codes().isdisjoint(
            (international[:1], international[:2], international[:3])
        )
    return 7 <= len(digits) <= 13 and len(set(digits)) > 2


def said_phone(text: str) -> bool:
    """As many digits as a phone number has, and not all alike: for what somebody says is one."""
    digits = digits_alone(text.lower().partition("x")[0])
    return 7 <= len(digits) <= 15 and len(set(digits)) > 2


def north_american_phone(text: str) -> bool:
    """Area code and exchange begin with 2 to 9 (NANP)."""
    digits = digits_alone(text)
    digits = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    return len(digits) == 10 and digits[0] > "1" and digits[3] > "1" and len(set(digits)) > 2


def date(text: str) -> bool:
    """Numbers that can be day, month and year."""
    parts = sorted(map(int, text.replace("/", "-").replace(".", "-").split("-")))
    if len(parts) != 3:
        return False
    month, day, year = parts
    return 1 <= month <= 12 and 1 <= day <= 31 and (1850 <= year <= 2150 or year < 100)


def has_digit(text: str) -> bool:
    """A mixture of letters and digits is no word."""
    return any(character.isdigit() for character in text)


def six_digits(text: str) -> bool:
    """At least six digits."""
    return len(digits_alone(text)) >= 6


def said_plate(text: str) -> bool:
    """At least five letters and digits, and both: for what somebody says is a licence plate."""
    return plate(text) and has_digit(text)


def plate(text: str) -> bool:
    """A licence plate has at least five letters and digits, and both."""
    return sum(map(str.isalnum, text)) >= 5 and any(map(str.isalpha, text))


def swift(text: str) -> bool:
    """A bank's code (ISO 9362): its country is one of those that have IBANs, or a large one that has none."""
    return text[4:6] in _IBAN_COUNTRIES or text[4:6] in _OTHER_COUNTRIES


def age(text: str) -> bool:
    """An age that people reach."""
    found = _NUMBER.search(text)
    return found is not None and 0 < int(found[0]) <= 120


def domain(text: str) -> bool:
    """A domain under a top-level domain that there is."""
    return text.rsplit(".", 1)[-1].lower() in _TOP_LEVEL and not text.lower().endswith((".py", ".sh", ".md", ".rs"))


def stdnum(module: str, first: Check | None = None) -> Check:
    """Return the check of one of python-stdnum's modules, such as `es.nif`.

    Args:
        first: what refuses most of what is none, in a tenth of the time; the module decides.
    """

    def check(text: str) -> bool:
        return (first is None or first(text)) and bool(_stdnum(module)(text))

    return check


def eu_vat(text: str) -> bool:
    """A VAT number of a member state, by that state's module: `eu.vat` does the same in twice the time."""
    return _vat_of(text[:2])(text)


def weighted(*weights: int, modulus: int, rests: Sequence[int] = (0,)) -> Check:
    """Return whether the sum of all digits times their weights leaves one of these rests."""
    allowed, zero = frozenset(rests), 48 * sum(weights)

    def check(text: str) -> bool:
        return (sum(map(mul, weights, digits_of(text).encode())) - zero) % modulus in allowed

    return check


def one_digit_again(text: str) -> bool:
    """Of the first ten digits of a German tax number, one stands there two or three times (§ 139b AO)."""
    return 8 <= len(set(digits_of(text)[:10])) <= 9


def verhoeff(text: str) -> bool:
    """The check digit of an Aadhaar number (Verhoeff, 1969)."""
    return bool(_module("verhoeff").checksum(digits_of(text)) == 0)


def separated_luhn(text: str) -> bool:
    """The check digit of a number with what people write between its digits."""
    return luhn(digits_of(text))


@lru_cache
def _stdnum(module: str) -> Check:
    check: Check = _module(module).is_valid
    return check


@lru_cache
def _module(name: str) -> Any:
    try:
        return import_module(f"stdnum.{name}")
    except ImportError:
        raise ConfigurationError("detecting needs packages: pip install 'bento-governance[privacy]'") from None


@lru_cache
def _vat_of(country: str) -> Check:
    module = _module("util").get_cc_module("gr" if country == "EL" else country, "vat")
    check: Check = module.is_valid
    return check


@lru_cache
def _calling_codes() -> frozenset[str]:
    try:
        import phonenumbers
    except ImportError:
        raise ConfigurationError("detecting needs packages: pip install 'bento-governance[privacy]'") from None
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    # Some write "+01".
    return frozenset(str(code).zfill(width) for code in codes for width in (1, 2, 3))


@in_c
def mod_97(text: str) -> int:
    """Return the rest of a number with letters in it, A for 10 and Z for 35 (ISO/IEC 7064, MOD 97-10)."""
    return int(text.translate(_LETTER_VALUES)) % 97


# ISO 13616: the countries that have IBANs.
_IBAN_COUNTRIES = frozenset({
    "AD", "AE", "AL", "AT", "AZ", "BA", "BE", "BG", "BH", "BR", "BY", "CH", "CR", "CY", "CZ", "DE", "DK", "DO", "EE",
    "EG", "ES", "FI", "FO", "FR", "GB", "GE", "GI", "GL", "GR", "GT", "HR", "HU", "IE", "IL", "IQ", "IS", "IT", "JO",
    "KW", "KZ", "LB", "LC", "LI", "LT", "LU", "LV", "MC", "MD", "ME", "MK", "MR", "MT", "MU", "NL", "NO", "PK", "PL",
    "PS", "PT", "QA", "RO", "RS", "SA", "SC", "SE", "SI", "SK", "SM", "ST", "SV", "TL", "TN", "TR", "UA", "VA", "VG",
    "XK",
})  # fmt: skip

_OTHER_COUNTRIES = frozenset({
    "US", "CA", "AU", "NZ", "CN", "JP", "KR", "IN", "HK", "SG", "TW", "TH", "MY", "ID", "PH", "VN", "ZA", "NG", "KE",
    "MX", "AR", "CL", "CO", "PE", "MA", "RU",
})  # fmt: skip

# Those that addresses in texts end with; a file name is no domain.
_TOP_LEVEL = frozenset({
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "io", "ai", "co", "app", "dev", "cloud",
    "tech", "online", "shop", "site", "xyz", "me", "tv", "eu", "uk", "us", "ca", "de", "fr", "it", "es", "pt", "nl",
    "be", "ch", "at", "dk", "se", "no", "fi", "is", "ie", "pl", "cz", "sk", "hu", "ro", "bg", "gr", "tr", "ru",
    "ua", "by", "lt", "lv", "ee", "si", "hr", "rs", "ba", "mk", "al", "cn", "hk", "tw", "jp", "kr", "in", "pk",
    "bd", "lk", "np", "th", "vn", "my", "sg", "id", "ph", "au", "nz", "za", "ng", "ke", "gh", "eg", "ma", "tn",
    "il", "sa", "ae", "qa", "kw", "ir", "iq", "br", "ar", "cl", "pe", "uy", "py", "bo", "ec", "ve", "mx", "cr",
    "pa", "gt", "do", "cu", "example", "test",
})  # fmt: skip
