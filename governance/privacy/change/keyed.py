"""Operators whose result depends on the key and the value: hash, token, ff1; and how tokens are revealed.

Equal values get equal results under one key, entity and scope. Without the key a value cannot be found by trying.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from governance.errors import ConfigurationError, DecryptionError
from governance.privacy.change.context import Context, derive_key, keyed_digest, normalized

# Of any entity, also one with digits or small letters. A hash has another mark, since it cannot be turned back.
TOKEN = re.compile(r"<([A-Za-z][A-Za-z0-9_]{0,63}):([A-Za-z0-9_-]{22,})>")
# NIST SP 800-38G Rev. 1 requires at least a million possible values.
FF1_LEAST_DIGITS = 6
_DIGITS = "0123456789"


def hash_text(value: str, entity: str, number: float, context: Context) -> str:
    """Return the entity and 32 hex digits of HMAC-SHA256: `Ada Lovelace` becomes `<PERSON#5f2a…>`.

    Capitals and spaces make no difference: `ada  LOVELACE` gets the same hash.

    Raises:
        ConfigurationError: If the context has no key.
    """
    digest = keyed_digest(context, "hash", entity, normalized(value).encode()).hex()
    return f"<{entity}#{digest[:32]}>"


def tokenize(value: str, entity: str, number: float, context: Context) -> str:
    """Return the value encrypted with AES-SIV (RFC 5297), which `reveal` turns back: `<PERSON:3q2-7wAA…>`.

    Raises:
        ConfigurationError: If the context has no key.
    """
    sealed = AESSIV(derive_key(context, "token", entity, 64)).encrypt(
        value.encode("utf-8", "surrogatepass"), [entity.encode()]
    )
    return f"<{entity}:{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}>"


@dataclass(frozen=True, slots=True)
class Revealed:
    """Texts whose tokens were decrypted.

    Attributes:
        texts: The texts; a token that could not be decrypted is in them as it was.
        revealed: Number of tokens that were decrypted.
        kept: Number of tokens that were not, because they are of another key or scope, or were changed.
    """

    texts: Sequence[str]
    revealed: int
    kept: int


def reveal(texts: Sequence[str], context: Context) -> Revealed:
    """Return texts with their tokens decrypted: `Ask <PERSON:3q2-7wAA…>` becomes `Ask Ada Lovelace`.

    Raises:
        DecryptionError: If none of several tokens could be decrypted: all are of another key or scope, or were changed.
        ConfigurationError: If the context has no key.
    """
    revealed = kept = 0

    def open_token(token: re.Match[str]) -> str:
        nonlocal revealed, kept
        try:
            opened = _reveal_token(token[1], token[2], context)
        except DecryptionError:
            kept += 1
            return token[0]
        revealed += 1
        return opened

    changed = [TOKEN.sub(open_token, text) for text in texts]
    if kept and not revealed:
        raise DecryptionError("a token is not of this key and scope, or it was changed")
    return Revealed(changed, revealed, kept)


def _reveal_token(entity: str, text: str, context: Context) -> str:
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        opened = AESSIV(derive_key(context, "token", entity, 64)).decrypt(sealed, [entity.encode()])
    except (InvalidTag, ValueError):
        raise DecryptionError("a token is not of this key and scope, or it was changed") from None
    return opened.decode("utf-8", "surrogatepass")


def encrypt_format(value: str, entity: str, number: float, context: Context) -> str:
    """Return a number encrypted digit by digit into another of the same form (FF1, NIST SP 800-38G).

    `4111-1111` becomes for example `9302-5571`. A value with letters, or with fewer than six digits, becomes
    `<ENTITY>`.

    Raises:
        ConfigurationError: If the context has no key, or the package for FF1 is not installed.
    """
    return _format_preserving(value, entity, context, decrypt=False)


def decrypt_format(value: str, entity: str, context: Context) -> str:
    """Return the number that `encrypt_format` made into `value`.

    FF1 is not authenticated: another key or scope gives another number, and no error.

    Raises:
        ConfigurationError: If the context has no key, or the package for FF1 is not installed.
    """
    return _format_preserving(value, entity, context, decrypt=True)


def _format_preserving(value: str, entity: str, context: Context, *, decrypt: bool) -> str:
    try:
        from fastfpe import ff1
    except ImportError:
        raise ConfigurationError("FF1 needs a package: pip install 'bento-governance[privacy]'") from None
    places = [place for place, character in enumerate(value) if character in _DIGITS]
    if len(places) < FF1_LEAST_DIGITS or sum(map(str.isalnum, value)) > len(places):
        return f"<{entity}>"
    key = derive_key(context, "ff1", entity, 32).hex()
    digits = "".join(value[place] for place in places)
    changed = (ff1.decrypt if decrypt else ff1.encrypt)(key, "", _DIGITS, digits)
    characters = list(value)
    for place, character in zip(places, changed, strict=True):
        characters[place] = character
    return "".join(characters)
