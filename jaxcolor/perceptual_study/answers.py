"""Answers, a line of JSON each, and what many of them say: how often a coloured photograph is taken for a true one."""

import json
import math
import os
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxcolor.errors import UserError

TRUE, COLORED = 'true', 'coloured'  # what is shown, and what is answered
CONFIDENCE = 0.95

_JUDGE = re.compile(r'[A-Za-z0-9_-]{1,64}')


class Setting(NamedTuple):
    """What answers must have in common to be counted together."""

    model: str  # and its step
    size: int  # of the pictures' sides at most, in pixels
    seconds: float | None  # that each was shown; None for as long as one likes


class Answer(NamedTuple):
    """One person's word on one picture."""

    judge: str  # a random name
    picture: str  # its path below the folder
    shown: str
    answer: str
    setting: Setting


class Rate(NamedTuple):
    """A share of answers, and where it is with 95 % confidence."""

    taken: int  # for the other
    total: int

    @property
    def share(self) -> float:
        """In [0, 1]; NaN of none."""
        return self.taken / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's score interval; all of [0, 1] where there are no answers.

        References:
          Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
        """
        if not self.total:
            return 0.0, 1.0
        z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
        n, p = self.total, self.share
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        # Of none and of all, one end is exact, but for rounding.
        low, high = max(0.0, centre - half), min(1.0, centre + half)
        return (0.0 if not self.taken else low), (1.0 if self.taken == n else high)

    def __str__(self) -> str:
        if not self.total:
            return 'no answers'
        low, high = self.interval
        return f'{100 * self.share:.1f} % ({self.taken} of {self.total}; 95 %: {100 * low:.1f} to {100 * high:.1f})'


class Summary(NamedTuple):
    """What answers say.

    Attributes:
      judges: people, by their random names.
      fooled: coloured pictures that were taken for true: the fooling rate.
      doubted: true pictures that were taken for coloured.
    """

    judges: int
    fooled: Rate
    doubted: Rate

    def to_json(self) -> dict[str, Any]:
        """Return it as the page reads it: shares, and their intervals."""
        rates = {'fooled': self.fooled, 'doubted': self.doubted}
        return {'judges': self.judges} | {
            name: {'taken': rate.taken, 'total': rate.total, 'interval': rate.interval} for name, rate in rates.items()
        }


def summarize(answers: Sequence[Answer]) -> Summary:
    """Return what answers of one setting say, each counted once."""
    rates = [
        Rate(sum(answer.answer != shown for answer in of), len(of))
        for shown in (COLORED, TRUE)
        for of in [[answer for answer in answers if answer.shown == shown]]
    ]
    return Summary(len({answer.judge for answer in answers}), *rates)


def _report(setting: Setting, answers: Sequence[Answer]) -> str:
    summary = summarize(answers)
    shown = 'as long as one likes' if setting.seconds is None else f'{setting.seconds:g} s'
    people = '1 person' if summary.judges == 1 else f'{summary.judges} people'
    return '\n'.join(
        (
            f'{setting.model}, {setting.size} px at most, shown {shown}: {people}, {len(answers)} answers',
            f'  fooling rate, coloured taken for true: {summary.fooled}',
            f'  true taken for coloured:               {summary.doubted}',
            '  by chance:                             50 % of either',
        )
    )


class Results:
    """A file of answers.

    Attributes:
      answers: those that are there.
      broken: lines that are none, such as the last one of a process that was killed.
    """

    def __init__(self, path: Path):
        """Read what is there.

        Raises:
          UserError: the file can't be read, or holds other things.
        """
        self.path = path
        self.answers: list[Answer] = []
        try:
            lines = path.read_text(errors='replace').splitlines() if path.exists() else []
        except OSError as error:
            raise UserError(f'{path} can not be read: {error.strerror}; use another file') from error
        self.answers = [answer for line in lines if (answer := _parse(line)) is not None]
        self.broken = len(lines) - len(self.answers)
        if lines and not self.answers:
            raise UserError(f'{path} holds no answers of `jaxcolor judge`; use another file')

    def report(self) -> str:
        """Return a few lines for each setting, and what is wrong with the file."""
        settings = dict.fromkeys(answer.setting for answer in self.answers)
        parts = [f'{self.path}: left out, for they are no answers: {self.broken} lines'] if self.broken else []
        parts += [_report(one, [answer for answer in self.answers if answer.setting == one]) for one in settings]
        return '\n\n'.join(parts) or 'no answers'

    def add(self, answer: Answer) -> None:
        """Append a line, which the disk has once this returns.

        Raises:
          OSError: the disk refuses; then the answer does not count.
        """
        line = json.dumps({**answer._asdict(), 'setting': answer.setting._asdict()})
        with self.path.open('a+b') as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            start = '' if file.read(1) in (b'', b'\n') else '\n'  # after half a line
            file.write(f'{start}{line}\n'.encode())
            file.flush()
            os.fsync(file.fileno())
        self.answers.append(answer)


def _parse(line: str) -> Answer | None:
    """Return the answer that a line is; None if it is none."""
    try:
        fields = json.loads(line)
        answer = Answer(**fields)._replace(setting=Setting(**fields['setting']))
    except (ValueError, TypeError, KeyError):
        return None
    model, size, seconds = answer.setting
    kinds = {answer.shown, answer.answer} <= {TRUE, COLORED} and all(
        isinstance(value, str) for value in (answer.judge, answer.picture, model)
    )
    numbers = isinstance(size, int) and (seconds is None or isinstance(seconds, int | float))
    return answer if kinds and numbers and _JUDGE.fullmatch(answer.judge) else None
