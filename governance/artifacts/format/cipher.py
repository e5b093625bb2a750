"""Encryption of one part: c2sp.org/chunked-encryption (Cobblestone-256), implemented by `cryptography`.

The ciphertext commits to key and context; removed, moved or added chunks are detected. Plaintext is verified as a whole
only after the last chunk. See FORMAT.md, "Parts".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from governance.errors import DecryptionError

NAME = "Cobblestone-256"
KEY_BYTES = 32
PART_BYTES = 64 * 2**20
BLOCK_BYTES = 2**20
_HEADER_BYTES, _CHUNK_BYTES, _TAG_BYTES = 56, 16 * 2**10, 16

Write = Callable[[int, memoryview], None]
"""Receives the offset in the part and a piece of plaintext; the piece is overwritten after the call."""


def ciphertext_bytes(plaintext_bytes: int) -> int:
    """Return the length of the ciphertext of a plaintext with this length, both in bytes."""
    return _HEADER_BYTES + plaintext_bytes + _TAG_BYTES * (plaintext_bytes // _CHUNK_BYTES + 1)


class PartEncryptor:
    """Encrypts one part piece by piece.

    Args:
        key: Data key, 32 bytes.
        context: Bytes that the ciphertext is bound to; decryption needs the same.
    """

    def __init__(self, key: bytes, context: bytes) -> None:
        self._encryptor, self._digest = Cobblestone256Encryptor(key, context), hashlib.sha256()

    def update(self, plaintext: bytes | memoryview) -> bytes:
        """Return the next bytes of ciphertext for a piece of plaintext."""
        ciphertext: bytes = self._encryptor.update(plaintext)
        self._digest.update(ciphertext)
        return ciphertext

    def finalize(self) -> bytes:
        """Return the last bytes of ciphertext."""
        ciphertext: bytes = self._encryptor.finalize()
        self._digest.update(ciphertext)
        return ciphertext

    @property
    def ciphertext_sha256(self) -> str:
        """SHA-256 of the ciphertext returned until now, in hex."""
        return self._digest.hexdigest()


def encrypt(key: bytes, context: bytes, plaintext: bytes | memoryview) -> bytes:
    """Return the ciphertext of one part; see `PartEncryptor`."""
    encryptor = PartEncryptor(key, context)
    return encryptor.update(plaintext) + encryptor.finalize()


def decrypt(
    key: bytes, context: bytes, blocks: Iterable[bytes | memoryview], plaintext_bytes: int, write: Write
) -> None:
    """Decrypt one part and pass its plaintext on piece by piece; it is verified only when this function returns.

    Args:
        key: Data key, 32 bytes.
        context: The context of encryption.
        blocks: The ciphertext in blocks of at most `BLOCK_BYTES`.
        plaintext_bytes: Expected length of the plaintext; no more is passed on.
        write: Receives the pieces.

    Raises:
        DecryptionError: if key or context is wrong, or the ciphertext was changed, truncated or extended.
    """
    # A block can yield more bytes than it has: the cipher may hold back up to one chunk and its tag.
    buffer = memoryview(bytearray(BLOCK_BYTES + 2 * (_CHUNK_BYTES + _TAG_BYTES)))
    written = 0
    try:
        decryptor = Cobblestone256Decryptor(key, context)
        for block in blocks:
            count = decryptor.update_into(block, buffer)
            if written + count > plaintext_bytes:
                raise ValueError("longer than expected")
            write(written, buffer[:count])
            written += count
        last = memoryview(decryptor.finalize())
        if written + len(last) != plaintext_bytes:
            raise ValueError("another length than expected")
        write(written, last)
    except (InvalidTag, ValueError):
        raise DecryptionError(
            "a part cannot be decrypted: it was changed, truncated, moved, or encrypted with another key"
        ) from None
    finally:
        buffer[:] = bytes(len(buffer))
