"""Client certificates: accepted from the TLS connection and from trusted proxies, and from no other peer."""

import contextlib
import hashlib
import ipaddress
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from governance.access.callers.authenticator import Credentials
from governance.access.callers.client_certificates import CertificatePolicy, CertificateVerifier
from governance.errors import UnauthenticatedError

URI = "spiffe://hospital/ns/prod/sa/web"
HASH = "ab" * 32
PROXY = "10.1.2.3"


def verifier(subject="uri", **roles):
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    return CertificateVerifier(
        CertificatePolicy(
            "mesh", subject, networks, roles or {URI: ("classifier",), "web": ("classifier",), "web.hospital": ()}
        )
    )


def forwarded(field, peer=PROXY):
    return Credentials(None, field, peer)


def test_client_certificate_header_of_trusted_proxy_is_accepted():
    caller = verifier().identify(forwarded(f'By=spiffe://x;Hash={HASH};Subject="CN=web,O=Hospital";URI={URI}'))
    assert (caller.id, caller.roles, caller.key_id) == (f"mesh:{URI}", ("classifier",), f"sha256:{HASH}")


def test_client_certificate_common_name_and_dns_name_are_accepted():
    assert verifier("subject").identify(forwarded(f'Hash={HASH};Subject="CN=web,O=Hospital"')).id == "mesh:web"
    assert verifier("dns").identify(forwarded(f"Hash={HASH};DNS=web.hospital")).id == "mesh:web.hospital"


@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.1", "", "fe80::1", "10.1.2.3.evil"])
def test_client_certificate_header_of_other_peers_is_ignored(peer):
    assert verifier().identify(forwarded(f"Hash={HASH};URI={URI}", peer)) is None


def test_client_certificate_is_ignored_if_there_is_a_bearer_token():
    assert verifier().identify(Credentials("token", f"Hash={HASH};URI={URI}", PROXY)) is None


@pytest.mark.parametrize(
    "field",
    [
        "",
        f"URI={URI}",
        f"Hash={HASH}",
        f"Hash={HASH};URI=spiffe://stranger",
        f"Hash={HASH};Hash={HASH};URI={URI}",
        f"Hash=xyz;URI={URI}",
        f"Hash={HASH};URI={URI},Hash={HASH};URI={URI}",
        f'Hash={HASH};Subject="CN=web;URI={URI}',
        f'Hash={HASH};Subject="x";URI={URI}x',
        f"Hash={HASH};URI={URI};junk",
        f'Hash={HASH};Subject="a\\";URI={URI};DNS=""',
    ],
)
def test_client_certificate_ambiguous_header_is_refused(field):
    with pytest.raises(UnauthenticatedError):
        verifier().identify(forwarded(field))


# A CA that signs a name with `;` in it lets its holder write more pairs than the proxy did.
SMUGGLED = {
    "a second name": ("uri", f"Hash={HASH};URI=spiffe://hospital/guest;URI={URI}"),
    "a name before the end of its own": ("uri", f"Hash={HASH};URI={URI};DNS=guest"),
    "a name before a key that no proxy writes": ("uri", f"Hash={HASH};URI={URI};x=1"),
    "another kind of name": ("dns", f"Hash={HASH};URI=spiffe://hospital/guest;DNS=web.hospital"),
    "a second DNS name": ("dns", f"Hash={HASH};DNS=guest;DNS=web.hospital"),
    "a quoted subject": ("subject", f'Hash={HASH};URI=spiffe://hospital/guest;Subject="CN=web"'),
    "a quoted name": ("uri", f'Hash={HASH};DNS=guest;URI="{URI}"'),
    "a certificate": ("uri", f"Hash={HASH};URI={URI};Cert=x"),
    "a repeated key in other letters": ("uri", f"Hash={HASH};uri=spiffe://hospital/guest;URI={URI}"),
}


@pytest.mark.parametrize(("kind", "field"), SMUGGLED.values(), ids=SMUGGLED)
def test_client_certificate_field_cannot_be_extended_by_a_name_in_it(kind, field):
    with pytest.raises(UnauthenticatedError):
        verifier(kind).identify(forwarded(field))


def with_certificate(der, rest, digest=None):
    pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode()
    return f'Hash={digest or hashlib.sha256(der).hexdigest()};Cert="{quote(pem, safe="")}"{rest}'


def test_client_certificate_names_come_from_the_forwarded_certificate_itself():
    der = certificate(uri=f"spiffe://guest;URI={URI}", cn="web")
    with pytest.raises(UnauthenticatedError):
        verifier().identify(forwarded(with_certificate(der, f";URI=spiffe://guest;URI={URI}")))
    with pytest.raises(UnauthenticatedError):
        verifier().identify(forwarded(with_certificate(der, f";URI={URI}")))
    honest = certificate(uri=URI, cn="web")
    assert verifier().identify(forwarded(with_certificate(honest, f";URI={URI};DNS=a"))).id == f"mesh:{URI}"
    assert verifier("subject").identify(forwarded(with_certificate(honest, ""))).id == "mesh:web"
    with pytest.raises(UnauthenticatedError):
        verifier().identify(forwarded(with_certificate(honest, "", HASH)))


def test_client_certificate_name_inside_a_quoted_subject_is_ignored():
    with pytest.raises(UnauthenticatedError):
        verifier().identify(forwarded(f'Hash={HASH};Subject="CN=x;URI={URI}"'))


@given(st.text(max_size=200))
def test_client_certificate_random_header_gives_a_caller_or_a_refusal(field):
    with contextlib.suppress(UnauthenticatedError):
        assert verifier().identify(forwarded(field)).id.startswith("mesh:")


def certificate(**names):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names.get("cn", "nobody"))])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    if "uri" in names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(names["uri"])]), False
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_client_certificate_of_the_connection_is_accepted():
    assert verifier().identify(Credentials(None, None, "192.0.2.1", certificate(uri=URI))).id == f"mesh:{URI}"
    assert verifier("subject").identify(Credentials(None, None, "", certificate(cn="web"))).id == "mesh:web"


@pytest.mark.parametrize("der", [certificate(uri="spiffe://stranger"), certificate(cn="web"), b"", b"x"])
def test_client_certificate_unknown_is_refused(der):
    with pytest.raises(UnauthenticatedError):
        verifier().identify(Credentials(None, None, "", der))
