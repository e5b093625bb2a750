"""Keys encrypted with a passphrase: they open only with it, and every refusal has a clear message."""

import os
import subprocess

import pytest

from governance.errors import ConfigurationError, KeyRefusedError, KeyUnavailableError
from governance.keys import generate_recipient_key, generate_signing_key, open_recipient_key, open_signing_key
from governance.keys.key_files import write_new
from governance.keys.providers.passphrase import decrypt_key, encrypt_key


@pytest.fixture
def key(tmp_path, monkeypatch):
    signing = generate_signing_key()
    write_new(tmp_path / "key", encrypt_key(signing.to_pem(), b"correct horse", os.urandom), mode=0o600)
    monkeypatch.setenv("PASS", "correct horse")
    monkeypatch.setenv("WRONG", "battery staple")
    return tmp_path / "key", signing


def test_encrypted_key_opens_with_its_passphrase(key, tmp_path):
    path, signing = key
    assert open_signing_key(f"file:{path}?passphrase=env:PASS").public_key == signing.public_key
    write_new(tmp_path / "pass", b"correct horse\n", mode=0o600)
    assert open_signing_key(f"file:{path}?passphrase=file:{tmp_path}/pass").public_key == signing.public_key


def test_encrypted_key_can_be_of_any_kind(tmp_path, monkeypatch):
    recipient = generate_recipient_key("x-wing", os.urandom)
    write_new(tmp_path / "r", encrypt_key(recipient.to_pem(), b"p", os.urandom), mode=0o600)
    monkeypatch.setenv("PASS", "p")
    assert open_recipient_key(f"file:{tmp_path}/r?passphrase=env:PASS").key_id == recipient.key_id


def test_encrypted_key_without_passphrase_error_says_how_to_give_one(key):
    with pytest.raises(KeyUnavailableError, match="passphrase=env:NAME"):
        open_signing_key(f"file:{key[0]}")


def test_encrypted_key_refuses_wrong_passphrase_and_changed_file(key):
    path, _ = key
    with pytest.raises(KeyRefusedError, match="is wrong") as refusal:
        open_signing_key(f"file:{path}?passphrase=env:WRONG")
    assert "battery" not in str(refusal.value)
    lines = path.read_bytes().splitlines()
    for number in range(1, len(lines) - 1):
        changed = list(lines)
        changed[number] = (b"A" if lines[number][:1] != b"A" else b"B") + lines[number][1:]
        with pytest.raises((KeyRefusedError, ConfigurationError)):
            decrypt_key(b"\n".join(changed), b"correct horse", "key")


def test_encrypted_key_that_requires_too_much_memory_is_refused(key):
    import base64

    lines = key[0].read_bytes().splitlines()
    data = bytearray(base64.b64decode(b"".join(lines[1:-1])))
    data[1] = 31
    with pytest.raises(ConfigurationError, match="more memory"):
        decrypt_key(b"\n".join([lines[0], base64.b64encode(data), lines[-1]]), b"correct horse", "key")


def test_encrypted_key_in_pkcs8_of_openssl_is_read(tmp_path, monkeypatch):
    signing = generate_signing_key()
    (tmp_path / "plain").write_bytes(signing.to_pem())
    command = ["openssl", "pkcs8", "-topk8", "-scrypt", "-in", str(tmp_path / "plain"), "-out", str(tmp_path / "key")]
    subprocess.run([*command, "-passout", "pass:correct horse"], check=True, capture_output=True)
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv("PASS", "correct horse")
    monkeypatch.setenv("WRONG", "x")
    assert open_signing_key(f"file:{tmp_path}/key?passphrase=env:PASS").public_key == signing.public_key
    with pytest.raises(KeyRefusedError):
        open_signing_key(f"file:{tmp_path}/key?passphrase=env:WRONG")
