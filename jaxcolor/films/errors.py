"""Why a film is not coloured."""

from jaxcolor.errors import UserError


class FilmError(UserError):
    """A file that is no film, or not one that can be coloured; the message is one line."""
