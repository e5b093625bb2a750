"""Checks of matches: checksums and structure, from python-stdnum where it has them.

A check takes the matched text and returns whether it can be such a number. It may raise ValueError or IndexError for a
text of another shape, which counts as false. Checks run on matches only, so they cost little on text without any.
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

# Whether a matched text can be what its detector looks for.
Check = Callable[[str], bool]

_SEPARATORS = str.maketrans("", "", " -.()/\u00a0")
_NOT_DIGITS = bytes(code for code in range(256) if not 48 <= code <= 57)
_NUMBER = re.compile(r"\d+")
_DECIMAL, _ZIP_AND_FOUR = re.compile(r"\+ ?\d{1,3}\.\d+"), re.compile(r"\d{5}-\d{4}")
_LONG_NUMBER = re.compile(r"\d{9}")
_DATE_AND_TIME = re.compile(r"\d{6}[ .\-]\d{6}(?:[ .\-]\d{1,6})?")
# GB 11643: the weight of place i is 2^(17 - i) mod 11.
_RESIDENT_WEIGHTS = tuple(pow(2, 17 - place, 11) for place in range(17))
# The byte of a digit -> its value at the places that Luhn's algorithm doubles: twice the digit, less 9 above 9.
_LUHN = dict(zip(b"0123456789", (0, 2, 4, 6, 8, 1, 3, 5, 7, 9), strict=True))
# ISO 7064: A is 10, B is 11, and so on to Z, which is 35.
_LETTER_VALUES = {ord(letter): str(10 + place) for place, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@in_c
def digits_of(text: str) -> str:
    """Return a number without separators: blanks, dashes, dots, slashes and parentheses.

    Example: `digits_of("(415) 555-2671")` is `"4155552671"`.
    """
    return text if text.isdigit() else text.translate(_SEPARATORS)


@in_c
def digits_alone(text: str) -> str:
    """Return the ASCII digits of a text.

    Example: `digits_alone("+1 415 x2")` is `"14152"`.
    """
    return text.encode().translate(None, _NOT_DIGITS).decode()


@in_c
def luhn(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others (Luhn's algorithm, ISO/IEC 7812-1).

    Example: `luhn("4111111111111111")` is true.

    Args:
        digits: ASCII digits only.
    """
    # Sums of bytes: "0" is 48, so 48 is taken off for each digit that is not doubled; `_LUHN` holds values already.
    values = digits.encode()
    return (sum(values[-1::-2]) - 48 * len(values[-1::-2]) + sum(map(_LUHN.__getitem__, values[-2::-2]))) % 10 == 0


def credit_card(text: str) -> bool:
    """Return whether a number is a payment card's: a known issuer, a length it uses, and the check digit."""
    digits = digits_of(text)
    return len(digits) in _card_sizes()[int(digits[:4])] and luhn(digits) and digits != digits[0] * len(digits)


@lru_cache
def _card_sizes() -> Sequence[frozenset[int]]:
    """Return the allowed lengths of a card number for each value of its first four digits, 0 to 9999."""
    return [frozenset(size for size in range(12, 20) if _is_issued(four, size)) for four in range(10_000)]


def _is_issued(four: int, size: int) -> bool:
    """Return whether an issuer's numbers begin with these four digits and have this many digits (ISO/IEC 7812)."""
    first, two, three = four // 1000, four // 100, four // 10
    return (
        (first == 4 and size in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or (two in (34, 37) and size == 15)
        or ((two in (65, 62, 81) or four == 6011 or 644 <= three <= 649) and 16 <= size <= 19)
        or ((two in (36, 38, 39) or 300 <= three <= 305) and 14 <= size <= 19)
        # JCB uses 3528 to 3589; test data generators use all of 35, and 15 digits after 1800 and 2131.
        or (two == 35 and 16 <= size <= 19)
        or (four in (1800, 2131) and size == 15)
        or (two in (50, 56, 57, 58, 63, 67, 69) and 12 <= size <= 19)
    )


def iban(text: str) -> bool:
    """Return whether a text is an IBAN: its country and its check digits (ISO 13616, ISO/IEC 7064 MOD 97-10).

    The length is not compared with the country's: a number of another length is invented or miswritten, and shows most
    of a true one. One text in 97 has the right check digits by chance.
    """
    compact = digits_of(text).upper()
    return compact[:2] in _IBAN_COUNTRIES and 15 <= len(compact) <= 34 and mod_97(compact[4:] + compact[:4]) == 1


def ssn(text: str) -> bool:
    """Return whether a number is in a range that the US Social Security Administration assigns."""
    digits = digits_of(text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000" and digits != "123456789"


def itin(text: str) -> bool:
    """Return whether a number is in the ranges of US Individual Taxpayer Identification Numbers."""
    digits = digits_of(text)
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def nhs(text: str) -> bool:
    """Return whether a number has the check digit of an NHS number (modulus 11)."""
    digits = digits_of(text)
    # 48 is the byte of "0", and 54 the sum of the weights 10 to 2.
    rest = 11 - (sum(map(mul, range(10, 1, -1), digits.encode())) - 48 * 54) % 11
    return rest != 10 and rest % 11 == int(digits[9]) and digits != digits[0] * 10


def nino(text: str) -> bool:
    """Return whether a number begins with a prefix that UK National Insurance numbers use."""
    prefix = digits_of(text)[:2].upper()
    return (
        prefix[0] not in "DFIQUV"
        and prefix[1] not in "DFIOQUV"
        and prefix not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
    )


def cn_resident_id(text: str) -> bool:
    """Return whether a number has a possible date of birth and the check character of GB 11643 (ISO 7064 MOD 11-2)."""
    body, check = text[:17], text[17].upper()
    month, day = int(body[10:12]), int(body[12:14])
    total = sum(map(mul, _RESIDENT_WEIGHTS, body.encode())) - 48 * sum(_RESIDENT_WEIGHTS)
    return (
        1 <= month <= 12 and 1 <= day <= 31 and body[6:8] in ("18", "19", "20") and "10X98765432"[total % 11] == check
    )


def ip_address(text: str) -> bool:
    """Return whether a text is an IPv4 or an IPv6 address that can be one machine's.

    "This host" (127.0.0.1, ::1), "any" (0.0.0.0, ::) and masks of networks are nobody's.
    """
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        return False
    return not text.startswith(("127.", "0.", "255.")) and text.strip("0:") not in ("", "1")


def ip_address_alone(text: str) -> bool:
    """Return whether a text without a word beside it is an address, and not a version or a name such as `A::B`."""
    if ":" in text:
        return ip_address(text) and any(map(str.isdigit, text)) and len(digits_of(text.replace(":", ""))) >= 5
    return ip_address(text) and not version_like(text)


def version_like(text: str) -> bool:
    """Return whether an IPv4 address may as well be a version number.

    Example:
        >>> version_like("1.2.3.4"), version_like("1.2.3.44")
        (True, False)
    """
    return text.startswith(("0.", "1.", "2.", "3.", "4.")) and all(len(part) == 1 for part in text.split("."))


def bitcoin(text: str) -> bool:
    """Return whether a text is a Bitcoin address: Base58Check with its checksum, or the prefix of a Bech32 address."""
    if text[:3].lower() == "bc1":
        return True
    import hashlib

    number = 0
    for character in text:
        number = number * 58 + _BASE58.index(character)
    raw = number.to_bytes(25, "big") if number.bit_length() <= 200 else b""
    return len(raw) == 25 and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def phone(text: str) -> bool:
    """Return whether a number has a calling code that is in use, or the digits of a national number."""
    digits = digits_alone(text)
    if text.lstrip("( ").startswith(("+", "00")):
        international = digits[2:] if text.startswith("00") else digits
        return 8 <= len(international) <= 15 and not _calling_codes().isdisjoint(
            (international[:1], international[:2], international[:3])
        )
    return 7 <= len(digits) <= 13 and len(set(digits)) > 2


def phone_alone(text: str) -> bool:
    """Return whether a number without a word beside it is a telephone number.

    A signed decimal (`+12.345678`), a date with a time (`081110 103027`), a ZIP code with four more digits and a number
    of less than nine digits are more often something else.
    """
    compact = text.strip("() ")
    digits = digits_alone(text)
    if _DECIMAL.fullmatch(compact) or _ZIP_AND_FOUR.fullmatch(compact) or len(digits) < 9:
        return False
    return phone(text) and not (_DATE_AND_TIME.fullmatch(compact) and int(digits[2:4]) <= 12 and int(digits[6:8]) < 24)


def plausible_phone(text: str) -> bool:
    """Return whether a number has 7 to 15 digits, of three kinds at least: enough near a context word."""
    digits = digits_alone(text.lower().partition("x")[0])
    return 7 <= len(digits) <= 15 and len(set(digits)) > 2


def north_american_phone(text: str) -> bool:
    """Return whether area code and exchange begin with 2 to 9 (North American Numbering Plan)."""
    digits = digits_alone(text)
    digits = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    return len(digits) == 10 and digits[0] > "1" and digits[3] > "1" and len(set(digits)) > 2


def date(text: str) -> bool:
    """Return whether three numbers can be a day, a month and a year, in any order."""
    parts = sorted(map(int, text.replace("/", "-").replace(".", "-").split("-")))
    if len(parts) != 3:
        return False
    month, day, year = parts
    return 1 <= month <= 12 and 1 <= day <= 31 and (1850 <= year <= 2150 or year < 100)


def time_of_day(text: str) -> bool:
    """Return whether the first number is an hour, and the next ones minutes and seconds."""
    hour, *rest = map(int, _NUMBER.findall(text))
    return hour <= 24 and all(part < 60 for part in rest)


def has_capital_word(text: str) -> bool:
    """Return whether one of the words behind the first begins with a capital: false of "Via email 12"."""
    return any(word[0].isupper() for word in text.split()[1:])


def has_digit(text: str) -> bool:
    """Return whether a text has a digit, which no word has."""
    return any(character.isdigit() for character in text)


def six_digits(text: str) -> bool:
    """Return whether a text has at least six digits."""
    return len(digits_alone(text)) >= 6


def plate(text: str) -> bool:
    """Return whether a text has five letters and digits, and at least one letter, as a licence plate has."""
    return sum(map(str.isalnum, text)) >= 5 and any(map(str.isalpha, text))


def swift(text: str) -> bool:
    """Return whether a bank's code (ISO 9362) names a country that has IBANs, or one of the large ones without."""
    return text[4:6] in _IBAN_COUNTRIES or text[4:6] in _OTHER_COUNTRIES


def age(text: str) -> bool:
    """Return whether the first number in a text is an age that people reach: 1 to 120."""
    found = _NUMBER.search(text)
    return found is not None and 0 < int(found[0]) <= 120


def placeholder(text: str) -> bool:
    """Return whether a text in angle brackets stands for a value: a kind in capitals, or a token or hash.

    No long number is in a token, so that none can be hidden in the form of one.
    """
    name = text[1:-1]
    return (name.isupper() or ":" in name or "#" in name) and _LONG_NUMBER.search(name) is None


def secret(text: str) -> bool:
    """Return whether a text has a digit, or a capital or mark behind its first letter, as few words have."""
    inner = text[1:].rstrip(".,;:!?)")
    return any(character.isdigit() or character.isupper() or not character.isalnum() for character in inner)


def kr_rrn(text: str) -> bool:
    """Return whether a Korean resident registration number begins with a possible date of birth.

    Numbers given since October 2020 have no check digit.
    """
    return 1 <= int(text[2:4]) <= 12 and 1 <= int(text[4:6]) <= 31


def snils(text: str) -> bool:
    """Return whether a number has the check digits of a Russian pension insurance number."""
    digits = digits_alone(text)
    return bool(sum(map(mul, range(9, 0, -1), map(int, digits))) % 101 % 100 == int(digits[9:]))


def tr_identity(text: str) -> bool:
    """Return whether the last digit is the sum of the others, as in a Turkish identity number."""
    return bool(sum(map(int, text[:10])) % 10 == int(text[10]))


def hk_identity(text: str) -> bool:
    """Return whether a number has the check digit of a Hong Kong identity card; a blank before one letter counts 36."""
    values = [_letter_or_digit(character) for character in text if character.isalnum()]
    values = values if len(values) == 9 else [36, *values]
    return bool(sum(map(mul, values, range(9, 0, -1))) % 11 == 0)


def tw_identity(text: str) -> bool:
    """Return whether a number has the check digit of a Taiwanese identity number."""
    letter = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0])
    values = [letter // 10, letter % 10, *map(int, text[1:])]
    return bool(sum(map(mul, values, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0)


def medicare(text: str) -> bool:
    """Return whether a number has the check digit of an Australian Medicare card."""
    digits = digits_alone(text)
    return bool(sum(map(mul, map(int, digits), (1, 3, 7, 9, 1, 3, 7, 9))) % 10 == int(digits[8]))


def npi(text: str) -> bool:
    """Return whether a number has the check digit of a US National Provider Identifier (Luhn behind 80840)."""
    return luhn("80840" + text)


def dea(text: str) -> bool:
    """Return whether a number has the check digit of a US Drug Enforcement Administration registration."""
    digits = [int(digit) for digit in text[2:]]
    return bool((sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6])


def ch_uid(text: str) -> bool:
    """Return whether a number has the check digit of a Swiss enterprise (UID, modulus 11)."""
    digits = list(map(int, digits_alone(text)))
    return bool((11 - sum(map(mul, digits, (5, 4, 3, 2, 7, 6, 5, 4))) % 11) % 11 == digits[8])


def _letter_or_digit(character: str) -> int:
    return int(character) if character.isdigit() else ord(character.upper()) - 55


def stdnum(module: str, first: Check | None = None) -> Check:
    """Return the check of one of python-stdnum's modules.

    Args:
        module: its name in `stdnum`, such as `es.nif`.
        first: a check that refuses most other numbers in a tenth of the time; the module decides on the rest.

    Raises:
        ConfigurationError: by the returned check, if python-stdnum is not installed.
    """

    def check(text: str) -> bool:
        return (first is None or first(text)) and bool(_stdnum(module)(text))

    return check


def eu_vat(text: str) -> bool:
    """Return whether a text is a VAT number of an EU member state.

    The state's own module decides: `stdnum.eu.vat` does the same in twice the time.
    """
    return _vat_of(text[:2])(text)


def weighted(*weights: int, modulus: int, rests: Sequence[int] = (0,)) -> Check:
    """Return a check of a weighted sum: the digits times their weights, modulo `modulus`.

    Args:
        weights: one for each digit, the first digit's first.
        modulus: what the sum is divided by.
        rests: the remainders that a valid number leaves.
    """
    # Digits are summed up as bytes, of which "0" is 48.
    allowed, zero = frozenset(rests), 48 * sum(weights)

    def check(text: str) -> bool:
        return (sum(map(mul, weights, digits_of(text).encode())) - zero) % modulus in allowed

    return check


def one_digit_again(text: str) -> bool:
    """Return whether one of the first ten digits is there two or three times, as in a German tax number (§ 139b AO)."""
    return 8 <= len(set(digits_of(text)[:10])) <= 9


def verhoeff(text: str) -> bool:
    """Return whether a number has the check digit of an Aadhaar number (Verhoeff, 1969)."""
    return bool(_module("verhoeff").checksum(digits_of(text)) == 0)


def ca_sin(text: str) -> bool:
    """Return whether a number is a Canadian social insurance number: Luhn's check digit, and no 0 or 8 at the begin."""
    return text[0] not in "08" and luhn(digits_of(text))


@lru_cache
def _stdnum(module: str) -> Check:
    check: Check = _module(module).is_valid
    return check


@lru_cache
def _module(name: str) -> Any:
    try:
        return import_module(f"stdnum.{name}")
    except ImportError:
        raise ConfigurationError(
            "detecting personal data needs more packages: pip install 'bento-governance[privacy]'"
        ) from None


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
        raise ConfigurationError(
            "detecting personal data needs more packages: pip install 'bento-governance[privacy]'"
        ) from None
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    # With leading zeros too: some people write "+01".
    return frozenset(str(code).zfill(width) for code in codes for width in (1, 2, 3))


@in_c
def mod_97(text: str) -> int:
    """Return a number modulo 97, with letters as numbers from A = 10 to Z = 35 (ISO/IEC 7064, MOD 97-10).

    Raises:
        ValueError: for a text that is empty, or has other characters than digits and capitals.
    """
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
