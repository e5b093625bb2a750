"""The cipher: every public Wycheproof case, through our own functions."""

import hashlib
import json
import zlib

import pytest

from governance.artifacts.cipher import ciphertext_bytes, decrypt_into, encrypt
from governance.errors import DecryptionError


def test_public_vectors_are_decrypted_or_refused_as_they_say(vectors):
    document = json.loads((vectors / "wycheproof/c2sp_chunked_encryption_aes_256_gcm_test.json").read_text())
    results = {"valid": 0, "invalid": 0}
    for group in document["testGroups"]:
        for case in group["tests"]:
            key, context = bytes.fromhex(case["key"]), bytes.fromhex(case["ctx"])
            ciphertext = zlib.decompress(bytes.fromhex(case["ct"]))  # The public file holds them deflated.
            results[case["result"]] += 1
            lengths = range(max(len(ciphertext) - 56, 0) + 1) if len(ciphertext) < 200 else [None]
            if case["result"] == "valid":
                buffer = memoryview(bytearray(case["msgLength"]))
                assert decrypt_into(key, context, ciphertext, buffer) == hashlib.sha256(ciphertext).hexdigest()
                assert hashlib.sha512(buffer).hexdigest() == case["msgSha512"], case["tcId"]
                assert ciphertext_bytes(case["msgLength"]) == len(ciphertext)
                continue
            for length in lengths:
                fitting = length if length is not None else _plaintext_length(len(ciphertext))
                buffer = memoryview(bytearray(b"x" * fitting))
                with pytest.raises(DecryptionError):
                    decrypt_into(key, context, ciphertext, buffer)
                assert not any(buffer), case["tcId"]
    assert results == {"valid": 10, "invalid": 25}


def _plaintext_length(ciphertext: int) -> int:
    return max(ciphertext - 56 - 16 * (max(ciphertext - 56, 0) // (16384 + 16) + 1), 0)


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 100_000])
def test_encrypt_is_undone_by_decrypt(size):
    plaintext, key = bytes(size), b"k" * 32
    ciphertext = encrypt(key, b"c", plaintext)
    buffer = memoryview(bytearray(b"x" * size))
    decrypt_into(key, b"c", ciphertext, buffer)
    assert bytes(buffer) == plaintext
    assert len(ciphertext) == ciphertext_bytes(size)
    with pytest.raises(DecryptionError):
        decrypt_into(key, b"d", ciphertext, buffer)
