"""How a command ends before its time: a user's mistake, or a user's wish."""

import signal
import sys


class UserError(Exception):
    """Something that the user can put right; the message names the thing, its value and the remedy.

    Commands print the message alone, without a traceback, and exit with status 1.
    """


def missing_package(error: ImportError, needs: str, extra: str) -> UserError:
    """Return what to say of a package that is not installed.

    Args:
      error: by which importing it failed.
      needs: what the package is for.
      extra: of pyproject.toml, which brings it.
    """
    python = '.'.join(map(str, sys.version_info[:2]))
    return UserError(
        f"{needs} needs {error.name}, which is not installed for Python {python}; pip install 'jaxcolor[{extra}]'"
    )


class InterruptedRunError(Exception):
    """A signal ended the work, after all was saved; commands exit with 128 + `signum`, as shells do."""

    def __init__(self, signum: int, saved: str):
        super().__init__(f'{signal.Signals(signum).name}: {saved}; run the same line again to go on from there')
        self.signum = signum
