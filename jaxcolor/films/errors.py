"""Why a film is not coloured."""

from jaxcolor.errors import UserError
from jaxcolor.imaging.errors import TooLargeError


class FilmError(UserError):
    """A file that is no film, or not one that can be coloured; the message is one line."""


class LargeFilmError(FilmError, TooLargeError):
    """A film that has more of something than is taken."""
