"""The operator surrogate: made-up values of the same kind, always the same one for equal values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from governance.errors import ConfigurationError
from governance.privacy.change.context import Context, keyed_digest, normalized
from governance.privacy.change.dates import read_date

# The method of Faker that makes up a value of each entity.
_METHODS: Mapping[str, str] = MappingProxyType(
    {
        "PERSON": "name",
        "LOCATION": "city",
        "ADDRESS": "street_address",
        "ORGANIZATION": "company",
        "EMAIL_ADDRESS": "safe_email",
        "PHONE_NUMBER": "phone_number",
        "CREDIT_CARD": "credit_card_number",
        "IBAN_CODE": "iban",
        "IP_ADDRESS": "ipv4_private",
        "URL": "url",
        "US_SSN": "ssn",
    }
)


_DATES = frozenset({"DATE_TIME", "DATE_OF_BIRTH"})
# Letters that only some languages have; kana before the characters that Japanese and Chinese share.
_LETTERS = tuple(
    (locale, re.compile(f"[{letters}]"))
    for locale, letters in (
        ("ja_JP", "\u3040-\u30ff"),
        ("ko_KR", "\uac00-\ud7af"),
        ("zh_CN", "\u4e00-\u9fff"),
        ("ru_RU", "\u0400-\u04ff"),
        ("el_GR", "\u0370-\u03ff"),
        ("de_DE", "äöüßÄÖÜ"),
        ("es_ES", "ñÑáíóúÁÍÓÚ"),
        ("fr_FR", "çàèêëîïôûÇÈÊ"),
    )
)


def surrogate(value: str, entity: str, number: float, context: Context) -> str:
    """Return a made-up value of the same kind: `Ada Lovelace`, a PERSON, becomes for example `Laura Jones`.

    The letters of a value choose the country: `Jürgen Weiß` becomes a German name. A date becomes another date that is
    written in the same way. A value of any other entity keeps its form, with other digits and letters: `ABC-1234`
    becomes `KFZ-9302`. A surrogate may by chance be the name or number of an existing person.

    Raises:
        ConfigurationError: If the context has no key, or the package for surrogates is not installed.
    """
    digest = keyed_digest(context, "surrogate", entity, normalized(value).encode())
    if entity in _DATES:
        return _other_date(value, entity, digest, context)
    faker = _faker(_locale_of(value))
    faker.seed_instance(int.from_bytes(digest[:8]))
    method = _METHODS.get(entity)
    if method is not None:
        return str(getattr(faker, method)()).replace("\n", ", ")
    return "".join(_other_character(character, entity, faker) for character in value)


def _other_character(character: str, entity: str, faker: Any) -> str:
    """Return another character of the same kind and case; in an address of hardware, a letter from A to F."""
    if character.isdigit():
        return str(faker.random_digit())
    if not character.isalpha():
        return character
    letter = str(faker.random_element("abcdef") if entity == "MAC_ADDRESS" else faker.random_letter()).lower()
    return letter.upper() if character.isupper() else letter


def _other_date(value: str, entity: str, digest: bytes, context: Context) -> str:
    """Return another date within ten years that is written in the same way, or `<ENTITY>` if the date is not known."""
    try:
        read = read_date(value.strip(), context.day_first)
        return f"<{entity}>" if read is None else read[1](read[0] + timedelta(int.from_bytes(digest[:4]) % 7305 - 3652))
    except (ValueError, OverflowError):
        return f"<{entity}>"


def _locale_of(value: str) -> str:
    """Return the locale that the letters of a value say; American where they say nothing."""
    for locale, letters in _LETTERS:
        if letters.search(value):
            return locale
    return "en_US"


@lru_cache
def _faker(locale: str) -> Any:
    try:
        from faker import Faker
    except ImportError:
        raise ConfigurationError("surrogates need a package: pip install 'bento-governance[privacy]'") from None
    return Faker(locale)
