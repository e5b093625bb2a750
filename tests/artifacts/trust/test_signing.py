"""OpenSSF Model Signing: public bundles with their expected result, certificates, co-signatures."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from governance.artifacts.opening import inspect_sealed
from governance.artifacts.trust.bundle import (
    PAYLOAD_TYPE,
    envelope_of,
    parse_bundle,
    unverified_signer,
    unverified_statement,
)
from governance.artifacts.trust.certificates import verify_chain
from governance.artifacts.trust.signing import ModelSigner, verify_model_statement, verify_statement
from governance.artifacts.trust.statement import read_model_statement
from governance.artifacts.trust.trust import Trust
from governance.errors import ConfigurationError, IntegrityError, SignatureError
from governance.keys import SigningKey, VerifyingKey, generate_signing_key
from governance.keys.dsse import pre_authentication_encoding

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def bundle(vectors, name):
    return json.loads((vectors / f"oms/test-vectors/v1.0/{name}.bundle.json").read_text())


def recovered_keys(digest, signature, curve):
    """Return the two P-384 keys that may have made a signature (SEC 1, section 4.1.6)."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    p = 2**384 - 2**128 - 2**96 + 2**32 - 1
    b = 0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF
    n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
    generator = ec.derive_private_key(1, curve).public_key().public_numbers()

    def add(one, two):
        if one is None or two is None:
            return one or two
        if one[0] == two[0] and (one[1] + two[1]) % p == 0:
            return None
        if one == two:
            slope = (3 * one[0] ** 2 - 3) * pow(2 * one[1], -1, p)
        else:
            slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, p)
        x = (slope**2 - one[0] - two[0]) % p
        return x, (slope * (one[0] - x) - one[1]) % p

    def times(k, point):
        result = None
        while k:
            if k & 1:
                result = add(result, point)
            point, k = add(point, point), k >> 1
        return result

    r, s = decode_dss_signature(signature)
    y = pow((r**3 - 3 * r + b) % p, (p + 1) // 4, p)
    for candidate in ((r, y), (r, p - y)):
        inverse = pow(r, -1, n)
        base = times(-int.from_bytes(digest) * inverse % n, (generator.x, generator.y))
        x, y = add(times(s * inverse % n, candidate), base)
        yield ec.EllipticCurvePublicNumbers(x, y, curve).public_key()


def test_signing_public_key_bundle_verifies(vectors):
    """The public key is not published; the key recovered from the signature has the fingerprint in the hint."""
    valid = bundle(vectors, "valid/key")
    payload, signature = envelope_of(valid)
    digest = hashlib.sha384(pre_authentication_encoding(PAYLOAD_TYPE, payload)).digest()
    keys = [VerifyingKey.from_key(key) for key in recovered_keys(digest, signature, ec.SECP384R1())]
    assert unverified_signer(valid) in {key.fingerprint for key in keys}
    key = next(key for key in keys if key.fingerprint == unverified_signer(valid))
    _, digests = verify_model_statement(valid, key)
    assert set(digests) == {"signme-1", "signme-2"}
    # The same signature with a changed predicate does not verify with this key.
    with pytest.raises(SignatureError):
        verify_statement(bundle(vectors, "invalid-payload/wrong-predicate"), key)


def test_signing_public_certificate_bundle_verifies(vectors):
    valid = bundle(vectors, "valid/certificate")
    chain = unverified_signer(valid)
    name, key = verify_chain(chain, [chain[-1]], NOW)
    assert name.startswith("x509:CN=")
    _, digests = verify_model_statement(valid, key)
    assert set(digests) == {"signme-1", "signme-2"}
    assert verify_chain(chain, [Authority().root], NOW) is None
    with pytest.raises(SignatureError, match="not valid at the time"):
        verify_chain(chain, [chain[-1]], NOW + timedelta(days=20 * 365))


def test_signing_refuses_a_keyless_bundle(vectors):
    with pytest.raises(SignatureError, match="keyless"):
        unverified_signer(bundle(vectors, "valid/sigstore"))


def test_signing_refuses_a_wrong_predicate(vectors):
    with pytest.raises(SignatureError, match="not about a model"):
        read_model_statement(unverified_statement(bundle(vectors, "invalid-payload/wrong-predicate")))


@pytest.mark.parametrize("name", ["empty", "missing-envelope", "missing-verification-material", "missing-tlog-entries"])
def test_signing_refuses_invalid_public_bundles(vectors, name):
    content = (vectors / f"oms/test-vectors/v1.0/invalid/{name}.bundle.json").read_bytes()
    with pytest.raises(SignatureError):
        verify_statement(parse_bundle(content), generate_signing_key().public_key)


@pytest.mark.parametrize("wrong", [None, [], {}, {"mediaType": "x"}, {"verificationMaterial": []}, "x"])
def test_signing_refuses_what_is_not_a_bundle(wrong):
    with pytest.raises(SignatureError):
        verify_statement(wrong, generate_signing_key().public_key)


class Authority:
    """A root authority, an intermediate, and signing certificates that they issued."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.root = self.issue("root", self.key, ca=True)
        self.middle_key = ec.generate_private_key(ec.SECP384R1())
        self.middle = self.issue("middle", self.middle_key, ca=True, path_length=0)

    def issue(self, name, key, *, ca=False, issuer=None, path_length=None, days=30, usage=ExtendedKeyUsageOID.CODE_SIGNING, signs=True):  # fmt: skip
        issuer_name, issuer_key = issuer or ("root", self.key)
        named = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])  # noqa: E731
        flags = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"), False)  # fmt: skip
        return (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(issuer_name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=signs, key_cert_sign=ca, **flags), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(issuer_key, hashes.SHA256())
        )

    def signer(self, name="release", issuer="middle", **changes):
        key = generate_signing_key()
        issuers = {"middle": ("middle", self.middle_key), "root": ("root", self.key)}
        leaf = self.issue(name, key._key, issuer=issuers[issuer], **changes)
        return ModelSigner(key, (leaf, self.middle) if issuer == "middle" else (leaf,))


@pytest.fixture(scope="module")
def authority():
    return Authority()


def trusting(*authorities, threshold=1):
    return Trust((), threshold, tuple(authorities))


def test_signing_accepts_a_certificate_of_a_trusted_authority(sealed, tmp_path, authority):
    sealed.seal(tmp_path / "x", signers=[authority.signer()])
    for trusted in (authority.root, authority.middle):
        assert sealed.open(tmp_path / "x", trust=trusting(trusted)).signers == ("x509:CN=release",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"usage": ExtendedKeyUsageOID.SERVER_AUTH}, "not for signing"),
        ({"signs": False}, "not for signing"),
        ({"days": -0.5}, "not valid at the time"),
    ],
)
def test_signing_refuses_a_certificate_for_another_use(sealed, tmp_path, authority, changes, says):
    sealed.seal(tmp_path / "x", signers=[authority.signer(**changes)])
    with pytest.raises(SignatureError, match=f"step 2.*{says}"):
        sealed.open(tmp_path / "x", trust=trusting(authority.root))


def test_signing_refuses_a_certificate_of_another_authority(sealed, tmp_path, authority):
    sealed.seal(tmp_path / "x", signers=[Authority().signer()])
    with pytest.raises(SignatureError, match="signed by 0"):
        sealed.open(tmp_path / "x", trust=trusting(authority.root))


def test_signing_refuses_a_certificate_issued_by_a_signer(sealed, tmp_path, authority):
    signer = authority.signer()
    key = generate_signing_key()
    forged = authority.issue("forged", key._key, issuer=("release", signer.key._key))
    sealed.seal(tmp_path / "x", signers=[ModelSigner(key, (forged, *signer.chain))])
    with pytest.raises(SignatureError, match="not allowed to issue"):
        sealed.open(tmp_path / "x", trust=trusting(authority.root))


def test_signing_counts_one_holder_with_two_certificates_once(sealed, tmp_path, authority):
    sealed.seal(tmp_path / "x", signers=[authority.signer(), authority.signer()])
    with pytest.raises(SignatureError, match="signed by 1"):
        sealed.open(tmp_path / "x", trust=trusting(authority.root, threshold=2))
    sealed.seal(tmp_path / "y", signers=[authority.signer(), authority.signer("other")])
    assert len(sealed.open(tmp_path / "y", trust=trusting(authority.root, threshold=2)).signers) == 2


def test_signing_refuses_a_chain_of_another_key(authority):
    with pytest.raises(ConfigurationError, match="another key than the signing key"):
        ModelSigner(generate_signing_key(), authority.signer().chain)


@pytest.mark.needs("model_signing")
def test_signing_with_certificates_verifies_with_the_model_signing_tool(sealed, tmp_path, authority):
    sealed.seal(tmp_path / "x", signers=[authority.signer()])
    (tmp_path / "sig").write_text(json.dumps(inspect_sealed(tmp_path / "x").trailer.signatures[0]["model"]))
    (tmp_path / "root.pem").write_bytes(authority.root.public_bytes(serialization.Encoding.PEM))
    command = [sys.executable, "-m", "model_signing", "verify", "certificate", str(sealed.folder)]
    command += ["--signature", str(tmp_path / "sig"), "--certificate_chain", str(tmp_path / "root.pem")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def mldsa():
    return generate_signing_key("ml-dsa-65")


def test_signing_cosigner_must_sign_the_same_bytes(sealed, tmp_path, mldsa):
    trust = Trust((sealed.signer.public_key,), 1, cosigners=(mldsa.public_key,))
    with pytest.raises(SignatureError, match="lacks the required co-signature"):
        sealed.open(trust=trust)
    sealed.seal(tmp_path / "x", signers=[ModelSigner(sealed.signer, cosigner=mldsa)])
    assert sealed.open(tmp_path / "x", trust=trust).version == 3
    other = Trust((sealed.signer.public_key,), 1, cosigners=(generate_signing_key("ml-dsa-65").public_key,))
    with pytest.raises(SignatureError, match="not by a trusted"):
        sealed.open(tmp_path / "x", trust=other)
    # Without a required cosigner, a changed co-signature is refused too, because the MAC of the trailer covers it.
    content = (tmp_path / "x").read_bytes()
    cosignature = json.loads(json.dumps(inspect_sealed(tmp_path / "x").trailer.signatures[0]))["cosignature"]["model"]
    changed = cosignature[:100] + ("A" if cosignature[100] != "A" else "B") + cosignature[101:]
    (tmp_path / "y").write_bytes(content.replace(cosignature.encode(), changed.encode()))
    with pytest.raises(SignatureError):
        sealed.open(tmp_path / "y", trust=trust)
    with pytest.raises(IntegrityError, match="step 4"):
        sealed.open(tmp_path / "y")


def test_signing_refuses_keys_of_the_wrong_kind(mldsa):
    for wrong in (mldsa, generate_signing_key("ed25519")):
        with pytest.raises(ConfigurationError, match="need an ECDSA key"):
            ModelSigner(wrong)
    with pytest.raises(ConfigurationError, match="ML-DSA-65"):
        ModelSigner(generate_signing_key(), cosigner=SigningKey(generate_signing_key()._key))
