"""Amending: approvals and recipients change, header and parts do not, and an interruption loses nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from governance.artifacts import amend
from governance.artifacts.amend import approve, rewrap
from governance.artifacts.opening import inspect_sealed
from governance.artifacts.trust.signing import ModelSigner
from governance.artifacts.trust.trust import Trust
from governance.errors import ConfigurationError, DecryptionError, SignatureError
from governance.keys import generate_recipient_key, generate_signing_key

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture
def file(sealed, tmp_path):
    return shutil.copy(sealed.file, tmp_path / "m.sealed")


def another():
    return generate_recipient_key("x-wing", os.urandom)


@pytest.mark.parametrize("algorithm", ["x-wing", "x25519", "p256"])
def test_rewrap_added_recipient_opens_the_artifact_and_the_body_is_unchanged(sealed, file, algorithm):
    new = generate_recipient_key(algorithm, os.urandom)
    before = inspect_sealed(file)
    body = file.read_bytes()[: before.trailer_offset]
    assert set(rewrap(file, recipient_key=sealed.recipient, add=[new.public_key])) == {
        new.key_id,
        sealed.recipient.key_id,
    }
    assert file.read_bytes()[: before.trailer_offset] == body
    assert inspect_sealed(file).trailer.signatures == before.trailer.signatures
    for key in (new, sealed.recipient):
        assert sealed.open(file, recipient_key=key).version == 3


def test_rewrap_removed_recipient_does_not_open_the_artifact(sealed, file):
    new = another()
    rewrap(
        file, recipient_key=sealed.recipient, add=[new.public_key], remove=[f"sha256:{sealed.recipient.key_id[:16]}"]
    )
    assert sealed.open(file, recipient_key=new).version == 3
    with pytest.raises(DecryptionError, match="not encrypted for"):
        sealed.open(file)
    assert len(file.read_bytes()) == len(sealed.file.read_bytes())


def test_rewrap_refuses_to_remove_the_last_or_an_unknown_recipient(sealed, file):
    for wanted, says in (
        (sealed.recipient.key_id, "at least one recipient"),
        ("0" * 64, "no recipient, or more than one"),
        ("", "no recipient, or more than one"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            rewrap(file, recipient_key=sealed.recipient, remove=[wanted])
    assert file.read_bytes() == sealed.file.read_bytes()


def test_rewrap_needs_a_recipient_key(file):
    with pytest.raises(DecryptionError, match=r"m\.sealed: step 3"):
        rewrap(file, recipient_key=another(), add=[another().public_key])


def test_rewrap_refuses_a_changed_trailer(sealed, file):
    content = file.read_bytes()
    key_id = sealed.recipient.key_id.encode()
    assert content.count(key_id) == 1
    two = another()
    rewrap(file, recipient_key=sealed.recipient, add=[two.public_key])
    changed = file.read_bytes().replace(two.key_id.encode(), b"0" * 64)
    file.write_bytes(changed)
    with pytest.raises(DecryptionError, match="step 4"):
        rewrap(file, recipient_key=sealed.recipient, add=[another().public_key])
    assert file.read_bytes() == changed


def test_approve_reaches_a_threshold_of_two(sealed, file):
    approver = generate_signing_key("ecdsa-p384")
    both = Trust((sealed.signer.public_key, approver.public_key), 2)
    with pytest.raises(SignatureError, match="signed by 1 of the 2"):
        sealed.open(file, trust=both)
    arguments = {"trust": sealed.trust, "recipient_key": sealed.recipient, "now": NOW}
    approve(file, signer=ModelSigner(approver), **arguments)
    assert len(sealed.open(file, trust=both).signers) == 2
    with pytest.raises(ConfigurationError, match="already signed the artifact"):
        approve(file, signer=ModelSigner(approver), **arguments)


def test_approve_refuses_the_author(sealed, file):
    with pytest.raises(ConfigurationError, match="another person"):
        approve(file, signer=ModelSigner(sealed.signer), trust=sealed.trust, recipient_key=sealed.recipient, now=NOW)


def test_approve_refuses_an_artifact_of_an_untrusted_author(sealed, file):
    stranger = Trust((generate_signing_key().public_key,), 1)
    with pytest.raises(SignatureError, match="step 2"):
        approve(
            file, signer=ModelSigner(generate_signing_key()), trust=stranger, recipient_key=sealed.recipient, now=NOW
        )
    assert file.read_bytes() == sealed.file.read_bytes()


@pytest.mark.parametrize("written", [0, 1, 100, 10**6])
def test_amend_finishes_an_interrupted_change(sealed, file, monkeypatch, written):
    """The journal is complete, and the file already has some bytes of its new trailer."""
    new = another()

    def torn(path, offset, tail):
        with path.open("r+b") as stream:
            stream.seek(offset)
            stream.write(tail[:written])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(amend, "_write_tail", torn)
        with pytest.raises(ConfigurationError, match="No space left"):
            rewrap(file, recipient_key=sealed.recipient, add=[new.public_key])
    third = another()
    assert len(rewrap(file, recipient_key=sealed.recipient, add=[third.public_key])) == 3
    assert sealed.open(file, recipient_key=new).version == 3
    assert not list(file.parent.glob(".*"))


def test_amend_ignores_an_incomplete_journal(sealed, file):
    file.with_name(".m.sealed.amending").write_bytes(b"\x00" * 8 + b"\x00\x00\x10\x00short")
    rewrap(file, recipient_key=sealed.recipient, add=[another().public_key])
    assert sealed.open(file).version == 3


def test_amend_loses_nothing_by_kill_9(sealed, file, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(sealed.recipient.to_pem())
    script = (
        "import os, sys; from pathlib import Path\n"
        "from governance.artifacts.amend import rewrap; from governance.keys import RecipientKey, generate_recipient_key\n"
        "key = RecipientKey.from_pem(Path(sys.argv[1]).read_bytes(), 'key'); print('ready', flush=True)\n"
        "while True:\n"
        "    new = generate_recipient_key('x25519', os.urandom)\n"
        "    rewrap(Path(sys.argv[2]), recipient_key=key, add=[new.public_key])\n"
        "    rewrap(Path(sys.argv[2]), recipient_key=key, remove=[new.key_id])\n"
    )
    for attempt in range(8):
        process = subprocess.Popen([sys.executable, "-c", script, str(key), str(file)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.05 + attempt * 0.013)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        rewrap(file, recipient_key=sealed.recipient, add=[another().public_key])
        assert sealed.open(file).version == 3


def test_amend_refuses_two_changes_at_the_same_time(sealed, file):
    import fcntl

    with file.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match="another process"):
            rewrap(file, recipient_key=sealed.recipient, add=[another().public_key])
