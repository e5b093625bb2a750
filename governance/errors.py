"""The errors that this package raises, in one tree: the operator's, the caller's, and failed checks.

`code` is a stable word for logs, metrics and programs. `remedy` says what to do; `docs/reference/errors.md` shows it.
`str(error)` is one sentence for a person, without secrets and without personal data. HTTP status codes are in `gate/`,
exit statuses in `cli/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

CredentialKind = Literal["api-key", "token", "certificate", "none"]
CredentialReason = Literal["missing", "malformed", "unknown", "expired", "revoked", "untrusted"]
ShedReason = Literal["queue", "wait", "lag", "memory"]
LimitName = Literal["rate", "concurrency", "requests_per_day", "items_per_day"]


class GovernanceError(Exception):
    """Base of every error that this package raises on purpose."""

    code: ClassVar[str] = "governance_error"
    remedy: ClassVar[str] = "Read the message."


class ConfigurationError(GovernanceError):
    """Settings, policies, files or arguments are wrong; the service does not start."""

    code = "configuration"
    remedy = "Correct what the message names, then start again."


class KeyUnavailableError(GovernanceError):
    """A key cannot be used now, or a file cannot be downloaded. Nothing was checked."""

    code = "key_unavailable"
    remedy = "Retry. If it persists, check that the key service, the token or the network answers."


class KeyRefusedError(ConfigurationError):
    """A key service, a token or a passphrase refused the use of a key."""

    code = "key_refused"
    remedy = "Correct the permission, PIN or passphrase; a retry does not help."


class NotReadyError(GovernanceError):
    """The service or the model cannot answer now."""

    code = "not_ready"
    remedy = (
        "Retry later. The operator reads the log: a model may not be on its device, the audit log may be full, an "
        "identity provider or Redis may not answer."
    )


class OverloadedError(NotReadyError):
    """The worker has too many requests; retry after `retry_after_seconds`.

    `reason` is `queue` (the queue is full), `wait` (the wait is too long), `lag` (the event loop is late) or `memory`
    (too many bytes of incomplete bodies).
    """

    code = "overloaded"
    remedy = "Retry after the seconds in Retry-After. The operator adds workers, or raises max_queue in [limits]."

    def __init__(self, message: str, *, retry_after_seconds: float, reason: ShedReason) -> None:
        super().__init__(message)
        self.retry_after_seconds, self.reason = retry_after_seconds, reason


class StoppedError(NotReadyError):
    """The kill switch stops the model, or all models."""

    code = "stopped"
    remedy = "Wait, or ask the operator, who resumes it with `bento-governance resume`."


class IntegrityError(GovernanceError):
    """Data is not what was signed."""

    code = "integrity"
    remedy = "Do not use it. Get it again from its source, and find out who changed it."


class SignatureError(IntegrityError):
    """A signature is missing or wrong, or too few trusted keys have signed."""

    code = "signature"
    remedy = "Check trusted_signers and threshold in [artifacts]; let a trusted person sign with `artifact approve`."


class ManifestMismatchError(IntegrityError):
    """Content, name or structure differs from the signed manifest, or a model contains what is not allowed."""

    code = "manifest_mismatch"
    remedy = "Get the artifact again, or seal the model again. `artifact scan` lists what is not allowed."


class DecryptionError(IntegrityError):
    """Ciphertext cannot be decrypted: it was changed, cut or moved, or encrypted for another key."""

    code = "decryption"
    remedy = "Check with `artifact inspect` that recipient_key is a recipient; add it with `artifact rewrap`."


class RollbackError(IntegrityError):
    """The version is below the lowest one that may be served."""

    code = "rollback"
    remedy = "Serve a newer version. To go back, seal the old content again with a higher version."


class LogInconsistentError(IntegrityError):
    """The audit log differs from what its checkpoints promise."""

    code = "log_inconsistent"
    remedy = "Keep the folder as evidence, restore a backup, and run `audit verify`."


class RefusedError(GovernanceError):
    """The request is refused."""

    code = "refused"
    remedy = "Read the message."


class UnauthenticatedError(RefusedError):
    """The request carries no valid credential.

    `kind` and `reason` are for the operator's metrics only: the message gives the caller less detail.
    """

    code = "unauthenticated"
    remedy = "Send a valid API key or token in `Authorization: Bearer ...`, or a client certificate."

    def __init__(self, message: str, *, kind: CredentialKind, reason: CredentialReason) -> None:
        super().__init__(message)
        self.kind, self.reason = kind, reason


class ForbiddenError(RefusedError):
    """The caller is authenticated, and the policies do not permit the request."""

    code = "forbidden"
    remedy = "Ask for a role or a policy. The operator runs `policy explain`."


class PurposeError(ForbiddenError):
    """The purpose is missing, or the model's card does not allow it."""

    code = "purpose"
    remedy = "Send one of the model's purposes in the Governance-Purpose header."


class NotFoundError(RefusedError):
    """There is no such route or model."""

    code = "not_found"
    remedy = "Check the path and the model's name; list the route in [[routes]]."


class MethodNotAllowedError(RefusedError):
    """The path is a route, but not with this HTTP method; `allowed` lists its methods."""

    code = "method_not_allowed"
    remedy = "Use one of the methods in the header field Allow."

    def __init__(self, message: str, *, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


class RateLimitedError(RefusedError):
    """The caller has reached a limit; `limit` says which."""

    code = "rate_limited"
    remedy = "Retry after the seconds in Retry-After, or ask for a higher limit."

    def __init__(self, message: str, *, retry_after_seconds: float, limit: LimitName) -> None:
        super().__init__(message)
        self.retry_after_seconds, self.limit = retry_after_seconds, limit


class BadRequestError(RefusedError):
    """The request has a wrong form, shape or type."""

    code = "bad_request"
    remedy = "Correct the request; the model's metadata lists names, shapes and types."


class RequestTimeoutError(RefusedError):
    """The body did not arrive in time."""

    code = "request_timeout"
    remedy = "Send the body faster, or raise body_seconds or lower body_bytes_per_second in [http]."


class ApplicationError(GovernanceError):
    """The service's own code answered with an error status (501, 502, 503 or 504).

    `status` is its HTTP status, and `headers` are the header fields of its answer that the caller gets.
    """

    code = "application"
    remedy = "Read the message: the service's own code wrote it."

    def __init__(self, message: str, *, status: int, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status, self.headers = status, tuple(headers)


class UnsearchableReplyError(GovernanceError):
    """The service's own code has answered with something that must be searched for personal data and cannot be."""

    code = "unsearchable_reply"
    remedy = (
        "Let the route answer JSON or text, add [[privacy.images]] with `applies_to` for pictures, or remove `replies` "
        "from its [[privacy.text]]."
    )


class ApplicationRefusedError(RefusedError):
    """The service's own code refused the request (a status from 400 to 499).

    `status` is its HTTP status, and `headers` are the header fields of its answer that the caller gets.
    """

    code = "application_refused"
    remedy = "Read the message: the service's own code wrote it."

    def __init__(self, message: str, *, status: int, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status, self.headers = status, tuple(headers)


class UnsupportedMediaTypeError(RefusedError):
    """The route does not accept this content type."""

    code = "unsupported_media_type"
    remedy = "Send one of the content types that the message lists."


class UnsupportedCodingError(UnsupportedMediaTypeError):
    """The body has a content coding that is not read."""

    code = "unsupported_coding"
    remedy = "Send the body with one of the content codings in the header field Accept-Encoding, or with none."


class ClientGoneError(BadRequestError):
    """The client closed the connection before the answer was complete."""

    code = "cancelled"
    remedy = "Send the request again."


class TooLargeError(RefusedError):
    """The request is larger than the route accepts."""

    code = "too_large"
    remedy = "Send less at once, or raise max_body_bytes (images: max_pixels)."
