"""What is done to a finding, a field or a column: operators by name, each with what it keeps and what it hides.

Those with a key derive their own from it, by operator and context, so that a hash of one is no hash of another
(NIST SP 800-108). Equal values stay equal under one context, and whoever has not the key cannot find them by trying.
"""

from __future__ import annotations

import base64
import hmac
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from governance.canonical import canonical_json
from governance.errors import ConfigurationError, DecryptionError

TOKEN = re.compile(r"<([A-Z_]{2,40}):([A-Za-z0-9_-]{22,})>")
MAX_SHIFT_DAYS = 365
# What a declared field is called where nothing says what it is.
FIELD = "FIELD"
DROP, MASK = "drop", "***"
FF1_LEAST_DIGITS = 6
_DIGITS = "0123456789"
_OPERATOR = re.compile(r"([a-z0-9-]{1,20})(?::(\d{1,6}(?:\.\d{1,6})?))?")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
_DATE = re.compile(r"(\d{4})([\-/.])(\d{1,2})\2(\d{1,2})|(\d{1,2})([\-/.])(\d{1,2})\6(\d{4})")


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator with its settings, as a profile names it: `mask`, `mask:4`, `truncate:3`, `bucket:10`."""

    name: str
    number: float | None = None

    @classmethod
    def parse(cls, text: str) -> Operator:
        """Read `NAME` or `NAME:NUMBER`.

        Raises:
            ConfigurationError: if there is no such operator, or it takes no such number.
        """
        found = _OPERATOR.fullmatch(text)
        name, number = (found[1], found[2]) if found is not None else ("", None)
        if name not in OPERATORS or (number is not None and name not in NUMBERED):
            known = ", ".join(sorted(OPERATORS))
            raise ConfigurationError(
                f"no operator '{text[:40]}'; there are: {known}; with a number: {', '.join(NUMBERED)}"
            )
        if number is not None and "." in number and name not in FRACTIONS:
            raise ConfigurationError(f"the operator '{name}' takes a whole number, and not {number}")
        if name in POSITIVE and not float(number or 1):
            raise ConfigurationError(f"the operator '{name}' takes a number above 0")
        return cls(name, float(number) if number is not None else None)

    @property
    def count(self) -> int | None:
        """The number, of those that count something."""
        return None if self.number is None else int(self.number)

    @property
    def needs_key(self) -> bool:
        """Whether it cannot work without a key."""
        return self.name in KEYED


@dataclass(frozen=True, slots=True)
class Context:
    """With what operators work.

    Attributes:
        key: 32 secret bytes, or None.
        scope: tenant, purpose and epoch: values are equal under the same one alone.
        subject: whose data it is, where that is known: dates of one subject are shifted alike.
    """

    key: bytes | None = field(default=None, repr=False)
    scope: str = ""
    subject: str = ""


Apply = Callable[[str, str, Operator, Context], str]
ChangeValue = Callable[[Any, str, Operator, Context], Any]


def transform(value: str, entity: str, operator: Operator, context: Context) -> str:
    """Return what takes the place of a value.

    Raises:
        ConfigurationError: if the operator needs a key, and there is none.
    """
    return OPERATORS[operator.name](value, entity, operator, context)


class Dropped:
    """Stands for a value that goes away with its name or place."""


def transform_value(value: Any, entity: str, operator: Operator, context: Context) -> Any:
    """Return what takes the place of a declared field's value, or `Dropped`.

    Here `mask` puts three stars (the length of a declared field would tell something), `hash` puts HMAC-SHA256 over
    its canonical JSON in hex (RFC 2104, RFC 8785), and a number stays one under `noise`.

    Raises:
        ConfigurationError: if the operator needs a key, and there is none.
        ValueError: if the value cannot be written as canonical JSON.
    """
    change: ChangeValue = _OF_VALUES.get(operator.name, _as_text)
    return change(value, entity, operator, context)


def _as_text(value: Any, entity: str, operator: Operator, context: Context) -> str:
    """Change a text, a number as text, and an object or a list as its canonical JSON or not at all."""
    if not isinstance(value, str):
        if operator.name in _OF_ONE_VALUE and not _is_number(value):
            return f"<{entity}>"
        value = canonical_json(value).decode()
    return transform(value, entity, operator, context)


def _drop_value(value: Any, entity: str, operator: Operator, context: Context) -> Any:
    return Dropped


def _keep_value(value: Any, entity: str, operator: Operator, context: Context) -> Any:
    return value


def _mask_value(value: Any, entity: str, operator: Operator, context: Context) -> str:
    return MASK if operator.number is None else _as_text(value, entity, operator, context)


def _hash_value(value: Any, entity: str, operator: Operator, context: Context) -> str:
    return hmac.digest(_derived(context, "hash", entity, 32), canonical_json(value), "sha256").hex()


def _noise_value(value: Any, entity: str, operator: Operator, context: Context) -> Any:
    if not _is_number(value):
        return _as_text(value, entity, operator, context)
    made = value + laplace(float(value), entity, operator.number or 1.0, context)
    return round(made) if isinstance(value, int) else made


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def reveal(text: str, context: Context) -> str:
    """Return a text with its reversible tokens turned back.

    Raises:
        DecryptionError: if a token is not of this key and scope, or was changed.
    """
    return TOKEN.sub(lambda token: _untoken(token[1], token[2], context), text)


def _redact(value: str, entity: str, operator: Operator, context: Context) -> str:
    return ""


def _replace(value: str, entity: str, operator: Operator, context: Context) -> str:
    return f"<{entity}>"


def _mask(value: str, entity: str, operator: Operator, context: Context) -> str:
    """Letters and digits become stars, all but the last `number` of them."""
    keep, masked = operator.count or 0, []
    for character in reversed(value):
        if character.isalnum() and keep:
            keep -= 1
            masked.append(character)
        else:
            masked.append("*" if character.isalnum() else character)
    return "".join(reversed(masked))


def _hash(value: str, entity: str, operator: Operator, context: Context) -> str:
    digest = hmac.digest(_derived(context, "hash", entity, 32), _normal(value).encode(), "sha256").hex()
    return f"<{entity}:{digest[:32]}>"


def _token(value: str, entity: str, operator: Operator, context: Context) -> str:
    """AES-SIV (RFC 5297): deterministic, authenticated, and turned back by whoever has the key."""
    sealed = AESSIV(_derived(context, "token", entity, 64)).encrypt(
        value.encode("utf-8", "surrogatepass"), [entity.encode()]
    )
    return f"<{entity}:{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}>"


def _untoken(entity: str, text: str, context: Context) -> str:
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        opened = AESSIV(_derived(context, "token", entity, 64)).decrypt(sealed, [entity.encode()])
    except (InvalidTag, ValueError):
        raise DecryptionError("a token is not of this key and scope, or it was changed") from None
    return opened.decode("utf-8", "surrogatepass")


def _ff1(value: str, entity: str, operator: Operator, context: Context) -> str:
    """Format-preserving encryption of numbers (NIST SP 800-38G, FF1); what has letters in it is replaced."""
    return _format_preserving(value, entity, context, decrypt=False)


def decrypt_format(value: str, entity: str, context: Context) -> str:
    """Return what `ff1` made into `value`; nothing tells whether key and scope are the right ones."""
    return _format_preserving(value, entity, context, decrypt=True)


def _format_preserving(value: str, entity: str, context: Context, *, decrypt: bool) -> str:
    try:
        from fastfpe import ff1
    except ImportError:
        raise ConfigurationError("FF1 needs a package: pip install 'bento-governance[privacy]'") from None
    places = [place for place, character in enumerate(value) if character in _DIGITS]
    # SP 800-38G Rev. 1 asks for a million possible values at least.
    if len(places) < FF1_LEAST_DIGITS or sum(map(str.isalnum, value)) > len(places):
        return f"<{entity}>"
    key = _derived(context, "ff1", entity, 32).hex()
    digits = "".join(value[place] for place in places)
    changed = (ff1.decrypt if decrypt else ff1.encrypt)(key, "", _DIGITS, digits)
    characters = list(value)
    for place, character in zip(places, changed, strict=True):
        characters[place] = character
    return "".join(characters)


def _surrogate(value: str, entity: str, operator: Operator, context: Context) -> str:
    """Somebody else of the same kind, always the same one for a value; made up, and perhaps somebody's by chance."""
    seed = int.from_bytes(
        hmac.digest(_derived(context, "surrogate", entity, 32), _normal(value).encode(), "sha256")[:8]
    )
    faker = _faker("zh_CN" if any("\u4e00" <= character <= "\u9fff" for character in value) else "en_US")
    faker.seed_instance(seed)
    made = _SURROGATES.get(entity)
    if made is not None:
        return str(getattr(faker, made)()).replace("\n", ", ")
    return "".join(
        str(faker.random_digit())
        if character.isdigit()
        else faker.random_letter().lower()
        if character.isalpha()
        else character
        for character in value
    )


def _shift_date(value: str, entity: str, operator: Operator, context: Context) -> str:
    """So many days earlier or later, the same for all dates of a subject, so that time between them stays."""
    most = operator.count or MAX_SHIFT_DAYS
    number = int.from_bytes(
        hmac.digest(_derived(context, "date", "DATE_TIME", 32), context.subject.encode(), "sha256")[:8]
    )
    days = timedelta(days=number % (2 * most) - most or 1)
    match = _DATE.fullmatch(value.strip())
    if match is None:
        return f"<{entity}>"
    try:
        if match[1]:
            moved = date(int(match[1]), int(match[3]), int(match[4])) + days
            return f"{moved.year:04}{match[2]}{moved.month:02}{match[2]}{moved.day:02}"
        day, month = (int(match[5]), int(match[7])) if int(match[7]) <= 12 else (int(match[7]), int(match[5]))
        moved = date(int(match[8]), month, day) + days
    except (ValueError, OverflowError):
        return f"<{entity}>"
    first, second = (moved.day, moved.month) if int(match[7]) <= 12 else (moved.month, moved.day)
    return f"{first:02}{match[6]}{second:02}{match[6]}{moved.year:04}"


def _bucket(value: str, entity: str, operator: Operator, context: Context) -> str:
    """A number becomes the range that it lies in: 42 with `bucket:10` is 40-49."""
    found, width = _NUMBER.fullmatch(value.strip()) or re.search(r"\d{1,15}", value), operator.number or 10.0
    if found is None:
        return f"<{entity}>"
    low = bucket_floor(float(found[0]), width)
    return f"{low:g}-{low + width - (1 if width.is_integer() else 0):g}"


def bucket_floor(number: float, width: float) -> float:
    """Return the lower bound of the range of this width that a number lies in."""
    return math.floor(number / width) * width


def _noise(value: str, entity: str, operator: Operator, context: Context) -> str:
    """A number becomes one near it: Laplace noise of this scale is added, the same for equal values.

    Noise that were drawn again each time would go away by asking often. It is no differential privacy.
    """
    found = _NUMBER.fullmatch(value.strip())
    if found is None:
        return f"<{entity}>"
    decimals = len(found[0].partition(".")[2])
    made = float(found[0]) + laplace(float(found[0]), entity, operator.number or 1.0, context)
    return f"{made:.{decimals}f}"


def laplace(number: float, entity: str, scale: float, context: Context) -> float:
    """Return the noise that belongs to a number under a key: Laplace-distributed (inverse transform), mean 0.

    Raises:
        ConfigurationError: if there is no key.
    """
    digest = hmac.digest(_derived(context, "noise", entity, 32), struct.pack("<d", number), "sha256")
    # 53 bits, so that each is a double, and never 0 or 1.
    share = ((int.from_bytes(digest[:8]) >> 11) + 0.5) / 2**53
    return -scale * math.copysign(math.log1p(-2 * abs(share - 0.5)), share - 0.5)


def _truncate(value: str, entity: str, operator: Operator, context: Context) -> str:
    """The first characters alone: 94105 with `truncate:3` is 941."""
    return value[: operator.count if operator.count is not None else 3]


def _keep(value: str, entity: str, operator: Operator, context: Context) -> str:
    return value


OPERATORS: Mapping[str, Apply] = {
    # In text there is nothing to drop but the words; a field goes with its name, a column with its header.
    DROP: _redact,
    "redact": _redact,
    "replace": _replace,
    "mask": _mask,
    "hash": _hash,
    "token": _token,
    "ff1": _ff1,
    "surrogate": _surrogate,
    "shift-date": _shift_date,
    "bucket": _bucket,
    "noise": _noise,
    "truncate": _truncate,
    "keep": _keep,
}
KEYED = frozenset({"hash", "token", "ff1", "surrogate", "shift-date", "noise"})
NUMBERED = ("mask", "shift-date", "bucket", "noise", "truncate")
FRACTIONS, POSITIVE = frozenset({"bucket", "noise"}), frozenset({"shift-date", "bucket", "noise"})
# These need a value that is one number or one date; of an object or a list there is nothing they could do.
_OF_ONE_VALUE = frozenset({"mask", "ff1", "surrogate", "shift-date", "bucket", "noise", "truncate"})
# What is done otherwise to a declared field than to a finding in text.
_OF_VALUES: Mapping[str, ChangeValue] = {
    DROP: _drop_value,
    "keep": _keep_value,
    "mask": _mask_value,
    "hash": _hash_value,
    "noise": _noise_value,
}
_SURROGATES = {
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


@lru_cache(4096)
def _expand(key: bytes, operator: str, entity: str, scope: str, size: int) -> bytes:
    info = f"bento-governance privacy {operator}\x00{entity}\x00{scope}".encode()
    return HKDFExpand(SHA256(), size, info).derive(key)


def _derived(context: Context, operator: str, entity: str, size: int) -> bytes:
    """Return the key of one operator, entity and scope: HKDF-Expand (RFC 5869) of a secret that is uniform already."""
    if context.key is None:
        raise ConfigurationError(f"the operator '{operator}' needs a key: [privacy] hash_key")
    return _expand(context.key, operator, entity, context.scope, size)


def _normal(value: str) -> str:
    """What differs only in spaces and capitals is the same."""
    return re.sub(r"\s+", " ", value).strip().casefold()


@lru_cache
def _faker(locale: str) -> Any:
    try:
        from faker import Faker
    except ImportError:
        raise ConfigurationError("surrogates need a package: pip install 'bento-governance[privacy]'") from None
    return Faker(locale)
