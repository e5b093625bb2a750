"""The worked example of FORMAT.md, checked with code that is independent of the package."""

import hashlib
import hmac
import json
import re
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

import governance.artifacts

FILE = Path(__file__).with_name("example") / "hello.sealed"
DATA_KEY = SEED = bytes(range(32))


@pytest.fixture(scope="module")
def page():
    """Return the table of the example: name to value."""
    text = Path(governance.artifacts.__file__).with_name("FORMAT.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| `(.+)` \|$", text.split("## A worked example")[1], re.MULTILINE)
    return dict(rows)


def test_format_example_has_the_documented_offsets(page):
    content = FILE.read_bytes()
    assert len(content) == 4324
    for what, first, last in (
        ("bytes 0 to 15", 0, 15),
        ("bytes 16 to 19, the header's length", 16, 19),
        ("bytes 273 to 364, part 0", 273, 364),
        ("bytes 365 to 368, the trailer's length", 365, 368),
    ):
        assert content[first : last + 1].hex() == page[what], what
    assert content[20:273].decode() == page["header"]
    assert hashlib.sha256(content[20:273]).hexdigest() == page["H"]
    assert hashlib.sha256(content[273:365]).hexdigest() == page["its SHA-256"]
    assert len(content) == 369 + int(page["bytes 365 to 368, the trailer's length"], 16)


def test_format_example_part_decrypts_to_the_digest_in_the_header(page):
    digest = bytes.fromhex(page["H"])
    context = b"bento-sealed/1 part\x00" + digest + (0).to_bytes(8, "big") + b"hello.txt"
    assert context.hex() == page["context of part 0"]
    decryptor = Cobblestone256Decryptor(DATA_KEY, context)
    plaintext = decryptor.update(bytes.fromhex(page["bytes 273 to 364, part 0"])) + decryptor.finalize()
    assert plaintext == page["plaintext of `hello.txt`"].encode().replace(b"\\n", b"\n")
    assert hashlib.sha256(plaintext).hexdigest() == json.loads(page["header"])["files"][0]["sha256"]


def test_format_example_recipient_unwraps_the_data_key(page):
    (recipient,) = json.loads(FILE.read_bytes()[369:])["recipients"]
    assert recipient["key_id"] == page["recipient's `key_id`"]
    expanded = hashlib.shake_256(SEED).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    x = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
    raw = mlkem.public_key().public_bytes_raw() + x.public_key().public_bytes_raw()
    assert hashlib.sha256(raw).hexdigest() == recipient["key_id"]
    info = b"bento-sealed/1 data key\x00" + bytes.fromhex(page["H"])
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    assert suite.decrypt(b64decode(recipient["wrapped"]), MLKEM768X25519PrivateKey(mlkem, x), info) == DATA_KEY


def test_format_example_mac_covers_the_rest_of_the_trailer(page):
    trailer = json.loads(FILE.read_bytes()[369:])
    assert trailer["mac"] == page["mac"]
    rest = {key: value for key, value in trailer.items() if key != "mac"}
    label = b"bento-sealed/1 trailer\x00" + bytes.fromhex(page["H"])
    key = HKDFExpand(hashes.SHA256(), 32, label).derive(DATA_KEY)
    text = json.dumps(rest, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    assert hmac.digest(key, text, "sha256").hex() == trailer["mac"]


def test_format_example_both_signatures_are_by_the_author(page):
    trailer = json.loads(FILE.read_bytes()[369:])
    public = ec.derive_private_key(1, ec.SECP256R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(pem).hexdigest() == page["signer's hint"]
    for kind in ("model", "admission"):
        bundle = trailer["signatures"][0][kind]
        assert bundle["verificationMaterial"]["publicKey"]["hint"] == page["signer's hint"]
        envelope = bundle["dsseEnvelope"]
        payload, name = b64decode(envelope["payload"]), b"application/vnd.in-toto+json"
        signed = b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
        public.verify(b64decode(envelope["signatures"][0]["sig"]), signed, ec.ECDSA(hashes.SHA256()))
    predicate = json.loads(payload)["predicate"]
    assert (predicate["role"], predicate["signed"]) == ("author", "2026-01-02T03:04:05Z")
    assert predicate["header"]["sha256"] == page["H"]
    assert predicate["ciphertext"]["sha256"] == hashlib.sha256(bytes.fromhex(page["its SHA-256"])).hexdigest()


def test_format_example_is_opened_by_the_package():
    from governance.artifacts.opening import open_sealed
    from governance.artifacts.trust.trust import Trust
    from governance.keys import VerifyingKey, generate_recipient_key

    key = VerifyingKey.from_key(ec.derive_private_key(1, ec.SECP256R1()).public_key())
    recipient = generate_recipient_key("x-wing", lambda _: SEED)
    with open_sealed(FILE, name="hello", minimum_version=1, trust=Trust((key,), 1), recipient_key=recipient) as opened:
        assert bytes(opened.files["hello.txt"]) == b"hello, sealed world\n"
