"""Encrypt and decrypt one part: c2sp.org/chunked-encryption (Cobblestone-256), as `cryptography` has it.

The construction commits to key and context and refuses cut, moved or added chunks; plaintext is final only
after the last chunk. See FORMAT.md, "Parts".
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
"""Takes a piece of plaintext and its offset in the part; the piece is overwritten afterwards."""


def ciphertext_bytes(plaintext_bytes: int) -> int:
    """Return how long the ciphertext of so many bytes is."""
    return _HEADER_BYTES + plaintext_bytes + _TAG_BYTES * (plaintext_bytes // _CHUNK_BYTES + 1)


class PartEncryptor:
    """Encrypts one part under a key of 32 bytes, bound to a context; `ciphertext_sha256` is known at the end."""

    def __init__(self, key: bytes, context: bytes) -> None:
        self._encryptor, self._digest = Cobblestone256Encryptor(key, context), hashlib.sha256()

    def update(self, plaintext: bytes | memoryview) -> bytes:
        ciphertext: bytes = self._encryptor.update(plaintext)
        self._digest.update(ciphertext)
        return ciphertext

    def finalize(self) -> bytes:
        ciphertext: bytes = self._encryptor.finalize()
        self._digest.update(ciphertext)
        return ciphertext

    @property
    def ciphertext_sha256(self) -> str:
        return self._digest.hexdigest()


def encrypt(key: bytes, context: bytes, plaintext: bytes | memoryview) -> bytes:
    """Return the ciphertext of one part."""
    encryptor = PartEncryptor(key, context)
    return encryptor.update(plaintext) + encryptor.finalize()


def decrypt(
    key: bytes, context: bytes, blocks: Iterable[bytes | memoryview], plaintext_bytes: int, write: Write
) -> None:
    """Decrypt one part, and hand its plaintext on piece by piece. It is final only when this returns.

    Args:
        blocks: the ciphertext in blocks of at most `BLOCK_BYTES`.
        plaintext_bytes: how long the plaintext must be; never more is handed on.

    Raises:
        DecryptionError: for a wrong key or context, or a ciphertext that was changed, cut or extended.
    """
    # What a block yields can be longer than the block by what the cipher held back: less than a chunk with its tag.
    buffer = memoryview(bytearray(BLOCK_BYTES + 2 * (_CHUNK_BYTES + _TAG_BYTES)))
    written = 0
    try:
        decryptor = Cobblestone256Decryptor(key, context)
        for block in blocks:
            count = decryptor.update_into(block, buffer)
            if written + count > plaintext_bytes:
                raise ValueError("longer than said")
            write(written, buffer[:count])
            written += count
        last = memoryview(decryptor.finalize())
        if written + len(last) != plaintext_bytes:
            raise ValueError("not as long as said")
        write(written, last)
    except (InvalidTag, ValueError):
        raise DecryptionError("a part does not decrypt: changed, cut short, moved, or under another key") from None
    finally:
        buffer[:] = bytes(len(buffer))
