"""Errors and status codes: the one table, and what a log may say about an unforeseen exception."""

from __future__ import annotations

import os
import traceback
from http import HTTPStatus

from governance.errors import (
    ApplicationError,
    ApplicationRefusedError,
    BadRequestError,
    ForbiddenError,
    GovernanceError,
    KeyUnavailableError,
    MethodNotAllowedError,
    NotFoundError,
    NotReadyError,
    RateLimitedError,
    RequestTimeoutError,
    TooLargeError,
    UnauthenticatedError,
    UnsearchableReplyError,
    UnsupportedMediaTypeError,
)

# Errors of the service's own code, which have a status of their own.
OWN_STATUS = (ApplicationError, ApplicationRefusedError)
# The one table of errors and status codes. The first match counts; any other class is 500 without detail.
STATUS_OF: tuple[tuple[type[GovernanceError], HTTPStatus], ...] = (
    (UnauthenticatedError, HTTPStatus.UNAUTHORIZED),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (MethodNotAllowedError, HTTPStatus.METHOD_NOT_ALLOWED),
    (RequestTimeoutError, HTTPStatus.REQUEST_TIMEOUT),
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnsupportedMediaTypeError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (RateLimitedError, HTTPStatus.TOO_MANY_REQUESTS),
    (BadRequestError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnsearchableReplyError, HTTPStatus.BAD_GATEWAY),
    (NotReadyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (KeyUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def status_of(error: Exception, *, under_v2: bool) -> int:
    """Return the status code of an error.

    An error of the service's own code keeps its status. Ours is 400 for a wrong request under `/v2`, as Triton answers.

    Args:
        error: the error.
        under_v2: whether the path begins with `/v2`.
    """
    if isinstance(error, OWN_STATUS):
        return error.status
    status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    return HTTPStatus.BAD_REQUEST if under_v2 and status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def phrase_of(status: int, otherwise: str) -> str:
    """Return the reason phrase of a status, such as `Conflict`, or `otherwise` for a status that is not registered.

    Args:
        status: the HTTP status; an application may use any number.
        otherwise: the text for an unregistered one.
    """
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return otherwise


def describe_exception(error: BaseException) -> str:
    """Return an error's class and where it was raised. Its text is left out: it may contain data of the caller.

    Example: `ValueError at service.py:12 classify <- application.py:88 proceed`.
    """
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " <- ".join(f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__} at {where}"
