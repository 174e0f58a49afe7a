"""Why a file is not read or written."""

from jaxcolor.errors import UserError


class PhotoError(UserError):
    """A file that is no photograph, or not one that can be read or written; the message is one line."""


class TooLargeError(PhotoError):
    """A file of more bytes or pixels than a limit, or than there is memory for."""


class UnsupportedFormatError(PhotoError):
    """A file of a kind that is not read, or not without a package that is not installed."""
