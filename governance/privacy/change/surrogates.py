"""The operator surrogate: made-up values of the same kind, always the same one for equal values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from governance.errors import ConfigurationError
from governance.privacy.change.context import Context, keyed_digest, normalized

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


def surrogate(value: str, entity: str, number: float, context: Context) -> str:
    """Return a made-up value of the same kind: `Ada Lovelace`, a PERSON, becomes for example `Laura Jones`.

    Text with Chinese characters gets a Chinese one. A value of any other entity keeps its form, with other digits and
    letters: `ABC-1234` becomes `kfz-9302`. A surrogate may by chance be the name or number of an existing person.

    Raises:
        ConfigurationError: If the context has no key, or the package for surrogates is not installed.
    """
    seed = int.from_bytes(keyed_digest(context, "surrogate", entity, normalized(value).encode())[:8])
    faker = _faker("zh_CN" if any("\u4e00" <= character <= "\u9fff" for character in value) else "en_US")
    faker.seed_instance(seed)
    method = _METHODS.get(entity)
    if method is not None:
        return str(getattr(faker, method)()).replace("\n", ", ")
    return "".join(
        str(faker.random_digit())
        if character.isdigit()
        else faker.random_letter().lower()
        if character.isalpha()
        else character
        for character in value
    )


@lru_cache
def _faker(locale: str) -> Any:
    try:
        from faker import Faker
    except ImportError:
        raise ConfigurationError("surrogates need a package: pip install 'bento-governance[privacy]'") from None
    return Faker(locale)
