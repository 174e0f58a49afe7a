"""Runs of a sweep one after the other, each in a process of its own: what ends one ends no other."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from etils import epath

from jaxcolor import config as configs
from jaxcolor.compare.runs import records, total
from jaxcolor.compare.sweep import Trial
from jaxcolor.errors import InterruptedRunError, UserError
from jaxcolor.signals import catch_signals
from jaxcolor.storage import read_text
from jaxcolor.training.train import out_of_patience

# A run may go on with others of these, and a palette's are learned from the data.
_FREE = {
    'num_steps',
    'num_epochs',
    'early_stopping.patience',
    'log_every',
    'eval_every',
    'checkpoint_every',
    'keep',
    'profile',
    'space.centers',
    'space.frequencies',
}


def train_all(trials: Sequence[Trial], workdir: epath.Path, say: Callable[[str], None] = print) -> dict[str, int]:
    """Train what is not done yet, in a folder of `workdir` each; return the exit status of those that failed.

    Args:
      trials: the runs.
      workdir: of the sweep.
      say: is told which run of how many it is, and for about how long they will take, as those of this call did.

    Raises:
      UserError: a folder holds a run of other settings; nothing is trained then.
      InterruptedRunError: SIGINT or SIGTERM came; the run under way is saved.
    """
    done = {trial.name: is_done(workdir / trial.name, trial) for trial in trials}
    failed: dict[str, int] = {}
    taken: list[float] = []
    for number, trial in enumerate(trials, 1):
        place = workdir / trial.name
        if done[trial.name]:
            say(f'[{number}/{len(trials)}] {trial.name}: done before, in {place}')
            continue
        left = sum(not done[later.name] for later in trials[number - 1 :])
        about = f'; about {_words(left * sum(taken) / len(taken))} left' if taken else ''
        say(f'[{number}/{len(trials)}] {trial.name}: {left} to train{about}\n{trial.command(place)}')
        began = time.monotonic()
        status = _run(trial, place)
        if status:
            failed[trial.name] = status
            say(f'[{number}/{len(trials)}] {trial.name} failed with status {status}; the others go on')
        else:
            taken.append(time.monotonic() - began)
    return failed


def is_done(place: epath.Path, trial: Trial) -> bool:
    """Whether a run has come to its end: its last evaluation and the checkpoint of that step are there.

    Raises:
      UserError: the run in `place` has other settings.
    """
    text = read_text(place / 'config.json')
    if text is None:
        return False
    try:
        stored = configs.parse(text)
    except ValueError as error:
        raise UserError(f'{place}/config.json {error}; move it away to train anew') from error
    for field, (old, new) in configs.differences(stored, trial.config).items():
        if field not in _FREE and (field, new) != ('dtype', 'auto'):  # which is resolved in what is stored
            raise UserError(
                f'{place} was trained with other settings: {field} was {old!r}, is {new!r}; '
                'use another --workdir, or move that run away'
            )
    evaluations = records(place / 'evaluations.jsonl')
    if not evaluations:
        return False
    step, steps = int(evaluations[-1]['step']), total(place, trial.config)
    ended = (steps is not None and step >= steps) or out_of_patience(trial.config.early_stopping, evaluations)
    return ended and (place / 'checkpoints' / str(step)).exists()


def _run(trial: Trial, place: epath.Path) -> int:
    """Train in a process of its own, which is told of signals once, not by the terminal as well."""
    with catch_signals() as signals:
        process = subprocess.Popen(program(trial, place), start_new_session=True)
        passed = 0
        try:
            while process.poll() is None:
                for signum in signals[passed:]:
                    process.send_signal(signum)
                    passed += 1
                time.sleep(0.1)
        except KeyboardInterrupt:  # a second Ctrl-C
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    if signals:
        raise InterruptedRunError(signals[0], f'{trial.name} is saved as far as it came, in {place}')
    return process.returncode


def program(trial: Trial, place: epath.Path) -> list[str]:
    """Return the words of `Trial.command` for this interpreter, whose `jaxcolor` need not be on the path."""
    return [sys.executable, '-m', 'jaxcolor.cli', *trial.arguments(place)]


def _words(seconds: float) -> str:
    for scale, unit in ((86400, 'days'), (3600, 'hours'), (60, 'minutes')):
        if seconds >= 2 * scale:
            return f'{seconds / scale:.0f} {unit}'
    return f'{seconds:.0f} seconds'
