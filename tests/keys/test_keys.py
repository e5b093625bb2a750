"""Keys: strict modes, clear errors, and no key in a message."""

import base64
import os

import pytest

from governance.errors import ConfigurationError, DecryptionError, KeyUnavailableError, SignatureError
from governance.keys import (
    generate_recipient_key,
    generate_signing_key,
    load_recipient_public_key,
    load_verifying_key,
    open_recipient_key,
    open_secret,
    open_signing_key,
)
from governance.keys.key_files import write_new
from governance.keys.providers.env import read_private


def private(tmp_path, content, mode=0o600):
    write_new(tmp_path / "key", content, mode=mode)
    return f"file:{tmp_path / 'key'}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_private_key_file_readable_by_others_is_refused(tmp_path, mode):
    with pytest.raises(ConfigurationError, match="chmod 600"):
        open_secret(private(tmp_path, b"x", mode))


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_private_key_file_of_the_owner_opens(tmp_path, mode):
    assert open_secret(private(tmp_path, base64.b64encode(b"s" * 32), mode)) == b"s" * 32


def test_key_file_that_is_a_folder_or_pipe_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="regular file"):
        open_secret(f"file:{tmp_path}")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigurationError, match="regular file"):
        open_secret(f"file:{tmp_path / 'pipe'}")


def test_missing_key_is_unavailable(tmp_path):
    with pytest.raises(KeyUnavailableError, match="absent does not exist"):
        open_secret(f"file:{tmp_path / 'absent'}")
    with pytest.raises(KeyUnavailableError, match="NO_SUCH"):
        open_secret("env:NO_SUCH_VARIABLE_HERE")


@pytest.mark.parametrize("uri", ["", "file:", "hunter2", "http://x", "ENV:X", "hsm:x"])
def test_key_uri_that_is_invalid_is_not_repeated(uri):
    with pytest.raises(ConfigurationError) as refusal:
        open_secret(uri)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"short", base64.b64encode(b"s" * 31), b"\xff\xfe"])
def test_malformed_secret_is_refused_without_showing_it(tmp_path, content):
    with pytest.raises(ConfigurationError) as refusal:
        open_secret(private(tmp_path, content))
    assert "short" not in str(refusal.value)


def test_env_provider_reads_keys_from_the_environment():
    assert read_private("K", {"K": "text"}) == b"text"


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521"])
def test_signature_verifies_only_with_its_key_and_message(tmp_path, algorithm):
    key = open_signing_key(private(tmp_path, generate_signing_key(algorithm).to_pem()))
    write_new(tmp_path / "pub", key.public_key.pem, mode=0o644)
    public = load_verifying_key(tmp_path / "pub")
    assert key.public_key.algorithm == public.algorithm == algorithm
    signature = key.sign(b"message")
    assert public.verify_signature(signature, b"message") == b"message"
    for wrong in (
        (signature, b"messagf"),
        (signature[:-1] + bytes([signature[-1] ^ 1]), b"message"),
        (b"", b"message"),
    ):
        with pytest.raises(SignatureError):
            public.verify_signature(*wrong)
    with pytest.raises(SignatureError):
        generate_signing_key(algorithm).public_key.verify_signature(signature, b"message")


def test_recipient_key_unwraps_only_its_own_data_keys(tmp_path):
    made = generate_recipient_key("x-wing", lambda n: b"s" * n)
    key = open_recipient_key(private(tmp_path, made.to_pem()))
    write_new(tmp_path / "pub", made.public_key.to_pem(), mode=0o644)
    wrapped = load_recipient_public_key(tmp_path / "pub").wrap(b"data key", b"info")
    assert key.unwrap(wrapped, b"info") == b"data key"
    for other, sent, info in (
        (key, wrapped, b"other"),
        (key, wrapped[:-1], b"info"),
        (key, bytes([wrapped[0] ^ 1]) + wrapped[1:], b"info"),
        (generate_recipient_key("x-wing", lambda n: b"t" * n), wrapped, b"info"),
    ):
        with pytest.raises(DecryptionError):
            other.unwrap(sent, info)


def test_x_wing_expands_a_seed_as_the_draft_requires():
    """draft-connolly-cfrg-xwing-kem: ML-KEM seed and X25519 key are SHAKE256(seed), 64 and 32 bytes of it."""
    import hashlib

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    seed = bytes(range(32))
    x = X25519PrivateKey.from_private_bytes(hashlib.shake_256(seed).digest(96)[64:]).public_key().public_bytes_raw()
    assert generate_recipient_key("x-wing", lambda _: seed).public_key.raw[-32:] == x


def test_key_repr_shows_no_secret():
    assert "PRIVATE" not in repr(generate_signing_key())
    assert "73737373" not in repr(generate_recipient_key("x-wing", lambda n: b"s" * n)) and "ssss" not in repr(
        generate_recipient_key("x-wing", lambda n: b"s" * n)
    )


def test_key_file_is_never_overwritten(tmp_path):
    write_new(tmp_path / "key", b"first", mode=0o600)
    with pytest.raises(ConfigurationError, match="never overwritten"):
        write_new(tmp_path / "key", b"second", mode=0o600)
    assert (tmp_path / "key").read_bytes() == b"first"
