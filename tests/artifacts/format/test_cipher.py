"""The cipher: every public Wycheproof case, decrypted with our functions."""

import hashlib
import json
import zlib

import pytest

from governance.artifacts.format.cipher import BLOCK_BYTES, ciphertext_bytes, decrypt, encrypt
from governance.errors import DecryptionError


def opened(key, context, ciphertext, size):
    plaintext = bytearray(b"x" * size)

    def write(offset, piece):
        assert offset + len(piece) <= size
        plaintext[offset : offset + len(piece)] = piece

    blocks = [ciphertext[start : start + BLOCK_BYTES] for start in range(0, len(ciphertext), BLOCK_BYTES)]
    decrypt(key, context, blocks, size, write)
    return bytes(plaintext)


def test_cipher_public_vectors_have_the_expected_result(vectors):
    document = json.loads((vectors / "wycheproof/c2sp_chunked_encryption_aes_256_gcm_test.json").read_text())
    results = {"valid": 0, "invalid": 0}
    for group in document["testGroups"]:
        for case in group["tests"]:
            key, context = bytes.fromhex(case["key"]), bytes.fromhex(case["ctx"])
            ciphertext = zlib.decompress(bytes.fromhex(case["ct"]))  # The public file contains the messages compressed.
            results[case["result"]] += 1
            lengths = range(max(len(ciphertext) - 56, 0) + 1) if len(ciphertext) < 200 else [None]
            if case["result"] == "valid":
                plaintext = opened(key, context, ciphertext, case["msgLength"])
                assert hashlib.sha512(plaintext).hexdigest() == case["msgSha512"], case["tcId"]
                assert ciphertext_bytes(case["msgLength"]) == len(ciphertext)
                continue
            for length in lengths:
                fitting = length if length is not None else _plaintext_length(len(ciphertext))
                with pytest.raises(DecryptionError):
                    opened(key, context, ciphertext, fitting)
    assert results == {"valid": 10, "invalid": 25}


def _plaintext_length(ciphertext: int) -> int:
    return max(ciphertext - 56 - 16 * (max(ciphertext - 56, 0) // (16384 + 16) + 1), 0)


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 100_000, 2 * BLOCK_BYTES + 5])
def test_cipher_decrypt_reverses_encrypt(size):
    plaintext, key = bytes(range(256)) * (size // 256 + 1), b"k" * 32
    plaintext = plaintext[:size]
    ciphertext = encrypt(key, b"c", plaintext)
    assert opened(key, b"c", ciphertext, size) == plaintext
    assert len(ciphertext) == ciphertext_bytes(size)
    for wrong_key, context, sent, length in (
        (key, b"d", ciphertext, size),
        (b"l" * 32, b"c", ciphertext, size),
        (key, b"c", ciphertext + b"x", size),
        (key, b"c", ciphertext[:-1], size),
        (key, b"c", ciphertext, size + 1),
        (key, b"c", ciphertext, max(size - 1, 0) if size else 1),
    ):
        with pytest.raises(DecryptionError):
            opened(wrong_key, context, sent, length)
