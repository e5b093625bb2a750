"""How callers authenticate: API keys, tokens, client certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, model_validator

from governance.settings.section import Name, Pointer, Section

# Asymmetric alone: with HMAC among them, a public key would do as the secret (RFC 8725, 3.1).
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]


class IssuerSettings(Section):
    """An identity provider (OpenID Connect, or a Kubernetes cluster) whose tokens count.

    Its keys come from a file, from `jwks_url`, or from where its discovery document says. `*_claim` and `attributes`
    are JSON Pointers into the claims. Roles are given by what stands in `roles_claim`, by subject, or to all; what is
    not listed gives none.
    """

    issuer: str = Field(min_length=1)
    audiences: tuple[str, ...] = Field(min_length=1)
    jwks_file: Path | None = None
    jwks_url: str | None = None
    ca_file: Path | None = None
    token_file: Path | None = None
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "PS256", "ES256", "EdDSA", "Ed25519"), min_length=1)
    clock_skew_seconds: int = Field(default=60, ge=0, le=300)
    max_lifetime_seconds: int = Field(default=86_400, ge=60)
    refresh_seconds: float = Field(default=300.0, gt=0)
    ask_again_seconds: float = Field(default=10.0, gt=0)
    subject_claim: Pointer = "/sub"
    roles_claim: Pointer = "/roles"
    roles: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    subject_roles: dict[str, tuple[Name, ...]] = Field(default_factory=dict)
    default_roles: tuple[Name, ...] = ()
    attributes: dict[Name, Pointer] = Field(default_factory=dict)


class CertificateSettings(Section):
    """Callers known by a client certificate: of TLS itself, or forwarded by a proxy in `trusted_proxies`.

    `roles` lists, by the certificate's name, who may come at all.
    """

    subject: Literal["uri", "dns", "subject"] = "uri"
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    roles: dict[str, tuple[Name, ...]] = Field(min_length=1)


class IdentitySettings(Section):
    """The ways in which a caller may be known: API keys, tokens by issuer, client certificates.

    `api_keys` is where their hashes lie, `hash_key` the secret that keys the hash.
    """

    api_keys: Path | None = None
    hash_key: str | None = None
    issuers: dict[Name, IssuerSettings] = Field(default_factory=dict)
    certificates: CertificateSettings | None = None

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
