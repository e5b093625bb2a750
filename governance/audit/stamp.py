"""Stamps: each entry is authenticated before a checkpoint covers it. See FORMAT.md, "Stamps".

The stamp is a member of the entry itself, so the tree and all proofs cover it, and a line is one entry as before.
"""

from __future__ import annotations

import hmac
from binascii import b2a_base64

from governance.errors import LogInconsistentError
from governance.keys import Signer, derive_secret

STAMP_BYTES = 16
# In canonical JSON, the member `status` follows `stamp`. A quotation mark inside a text is escaped, and no member after
# `status` is an object, so the last occurrence is the member.
_NEXT = b',"status":'
_MEMBER = b',"stamp":"'
# Characters of a stamp: base64 of 16 bytes, padded.
_ENCODED = 24


class Stamper:
    """Stamps and verifies the entries of one log.

    Args:
        key: Checkpoint key, from which the key of the stamps is derived.
        origin: Origin of the log.

    Raises:
        ConfigurationError: if the key cannot be used for that.
        KeyUnavailableError: if its key service cannot be reached.
    """

    def __init__(self, key: Signer, origin: str) -> None:
        self._key = derive_secret(key, b"stamps of audit entries\x00" + origin.encode())

    def stamp(self, index: int, entry: bytes) -> bytes:
        """Return the entry with its stamp.

        Args:
            index: Number of the entry in the log, from 0.
            entry: Canonical JSON of an entry without a stamp.

        Raises:
            ValueError: if it is not an entry.
        """
        place = entry.rindex(_NEXT)
        return b"".join((entry[:place], _MEMBER, self._stamp(index, entry), b'"', entry[place:]))

    def verify(self, index: int, entry: bytes) -> bytes:
        """Return the entry without its stamp, if this log stamped it as number `index`.

        Raises:
            LogInconsistentError: if it has no stamp, or another.
        """
        end = entry.rfind(_NEXT)
        start = end - len(_MEMBER) - _ENCODED - 1
        if start < 0 or entry[start : start + len(_MEMBER)] != _MEMBER:
            raise LogInconsistentError(f"entry {index} has no stamp")
        bare = entry[:start] + entry[end:]
        if not hmac.compare_digest(entry[start + len(_MEMBER) : end - 1], self._stamp(index, bare)):
            raise LogInconsistentError(f"entry {index} has a wrong stamp")
        return bare

    def _stamp(self, index: int, entry: bytes) -> bytes:
        digest = hmac.digest(self._key, b"%d\n%b" % (index, entry), "sha256")
        return b2a_base64(digest[:STAMP_BYTES], newline=False)
