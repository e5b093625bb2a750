"""The one error tree, ordered by whose fault it is.

`code` is a stable slug for logs, metrics and machines; `str(error)` is one sentence for a person and
never holds a secret or personal data. HTTP status codes live in `gate.py`, exit codes in `cli/`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

CredentialKind = Literal["api-key", "token", "certificate", "none"]
CredentialReason = Literal["missing", "malformed", "unknown", "expired", "revoked", "untrusted"]
ShedReason = Literal["queue", "wait", "lag"]
LimitName = Literal["rate", "concurrency", "requests_per_day", "items_per_day"]


class GovernanceError(Exception):
    """Base of every error that this package raises on purpose."""

    code: ClassVar[str] = "governance_error"


class ConfigurationError(GovernanceError):
    """The operator's: settings, policies or files are wrong, and start stops."""

    code = "configuration"


class KeyUnavailableError(GovernanceError):
    """A key could not be asked for; a retry may help. It says nothing about right or wrong."""

    code = "key_unavailable"


class KeyRefusedError(ConfigurationError):
    """A key service, a token or a passphrase was asked, and said no: no retry helps, a permission may."""

    code = "key_refused"


class NotReadyError(GovernanceError):
    """The service or a model of it cannot answer yet, or cannot answer on the device it must have."""

    code = "not_ready"


class OverloadedError(NotReadyError):
    """The service has more to do than it can; a retry after a while helps.

    `reason`: the queue is full, the wait would be or was too long, or the event loop itself is late.
    """

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_seconds: float, reason: ShedReason) -> None:
        super().__init__(message)
        self.retry_after_seconds, self.reason = retry_after_seconds, reason


class StoppedError(NotReadyError):
    """The operator has stopped the model, or all of them."""

    code = "stopped"


class IntegrityError(GovernanceError):
    """Something is not what was signed."""

    code = "integrity"


class SignatureError(IntegrityError):
    """A signature is missing, wrong, or not by enough of those who are trusted."""

    code = "signature"


class ManifestMismatchError(IntegrityError):
    """Content, a name or a structure differs from what the signed manifest says."""

    code = "manifest_mismatch"


class DecryptionError(IntegrityError):
    """A ciphertext or a wrapped key does not open: changed, cut, moved, or meant for another key."""

    code = "decryption"


class RollbackError(IntegrityError):
    """An older version than the lowest that may still be served."""

    code = "rollback"


class LogInconsistentError(IntegrityError):
    """An audit log is not the one that its checkpoints promise."""

    code = "log_inconsistent"


class RefusedError(GovernanceError):
    """The caller's: the request is refused."""

    code = "refused"


class UnauthenticatedError(RefusedError):
    """Nobody whom we know has signed this request.

    `kind` and `reason` are for the operator's metrics alone: the sentence tells a caller less.
    """

    code = "unauthenticated"

    def __init__(self, message: str, *, kind: CredentialKind, reason: CredentialReason) -> None:
        super().__init__(message)
        self.kind, self.reason = kind, reason


class ForbiddenError(RefusedError):
    """The caller is known, and the policy does not permit it."""

    code = "forbidden"


class PurposeError(ForbiddenError):
    """The model's card does not allow the purpose that the caller names, or the caller names none."""

    code = "purpose"


class NotFoundError(RefusedError):
    """No such route or model."""

    code = "not_found"


class RateLimitedError(RefusedError):
    """The caller asks more often than it may; `limit` is the one that it met."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_seconds: float, limit: LimitName) -> None:
        super().__init__(message)
        self.retry_after_seconds, self.limit = retry_after_seconds, limit


class BadRequestError(RefusedError):
    """The request has a wrong form, shape or type."""

    code = "bad_request"


class UnsupportedMediaTypeError(RefusedError):
    """The content type is not allowed on this route."""

    code = "unsupported_media_type"


class ClientGoneError(BadRequestError):
    """The caller went away before the answer was whole."""

    code = "cancelled"


class TooLargeError(RefusedError):
    """The request is larger than this route reads."""

    code = "too_large"
