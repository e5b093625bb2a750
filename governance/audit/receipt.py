"""Receipts: with the receipt of an answer, a caller can prove later what was requested and answered. See FORMAT.md."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from governance.audit.entry import SALT_BYTES
from governance.audit.merkle import HASH_BYTES
from governance.errors import BadRequestError

_FORM = re.compile(r"v1;([A-Za-z0-9._/-]{1,200});(0|[1-9][0-9]{0,15});([A-Za-z0-9_-]{43});([A-Za-z0-9_-]{22})")


# RFC 4648, section 5.
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The name of one entry of one log, with the salt of its commitments.

    Attributes:
        origin: Name of the log.
        index: Number of the entry, from 0.
        leaf: Hash of the entry (RFC 6962), 32 bytes.
        salt: Salt of the commitments to the bodies, 16 bytes.
    """

    origin: str
    index: int
    leaf: bytes
    salt: bytes

    def to_text(self) -> str:
        """Return the value of a Governance-Receipt header: `v1;ORIGIN;INDEX;LEAF;SALT`, bytes as base64url."""
        return f"v1;{self.origin};{self.index};{_encode(self.leaf)};{_encode(self.salt)}"

    @classmethod
    def from_text(cls, text: str) -> Receipt:
        """Parse `text`, the value of a Governance-Receipt header.

        Raises:
            BadRequestError: if it has another form.
        """
        match = _FORM.fullmatch(text)
        try:
            if match is None:
                raise ValueError("form")
            origin, index, leaf, salt = match.groups()
            receipt = cls(origin, int(index), _decode(leaf, HASH_BYTES), _decode(salt, SALT_BYTES))
        except (ValueError, binascii.Error):
            raise BadRequestError("this is not the value of a Governance-Receipt header") from None
        if receipt.to_text() != text:
            raise BadRequestError("this is not the value of a Governance-Receipt header")
        return receipt


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).decode("ascii").rstrip("=")


def _decode(text: str, length: int) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(data) != length:
        raise ValueError("length")
    return data
