"""Who is shown what: every person each picture once, true or coloured, in an order of their own."""

import random
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from jaxcolor.errors import UserError
from jaxcolor.perceptual_study.answers import COLORED, TRUE, Answer, Results, Setting, Summary, summarize
from jaxcolor.perceptual_study.pictures import Pair

MOST_JUDGES = 1000  # that have begun and are remembered, so that nobody fills the memory


class NotFoundError(UserError):
    """A person or a picture that nobody knows."""


class AnsweredError(UserError):
    """A picture that has its answer, or whose turn it is not."""


class TooManyError(UserError):
    """More people than are remembered."""


class Trial(NamedTuple):
    """A picture in one form, for one person."""

    key: str  # of its address; random, so that it says nothing
    name: str
    shown: str


class Study:
    """The pictures, the people, and what each has still to see.

    What is left for a person is drawn by the system's randomness, and is nowhere but here: neither addresses nor
    the order tell a form. A server that starts anew draws it anew, without the pictures that the person has
    answered already.
    """

    def __init__(self, pairs: Mapping[str, Pair], setting: Setting, results: Results):
        self.setting = setting
        self._pairs, self._results = pairs, results
        self._rng = random.SystemRandom()
        self._left: dict[str, list[Trial]] = {}

    @property
    def total(self) -> int:
        """How many pictures a person is shown."""
        return len(self._pairs)

    def new_judge(self) -> str:
        """Return the random name of a person who begins.

        Raises:
          TooManyError: there are too many.
        """
        if len(self._left) >= MOST_JUDGES:
            raise TooManyError(f'more than {MOST_JUDGES} people have begun; start the command anew')
        judge = secrets.token_urlsafe(12)
        self._left[judge] = self._draw(judge)
        return judge

    def judged(self, judge: str) -> int:
        """Return how many of the pictures a person has answered; see `_trials` for what it raises."""
        return self.total - len(self._trials(judge))

    def next_picture(self, judge: str) -> str | None:
        """Return the key of the picture whose turn it is; None after the last."""
        trials = self._trials(judge)
        return trials[0].key if trials else None

    def picture(self, judge: str, key: str) -> bytes:
        """Return the file of the picture whose turn it is.

        Raises:
          NotFoundError: it is not that one's.
        """
        trials = self._trials(judge)
        if not trials or trials[0].key != key:
            raise NotFoundError('picture=… is not the one whose turn it is; ask for the next one')
        pair = self._pairs[trials[0].name]
        return pair.true if trials[0].shown == TRUE else pair.colored

    def answer(self, judge: str, key: str, answer: str) -> None:
        """Take an answer to the picture whose turn it is; it is on the disk once this returns.

        Raises:
          AnsweredError: it is the turn of another.
          OSError: the disk refuses; then it is its turn still.
        """
        trials = self._trials(judge)
        if not trials or trials[0].key != key:
            raise AnsweredError('picture=… is answered already, or is not the one whose turn it is; ask for the next')
        self._results.add(Answer(judge, trials[0].name, trials[0].shown, answer, self.setting))
        trials.pop(0)

    def summary(self, judge: str | None = None) -> Summary:
        """Return what all people, or one of them, have said in this setting."""
        return summarize(
            [one for one in self._results.answers if one.setting == self.setting and judge in (None, one.judge)]
        )

    def _trials(self, judge: str) -> list[Trial]:
        """Return what a person has still to see.

        Raises:
          NotFoundError: there is no such person, neither here nor among the results.
        """
        if judge not in self._left:
            if not any(one.judge == judge for one in self._results.answers):
                raise NotFoundError('judge=… is nobody who has begun; begin anew')
            self._left[judge] = self._draw(judge)
        return self._left[judge]

    def _draw(self, judge: str) -> list[Trial]:
        """Draw what is left: half of all pictures coloured, what is answered counted in."""
        seen = {one.picture: one.shown for one in self._results.answers if one.judge == judge}
        counted = Counter(shown for name, shown in seen.items() if name in self._pairs)
        names = [name for name in self._pairs if name not in seen]
        self._rng.shuffle(names)
        half = (self.total + self._rng.randrange(2)) // 2  # of an odd number, either
        colored = min(max(half - counted[COLORED], 0), len(names))
        forms = [COLORED] * colored + [TRUE] * (len(names) - colored)
        self._rng.shuffle(forms)
        return [Trial(secrets.token_urlsafe(12), name, form) for name, form in zip(names, forms, strict=True)]
