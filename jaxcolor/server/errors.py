"""Why a request fails, and the status that each reason is answered by."""

import logging
import secrets
import traceback

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from jaxcolor.errors import UserError
from jaxcolor.imaging.errors import TooLargeError, UnsupportedFormatError

_LOG = logging.getLogger(__name__)


class FormError(UserError):
    """A form that is broken or cut short."""


class UploadTimeoutError(UserError):
    """An upload that takes too long."""


class AmbiguousLengthError(UserError):
    """A request that says in two ways where it ends."""


class HostError(UserError):
    """A request for a host that is not this one."""


class TokenError(UserError):
    """A request without the server's token."""


class InternalError(Exception):
    """A fault of the server; the message tells nothing of the request."""


class RetryError(Exception):
    """What may be done after Retry-After seconds."""

    def __init__(self, message: str, retry_after: int):
        super().__init__(message)
        self.retry_after = retry_after


class ClientLimitError(RetryError):
    """Too many requests of one client at a time; there may be fewer after Retry-After seconds."""


class UnavailableError(RetryError):
    """No picture is taken now; it may be after Retry-After seconds."""


class ResultTimeoutError(Exception):
    """A picture that is not ready in time."""


STATUSES: dict[type[Exception], int] = {
    AmbiguousLengthError: 400,
    HostError: 400,
    FormError: 400,
    TokenError: 401,
    UploadTimeoutError: 408,
    TooLargeError: 413,
    UnsupportedFormatError: 415,
    UserError: 422,  # every other: a damaged picture, an option out of range
    ClientDisconnect: 499,  # nginx's number; nobody reads it but the metrics
    ClientLimitError: 429,
    InternalError: 500,
    UnavailableError: 503,
    ResultTimeoutError: 504,
}
"""Class -> status, for its subclasses too unless they have their own."""


async def respond(request: Request, error: Exception) -> JSONResponse:
    """Answer with an error's status, and with its message as `detail`."""
    if isinstance(error, HTTPException):  # Starlette's own: an unknown address or method
        return JSONResponse({'detail': error.detail}, error.status_code, error.headers)
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    headers = None
    if isinstance(error, RetryError):
        headers = {'Retry-After': str(error.retry_after)}
    elif isinstance(error, TokenError):
        headers = {'WWW-Authenticate': 'Bearer'}
    return JSONResponse({'detail': str(error)}, status, headers)


def log(error: Exception) -> str:
    """Log where an error came from, and the start of its message, which may quote data; return its number."""
    number = secrets.token_hex(4)
    frames = ''.join(traceback.format_tb(error.__traceback__))
    message = (str(error).splitlines() or [''])[0][:200]
    _LOG.error('error %s\n%s%s: %s', number, frames, type(error).__name__, message)
    return number
