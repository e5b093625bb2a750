"""Encrypt and decrypt one part: c2sp.org/chunked-encryption (Cobblestone-256), as `cryptography` has it.

The construction commits to key and context and refuses cut, moved or added chunks; plaintext is final only
after the last chunk. See FORMAT.md, "Parts".
"""

from __future__ import annotations

import hashlib

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from governance.errors import DecryptionError

NAME = "Cobblestone-256"
KEY_BYTES = 32
PART_BYTES = 64 * 2**20
_HEADER_BYTES, _CHUNK_BYTES, _TAG_BYTES = 56, 16 * 2**10, 16


def ciphertext_bytes(plaintext_bytes: int) -> int:
    """Return how long the ciphertext of so many bytes is."""
    return _HEADER_BYTES + plaintext_bytes + _TAG_BYTES * (plaintext_bytes // _CHUNK_BYTES + 1)


def encrypt(key: bytes, context: bytes, plaintext: bytes | memoryview) -> bytes:
    """Return the ciphertext of one part under a key of 32 bytes, bound to `context`."""
    encryptor = Cobblestone256Encryptor(key, context)
    return b"".join((encryptor.update(plaintext), encryptor.finalize()))


def decrypt_into(key: bytes, context: bytes, ciphertext: bytes | memoryview, buffer: memoryview) -> str:
    """Decrypt one part into `buffer`, and return the SHA-256 of the ciphertext, in hex.

    Args:
        buffer: exactly as long as the plaintext; holds nothing of it if this raises.

    Raises:
        DecryptionError: for a wrong key or context, or a ciphertext that was changed, cut or extended.
    """
    try:
        decryptor = Cobblestone256Decryptor(key, context)
        written = decryptor.update_into(ciphertext, buffer)
        last = decryptor.finalize()
        if written + len(last) != len(buffer):
            raise ValueError("length")
        buffer[written:] = last
    except (InvalidTag, ValueError):
        wipe(buffer)
        raise DecryptionError("a part does not decrypt: changed, cut short, moved, or under another key") from None
    return hashlib.sha256(ciphertext).hexdigest()


def wipe(buffer: memoryview) -> None:
    """Overwrite a buffer with zeros."""
    step = 2**20
    zeros = bytes(step)
    for start in range(0, len(buffer), step):
        buffer[start : start + step] = zeros[: len(buffer) - start]
