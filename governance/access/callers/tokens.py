"""Bearer tokens of identity providers: signed JWTs (RFC 7519), as OpenID Connect and Kubernetes issue them.

Order of checks: form, issuer, algorithm (an allow list of asymmetric ones), signature, then the claims (RFC 8725, JWT
Best Current Practices).
"""

from __future__ import annotations

import base64
import binascii
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from governance.access.callers.authenticator import Credentials
from governance.access.callers.caller import AttributeValue, Caller
from governance.access.callers.jwks import KeySet, PublicKey
from governance.access.memo import Memo
from governance.canonical import parse_json, pointer_segments
from governance.errors import BadRequestError, CredentialReason, UnauthenticatedError

# A JWS in compact form: three parts of base64url without padding, and nothing else.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
MAX_SUBJECT_CHARACTERS = 256
MAX_ROLES, MAX_ATTRIBUTE_CHARACTERS, MAX_ATTRIBUTE_ITEMS = 64, 256, 64
NEUTRAL = "the token is not valid"


@dataclass(frozen=True, slots=True)
class Issuer:
    """One accepted issuer of tokens, and how its claims are read.

    Attributes:
        name: First part of its callers' ids.
        issuer: Exact value of the `iss` claim.
        audiences: Accepted audiences; the `aud` claim must contain one of them.
        keys: Public keys of the issuer.
        algorithms: Accepted JWS algorithms.
        clock_skew_seconds: Tolerated difference of clocks.
        max_lifetime_seconds: Longest accepted time between `iat` and `exp`.
        subject_claim: JSON Pointer (RFC 6901) to the claim that names the caller.
        roles_claim: JSON Pointer to a list of strings, or to one string of words separated by spaces.
        roles: Cedar roles by value of that claim; other values give no role.
        subject_roles: Cedar roles by subject.
        default_roles: Cedar roles of every caller of this issuer.
        attributes: Cedar attributes of the caller: name, and JSON Pointer to the claim.
    """

    name: str
    issuer: str
    audiences: frozenset[str]
    keys: KeySet
    algorithms: tuple[str, ...]
    clock_skew_seconds: int = 60
    max_lifetime_seconds: int = 86_400
    subject_claim: str = "/sub"
    roles_claim: str = "/roles"
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    subject_roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    default_roles: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


class UnknownKeyError(UnauthenticatedError):
    """The token names a key that is not among the issuer's known keys; the issuer may have added one.

    Attributes:
        keys: The key set to fetch again before a second attempt.
    """

    def __init__(self, keys: KeySet) -> None:
        super().__init__(NEUTRAL, kind="token", reason="unknown")
        self.keys = keys


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    issuer: Issuer
    generation: int
    begins: float
    ends: float


class TokenVerifier:
    """Verifies tokens of several issuers.

    A verified token is cached; its times are checked at every use, and it is verified again when the keys of its issuer
    change.

    Args:
        issuers: The accepted issuers.
        clock: Returns Unix seconds.
    """

    def __init__(self, issuers: Sequence[Issuer], clock: Callable[[], float] = time.time) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._clock = clock
        self._memo: Memo[str, _Verified] = Memo()

    def identify(self, credentials: Credentials) -> Caller | None:
        """Return the caller of a token, or None if it is not a token of one of these issuers.

        Raises:
            UnauthenticatedError: if it is forged, expired, not yet valid, valid for too long, or for another audience.
            UnknownKeyError: if it names one of these issuers and an unknown key.
        """
        token = credentials.bearer
        if token is None:
            return None
        known = self._memo.get(token)
        if known is None or known.generation != known.issuer.keys.generation:
            issuer = self._issuer_of(token)
            if issuer is None:
                return None
            known = self._verify(token, issuer)
            self._memo.put(token, known)
        _verify_time(known, self._clock())
        return known.caller

    def _issuer_of(self, token: str) -> Issuer | None:
        """Return the issuer that the token names; the token is not verified yet."""
        if not _COMPACT.fullmatch(token):
            return None
        claims = _unverified_part(token.split(".")[1])
        named = claims.get("iss") if isinstance(claims, dict) else None
        return self._issuers.get(named) if isinstance(named, str) else None

    def _verify(self, token: str, issuer: Issuer) -> _Verified:
        header = _unverified_part(token.split(".", 1)[0])
        kid, algorithm, kind = (
            (header.get("kid", ""), header.get("alg"), header.get("typ", "JWT"))
            if isinstance(header, dict)
            else ("", None, None)
        )
        # No extension that `crit` may name is known here, and an empty list is forbidden (RFC 7515, section 4.1.11).
        if isinstance(header, dict) and "crit" in header:
            raise _refusal(NEUTRAL, "untrusted")
        if not isinstance(kid, str) or algorithm not in issuer.algorithms or str(kind).lower() not in _TYPES:
            raise _refusal(NEUTRAL, "untrusted")
        generation = issuer.keys.generation
        keys = issuer.keys.find(kid)
        if not keys:
            raise UnknownKeyError(issuer.keys)
        payload, key = _verify_signature(token, str(algorithm), keys)
        return _read_claims(payload, issuer, key.kid or f"{issuer.name}-key", generation)


def verify_compact(token: str, key: PublicKey, algorithms: Sequence[str]) -> bytes:
    """Return the payload of a JWS in compact form (RFC 7515) that `key` signed with one of `algorithms`.

    Raises:
        UnauthenticatedError: if the form, the algorithm or the signature is wrong.
    """
    allowed = [name for name in algorithms if key.algorithm in ("", name)]
    try:
        if not _COMPACT.fullmatch(token) or not allowed:
            raise _refusal(NEUTRAL, "untrusted")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            payload: bytes = jws.deserialize_compact(token, key.key, algorithms=allowed).payload
    except (JoseError, ValueError, TypeError, KeyError):
        raise _refusal(NEUTRAL, "untrusted") from None
    return payload


def _verify_signature(token: str, algorithm: str, keys: Sequence[PublicKey]) -> tuple[bytes, PublicKey]:
    for key in keys:
        try:
            return verify_compact(token, key, [algorithm]), key
        except UnauthenticatedError:
            continue
    raise _refusal(NEUTRAL, "untrusted")


def _read_claims(payload: bytes, issuer: Issuer, key_id: str, generation: int) -> _Verified:
    try:
        claims = parse_json(payload)
    except BadRequestError:
        raise _refusal(NEUTRAL, "malformed") from None
    if not isinstance(claims, dict) or claims.get("iss") != issuer.issuer:
        raise _refusal(NEUTRAL, "untrusted")
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    if not issuer.audiences.intersection(item for item in listed if isinstance(item, str)):
        raise _refusal("the token is for another audience than this service", "untrusted")
    ends = _time(claims, "exp")
    if ends is None:
        raise _refusal("the token has no expiry time (exp)", "malformed")
    issued = _time(claims, "iat")
    if issued is None:
        raise _refusal("the token does not say when it was issued (iat)", "malformed")
    begins = max(_time(claims, "nbf") or 0.0, issued)
    if ends - issued > issuer.max_lifetime_seconds:
        raise _refusal("the token is valid for longer than this service accepts", "untrusted")
    return _Verified(_caller(claims, issuer, key_id), issuer, generation, begins, ends)


def _verify_time(token: _Verified, now: float) -> None:
    skew = token.issuer.clock_skew_seconds
    if now >= token.ends + skew:
        raise _refusal("the token has expired: ask for a new one", "expired")
    if now < token.begins - skew:
        raise _refusal("the token is not valid yet", "untrusted")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise _refusal(NEUTRAL, "malformed")
    return float(value)


def _caller(claims: Mapping[str, Any], issuer: Issuer, key_id: str) -> Caller:
    subject = find_claim(claims, issuer.subject_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARACTERS or not subject.isprintable():
        raise _refusal("the token does not name its subject", "malformed")
    found = find_claim(claims, issuer.roles_claim)
    words = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    roles = {role for word in words[:MAX_ROLES] if isinstance(word, str) for role in issuer.roles.get(word, ())}
    roles.update(issuer.subject_roles.get(subject, ()), issuer.default_roles)
    attributes = {name: _attribute(find_claim(claims, place)) for name, place in issuer.attributes.items()}
    return Caller(
        id=f"{issuer.name}:{subject}",
        roles=tuple(sorted(roles)),
        key_id=key_id[:MAX_SUBJECT_CHARACTERS],
        attributes=tuple((name, value) for name, value in sorted(attributes.items()) if value is not None),
    )


def _attribute(value: Any) -> AttributeValue | None:
    """Return a claim as a Cedar value, or None if Cedar has no type for it or it is too long."""
    if isinstance(value, str):
        return value if len(value) <= MAX_ATTRIBUTE_CHARACTERS else None
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    if isinstance(value, list) and len(value) <= MAX_ATTRIBUTE_ITEMS and all(isinstance(item, str) for item in value):
        return tuple(sorted(set(value)))
    return None


def find_claim(claims: Any, pointer: str) -> Any:
    """Return the claim that a JSON Pointer (RFC 6901) selects, or None.

    Example:
        `/realm_access/roles` in `{"realm_access": {"roles": ["viewer"]}}` returns `["viewer"]`.
    """
    for segment in pointer_segments(pointer):
        if not isinstance(claims, dict):
            return None
        claims = claims.get(segment)
    return claims


def _refusal(sentence: str, reason: CredentialReason) -> UnauthenticatedError:
    return UnauthenticatedError(sentence, kind="token", reason=reason)


def _unverified_part(part: str) -> Any:
    try:
        return parse_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (BadRequestError, binascii.Error, ValueError):
        return None
