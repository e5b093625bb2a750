"""How callers authenticate: API keys, tokens, client certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, model_validator

from governance.settings.section import Name, Pointer, Section

# Asymmetric algorithms only: if HMAC were allowed, a public key could be used as the secret (RFC 8725, section 3.1).
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
Roles = dict[str, tuple[Name, ...]]


class IssuerSettings(Section):
    """An identity provider (OpenID Connect, or a Kubernetes cluster) whose tokens are accepted.

    Its keys come from `jwks_file`, else from `jwks_url`, else from its discovery document. A caller is known as
    `ISSUER_NAME:SUBJECT`, where ISSUER_NAME is the name of this section.
    """

    issuer: str = Field(
        min_length=1,
        description="The `iss` claim of its tokens, exactly; also the base of its discovery document's URL.",
        examples=["https://login.example.com/realms/hospital"],
    )
    audiences: tuple[str, ...] = Field(
        min_length=1,
        description="Accepted audiences: the `aud` claim must hold one of them, else the token is refused (401).",
        examples=[["bento"]],
    )
    jwks_file: Path | None = Field(
        default=None,
        description="File with the issuer's public keys (JWK Set, RFC 7517). Default: they are fetched.",
        examples=["issuer-keys.json"],
    )
    jwks_url: str | None = Field(
        default=None,
        description="URL of the issuer's JWK Set. Default: the one in its discovery document.",
        examples=["https://login.example.com/realms/hospital/certs"],
    )
    ca_file: Path | None = Field(
        default=None,
        description="File with the certificate authorities (PEM) that verify the issuer's TLS certificate. Default: "
        "the usual public ones.",
        examples=["/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"],
    )
    token_file: Path | None = Field(
        default=None,
        description="File with a bearer token that is sent when keys are fetched, as Kubernetes demands. Default: no "
        "token is sent.",
        examples=["/var/run/secrets/kubernetes.io/serviceaccount/token"],
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "PS256", "ES256", "EdDSA", "Ed25519"),
        min_length=1,
        description="Accepted signature algorithms (RFC 7518). A token with any other is refused.",
        examples=[["ES256"]],
    )
    clock_skew_seconds: int = Field(
        default=60,
        ge=0,
        le=300,
        description="How far the issuer's clock may differ from this machine's, in seconds.",
        examples=[10],
    )
    max_lifetime_seconds: int = Field(
        default=86_400,
        ge=60,
        description="Longest lifetime of a token, in seconds. A token that is valid for longer is refused.",
        examples=[3600],
    )
    refresh_seconds: float = Field(
        default=300.0,
        gt=0,
        description="Seconds between two fetches of the issuer's keys. While the issuer does not answer, its known "
        "keys stay valid, and the fetch is repeated sooner.",
        examples=[60.0],
    )
    ask_again_seconds: float = Field(
        default=10.0,
        gt=0,
        description="A token with an unknown key makes the service fetch the keys at once, but at most once in "
        "this number of seconds.",
        examples=[30.0],
    )
    subject_claim: Pointer = Field(
        default="/sub",
        description="JSON Pointer (RFC 6901) to the claim that identifies the caller.",
        examples=["/email"],
    )
    roles_claim: Pointer = Field(
        default="/roles",
        description="JSON Pointer to the claim with the caller's roles: a list, or words separated by spaces.",
        examples=["/realm_access/roles"],
    )
    roles: Roles = Field(
        default_factory=dict,
        description="Cedar roles for each value in `roles_claim`. A value that is not listed gives no role.",
        examples=[{"physician": ["classifier"], "auditor": ["operator"]}],
    )
    subject_roles: Roles = Field(
        default_factory=dict,
        description="Cedar roles for each subject, in addition to those of `roles`.",
        examples=[{"system:serviceaccount:wards:web": ["classifier"]}],
    )
    default_roles: tuple[Name, ...] = Field(
        default=(),
        description="Cedar roles of every caller of this issuer.",
        examples=[["viewer"]],
    )
    attributes: dict[Name, Pointer] = Field(
        default_factory=dict,
        description="Attributes of the caller in policies, each with the JSON Pointer to its claim. "
        "`principal.department` then holds the value, if the Cedar schema declares it.",
        examples=[{"department": "/department"}],
    )


class CertificateSettings(Section):
    """Callers with a client certificate: verified by the server's own TLS, or forwarded by a trusted proxy."""

    subject: Literal["uri", "dns", "subject"] = Field(
        default="uri",
        description="Name in the certificate that identifies the caller: its URI or DNS name, or (`subject`) its "
        "common name.",
        examples=["dns"],
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Networks of proxies whose `X-Forwarded-Client-Cert` header is accepted; the address of the "
        "connection itself counts. Default: no such header is accepted.",
        examples=[["10.0.0.0/8"]],
    )
    roles: Roles = Field(
        min_length=1,
        description="Cedar roles for each name. A certificate with any other name is refused (401).",
        examples=[{"spiffe://hospital/ns/wards/sa/web": ["classifier"]}],
    )


class IdentitySettings(Section):
    """How callers authenticate. At least one of API keys, issuers and certificates is needed."""

    api_keys: Path | None = Field(
        default=None,
        description="JSON file with the hashes of API keys, written by `bento-governance api-key`. Needs `hash_key`. "
        "Default: no API keys are accepted.",
        examples=["state/api-keys.json"],
    )
    hash_key: str | None = Field(
        default=None,
        description="URI (`file:` or `env:`) of the secret that keys those hashes. Under another secret, all API keys "
        "are refused.",
        examples=["file:state/keys/api-key-hash.key"],
    )
    issuers: dict[Name, IssuerSettings] = Field(
        default_factory=dict, description="Identity providers whose tokens are accepted, by a name of your choice."
    )
    certificates: CertificateSettings | None = Field(
        default=None, description="Client certificates. Default: none are accepted."
    )

    @model_validator(mode="after")
    def _names_a_way(self) -> IdentitySettings:
        if (self.api_keys is None) != (self.hash_key is None):
            raise ValueError("api_keys and hash_key go together")
        if self.api_keys is None and not self.issuers and self.certificates is None:
            raise ValueError("name a way to be known: api_keys with hash_key, issuers, or certificates")
        urls = [issuer.issuer for issuer in self.issuers.values()]
        if len(set(urls)) < len(urls):
            raise ValueError("two issuers have the same issuer URL")
        return self
