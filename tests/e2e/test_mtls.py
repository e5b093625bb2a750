"""TLS of the server itself: the verified client certificate names the caller, and headers cannot change that."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from governance.testing import free_port, running
from tests.e2e.conftest import BIN, ROOT

URI = "spiffe://hospital/web"


def issue(folder, name, issuer=None, uri=None):
    """Write a certificate and its key: a self-signed authority without `issuer`, otherwise signed by `issuer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC) - timedelta(minutes=1)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    builder = builder.not_valid_after(now + timedelta(days=1)).issuer_name(issuer[0].subject if issuer else subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    signer = issuer[1] if issuer else key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if issuer is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        names = [x509.IPAddress(ip_address("127.0.0.1"))] if uri is None else [x509.UniformResourceIdentifier(uri)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key


@pytest.fixture(scope="module")
def guarded(state, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    authority, stranger = issue(folder, "authority"), issue(folder, "stranger")
    issue(folder, "server", authority)
    issue(folder, "web", authority, URI)
    issue(folder, "other", authority, "spiffe://hospital/other")
    issue(folder, "forged", stranger, URI)
    environment = {
        **state.environment,
        "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
        "GOVERNANCE_IDENTITY__CERTIFICATES": json.dumps({"roles": {URI: ["classifier"]}}),
    }
    command = [
        str(BIN / "bentoml"), "serve", "bentos.digits.service:Digits", "--host", "127.0.0.1", "--port", str(port),
        "--ssl-certfile", str(folder / "server.pem"), "--ssl-keyfile", str(folder / "server.key"),
        "--ssl-ca-certs", str(folder / "authority.pem"), "--ssl-cert-reqs", str(int(ssl.CERT_REQUIRED)),
    ]  # fmt: skip

    def client(name):
        context = ssl.create_default_context(cafile=folder / "authority.pem")
        if name is not None:
            context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        return httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, timeout=30)

    def ready():
        try:
            with client("web") as probe:
                return probe.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    with running(command, ready, log=folder / "log", cwd=ROOT, environment=environment):
        yield client, folder


def test_mtls_verified_certificate_names_the_caller(guarded):
    client, folder = guarded
    with client("web") as web:
        assert web.get("/v2/models/digits-cnn").status_code == 200
    lines = [
        json.loads(line) for log in (folder / "audit").glob("*/entries.jsonl") for line in log.read_bytes().splitlines()
    ]
    assert lines[-1]["caller"] == f"certificate:{URI}" and lines[-1]["key_id"].startswith("sha256:")


def test_mtls_certificate_without_role_is_refused(guarded):
    client, _ = guarded
    field = {"x-forwarded-client-cert": f"Hash={'ab' * 32};URI={URI}", "x-forwarded-for": "10.0.0.1"}
    with client("other") as other:
        assert other.get("/v2/models/digits-cnn").status_code == 401
        assert other.get("/v2/models/digits-cnn", headers=field).status_code == 401


@pytest.mark.parametrize("name", [None, "forged"])
def test_mtls_connection_needs_a_certificate_of_the_authority(guarded, name):
    client, _ = guarded
    with client(name) as refused, pytest.raises(httpx.TransportError):
        refused.get("/v2/models/digits-cnn")
