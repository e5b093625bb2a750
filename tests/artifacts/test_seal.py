"""Sealing and opening: a round trip returns the same files, and every change is refused at its step."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.artifacts.format.container import MAGIC, read_container
from governance.artifacts.opening import inspect_sealed, verify_sealed
from governance.artifacts.trust.signing import ModelSigner
from governance.artifacts.trust.trust import Trust
from governance.errors import (
    ConfigurationError,
    DecryptionError,
    IntegrityError,
    ManifestMismatchError,
    RollbackError,
    SignatureError,
)
from governance.keys import generate_recipient_key, generate_signing_key

anything = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_open_returns_the_sealed_files(sealed):
    with sealed.open() as opened:
        for path in ("model.onnx", "card.json", "empty"):
            assert bytes(opened.files[path]) == (sealed.folder / path).read_bytes()
        assert (opened.name, opened.version) == ("small", 3)
        assert opened.signers == (f"sha256:{sealed.signer.public_key.fingerprint}",)
        kept = opened.files["model.onnx"]
    assert not any(kept)


def test_seal_leaves_no_plaintext_in_the_file(sealed):
    content = sealed.file.read_bytes()
    assert b"MatMul" in (sealed.folder / "model.onnx").read_bytes()
    assert b"MatMul" not in content


def test_seal_twice_gives_different_ciphertext(sealed, tmp_path):
    sealed.seal(tmp_path / "again")
    one, two = inspect_sealed(sealed.file), inspect_sealed(tmp_path / "again")
    assert one.header_bytes == two.header_bytes
    assert not set(one.trailer.ciphertext_sha256) & set(two.trailer.ciphertext_sha256)


def test_open_refuses_every_single_changed_byte(sealed, tmp_path):
    content, changed = sealed.file.read_bytes(), tmp_path / "changed"
    for place in range(0, len(content), 7):
        changed.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        with pytest.raises(IntegrityError, match="step [1-6]"):
            sealed.open(changed)


@anything
@given(data=st.data())
def test_open_refuses_any_flipped_bit(sealed, tmp_path, data):
    content = bytearray(sealed.file.read_bytes())
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    content[place // 8] ^= 1 << place % 8
    changed = tmp_path / "changed"
    changed.write_bytes(content)
    with pytest.raises(IntegrityError, match="step [1-6]"):
        sealed.open(changed)


@anything
@given(data=st.data())
def test_open_refuses_any_truncation_or_extension(sealed, tmp_path, data):
    content = sealed.file.read_bytes()
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    for wrong in (cut, content + data.draw(st.binary(min_size=1, max_size=40))):
        (tmp_path / "wrong").write_bytes(wrong)
        with pytest.raises(ManifestMismatchError, match="step 1"):
            sealed.open(tmp_path / "wrong")


@anything
@given(st.binary(max_size=400))
def test_open_refuses_anything_behind_the_magic(sealed, tmp_path, content):
    (tmp_path / "wrong").write_bytes(MAGIC + content)
    with pytest.raises(ManifestMismatchError, match="step 1"):
        sealed.open(tmp_path / "wrong")


def swapped_parts(sealed, target):
    container = inspect_sealed(sealed.file)
    content = sealed.file.read_bytes()
    size = 64 + 56 + 16
    parts = [part for part in container.header.parts() if part.plaintext_bytes == 64][:2]
    assert len(parts) == 2
    offsets = []
    offset = container.body_offset
    for part in container.header.parts():
        if part in parts:
            offsets.append(offset)
        offset += part.plaintext_bytes + 56 + 16
    first, second = (content[o : o + size] for o in offsets)
    target.write_bytes(content.replace(first, b"\x00" * size).replace(second, first).replace(b"\x00" * size, second))


def test_open_refuses_two_swapped_parts(sealed, tmp_path):
    swapped_parts(sealed, tmp_path / "swapped")
    with pytest.raises(DecryptionError, match="step 5"):
        sealed.open(tmp_path / "swapped")
    with pytest.raises(ManifestMismatchError, match="step 5"):
        verify_sealed(tmp_path / "swapped", trust=sealed.trust)


def with_trailer(sealed, target, change):
    content = sealed.file.read_bytes()
    with sealed.file.open("rb") as stream:
        container = read_container(stream)
    trailer = container.trailer.to_bytes()
    body = content[: -len(trailer) - 4]
    document = json.loads(trailer)
    change(document)
    changed = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    target.write_bytes(body + len(changed).to_bytes(4, "big") + changed)
    return target


def test_open_refuses_removed_signatures(sealed, tmp_path):
    file = with_trailer(sealed, tmp_path / "x", lambda trailer: trailer.update(signatures=[]))
    with pytest.raises(SignatureError, match="step 2.*signed by 0 of the 1 trusted"):
        sealed.open(file)


def test_open_refuses_an_untrusted_signature(sealed, tmp_path):
    sealed.seal(tmp_path / "x", signers=[ModelSigner(generate_signing_key())])
    with pytest.raises(SignatureError, match="step 2"):
        sealed.open(tmp_path / "x")


def test_open_refuses_a_trusted_signature_of_another_version(sealed, tmp_path):
    sealed.seal(tmp_path / "other", version=4)
    other = json.loads(inspect_sealed(tmp_path / "other").trailer.to_bytes())["signatures"]
    file = with_trailer(sealed, tmp_path / "x", lambda trailer: trailer.update(signatures=other))
    with pytest.raises(ManifestMismatchError, match="step 2"):
        sealed.open(file)


def test_open_threshold_counts_distinct_trusted_keys(sealed, tmp_path):
    second = generate_signing_key("ecdsa-p384")
    trust = Trust((sealed.signer.public_key, second.public_key), 2)
    twice = tmp_path / "twice"
    sealed.seal(twice, signers=[ModelSigner(sealed.signer), ModelSigner(sealed.signer)])
    with pytest.raises(SignatureError, match="signed by 1 of the 2"):
        sealed.open(twice, trust=trust)
    sealed.seal(tmp_path / "both", signers=[ModelSigner(sealed.signer), ModelSigner(second)])
    assert len(sealed.open(tmp_path / "both", trust=trust).signers) == 2


def test_open_refuses_another_recipient(sealed):
    with pytest.raises(DecryptionError, match="step 3.*not encrypted for this recipient"):
        sealed.open(recipient_key=generate_recipient_key("x-wing", os.urandom))


def test_open_refuses_replaced_recipients(sealed, tmp_path):
    sealed.seal(tmp_path / "other", version=4)
    other = inspect_sealed(tmp_path / "other").trailer.recipients
    file = with_trailer(sealed, tmp_path / "x", lambda trailer: trailer.update(recipients=other))
    with pytest.raises(DecryptionError, match="step 3"):
        sealed.open(file)


def test_open_refuses_a_recipient_added_without_the_data_key(sealed, tmp_path):
    def add(trailer):
        trailer["recipients"].append(dict(trailer["recipients"][0], key_id="0" * 64))

    with pytest.raises(DecryptionError, match="step 4"):
        sealed.open(with_trailer(sealed, tmp_path / "x", add))


def test_open_refuses_another_name_and_an_older_version(sealed):
    with pytest.raises(ManifestMismatchError, match="step 7"):
        sealed.open(name="other")
    assert sealed.open(minimum_version=3).version == 3
    with pytest.raises(RollbackError, match="step 7.*version 3; the lowest that may be served is 4"):
        sealed.open(minimum_version=4)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\x80\x04cos\nsystem\n.", "pickle"), (b"PK\x03\x04", "zip"), (b"\x89HDF\r\n", "HDF5"), (b"", "empty"), (b"?", "magic")],
)  # fmt: skip
def test_open_names_the_format_of_a_file_that_is_not_sealed(sealed, tmp_path, content, says):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ManifestMismatchError, match=f"step 1.*{says}"):
        sealed.open(tmp_path / "x")


def test_open_refuses_a_plaintext_model_in_its_place(sealed):
    with pytest.raises(ManifestMismatchError, match="step 1.*plaintext ONNX"):
        sealed.open(sealed.folder / "model.onnx")


def test_open_allocates_no_memory_for_a_wrong_size(sealed, tmp_path):
    content = sealed.file.read_bytes()
    size = (sealed.folder / "model.onnx").stat().st_size
    lie = content.replace(f'"size":{size}'.encode(), f'"size":{10 ** len(str(size)) - 1}'.encode())
    assert lie != content
    (tmp_path / "x").write_bytes(lie)
    with pytest.raises(ManifestMismatchError, match="step 1"):
        sealed.open(tmp_path / "x")


def test_seal_refuses_links_and_special_files(sealed, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(ConfigurationError, match="link or a special file"):
        type(sealed)(folder, sealed.file, sealed.signer, sealed.recipient).seal(tmp_path / "out")
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(ConfigurationError, match="link or a special file"):
        type(sealed)(folder, sealed.file, sealed.signer, sealed.recipient).seal(tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.needs("model_signing")
def test_seal_signature_verifies_with_the_model_signing_tool(sealed, tmp_path):
    bundle, key = tmp_path / "model.sig", tmp_path / "key.pub"
    bundle.write_text(json.dumps(inspect_sealed(sealed.file).trailer.signatures[0]["model"]))
    key.write_bytes(sealed.signer.public_key.pem)
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(sealed.folder)]
    command += ["--signature", str(bundle), "--public_key", str(key)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    tampered = json.loads(bundle.read_text())
    tampered["dsseEnvelope"]["payload"] = tampered["dsseEnvelope"]["payload"][:-8] + "AAAAfQ=="
    bundle.write_text(json.dumps(tampered))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.needs("model_signing")
def test_verify_accepts_signatures_of_the_model_signing_tool(sealed, tmp_path):
    from governance.artifacts.trust.signing import verify_model_statement

    key, bundle = tmp_path / "key.pem", tmp_path / "model.sig"
    key.write_bytes(sealed.signer.to_pem())
    command = [sys.executable, "-m", "model_signing", "sign", "key", str(sealed.folder)]
    subprocess.run([*command, "--private_key", str(key), "--signature", str(bundle)], capture_output=True, check=True)
    _, digests = verify_model_statement(json.loads(bundle.read_text()), sealed.signer.public_key)
    assert digests["model.onnx"] == hashlib.sha256((sealed.folder / "model.onnx").read_bytes()).hexdigest()
    with pytest.raises(SignatureError):
        verify_model_statement(json.loads(bundle.read_text()), generate_signing_key().public_key)
