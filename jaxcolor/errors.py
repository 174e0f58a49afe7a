"""How a command ends before its time: a user's mistake, or a user's wish."""

import signal


class UserError(Exception):
    """Something that the user can put right; the message names the thing, its value and the remedy.

    Commands print the message alone, without a traceback, and exit with status 1.
    """


class InterruptedRunError(Exception):
    """A signal ended the work, after all was saved; commands exit with 128 + `signum`, as shells do."""

    def __init__(self, signum: int, saved: str):
        super().__init__(f'{signal.Signals(signum).name}: {saved}; run the same line again to go on from there')
        self.signum = signum
