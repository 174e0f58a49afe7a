"""The training program: step, log, evaluate, save, and stop when asked to."""

import contextlib
import signal
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import NamedTuple

import jax
import ml_collections
from etils import epath

from jaxcolor import config as configs
from jaxcolor.data import pipeline
from jaxcolor.errors import InterruptedRunError, UserError
from jaxcolor.evaluation.figures import sample_grid, write_png
from jaxcolor.training import parallel, totals
from jaxcolor.training.checkpoints import Checkpoints, goodness
from jaxcolor.training.console import Console
from jaxcolor.training.play import play
from jaxcolor.training.records import Records
from jaxcolor.training.state import System, TrainState, build_system, create_state
from jaxcolor.training.validation import Validation
from jaxcolor.training.workdir import check_model, claim, explain_refusal


class Schedule(NamedTuple):
    """When things happen, in steps."""

    warmup: int
    total: int
    log: int
    evaluate: int
    save: int

    @classmethod
    def of(cls, config: ml_collections.ConfigDict) -> 'Schedule':
        """Turns the config's epochs into steps."""
        epoch = pipeline.steps_per_epoch(config.data)
        return cls(
            warmup=round(config.warmup_epochs * epoch),
            total=config.num_steps or max(1, round(config.num_epochs * epoch)),
            log=config.log_every,
            evaluate=config.eval_every or epoch,
            save=config.checkpoint_every or epoch,
        )

    def due(self, every: int, step: int) -> bool:
        """Whether something that happens `every` so many steps, and at the end, happens after `step`."""
        return step % every == 0 or step == self.total


def train(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> dict[str, int | float]:
    """Trains what `config` describes in `workdir`, going on from the newest checkpoint there.

    Returns:
      The scores of the last evaluation, and its `step`; see `evaluation.evaluate.SCORES`.

    Raises:
      UserError: a setting that can't work, unreadable data, a disk that refuses, a loss that is not finite.
      InterruptedRunError: SIGTERM or SIGINT came.
    """
    configs.check(config, jax.device_count())
    system = build_system(config, parallel.AXIS)
    schedule = Schedule.of(config)
    validate = Validation(config.data, system)
    claim(workdir, config)
    metric = config.early_stopping.metric
    with contextlib.closing(Checkpoints(workdir, keep=config.keep, metric=metric)) as checkpoints:
        step, state = restore_or_create(config, system, checkpoints)
        with (
            explain_refusal(workdir),
            Records(workdir, step) as records,
            Console(step, schedule.total) as console,
        ):
            if step:
                verb = 'resuming' if step < schedule.total else 'nothing left to do in'
                console.say(f'{verb} {workdir} at step {step} of {schedule.total}')
            try:
                _run(config, schedule, system, state, validate, checkpoints, records, console)
            except totals.NonFiniteError as error:
                saved = f'step {checkpoints.steps[-1]} in {checkpoints.path}' if checkpoints.steps else 'none'
                raise UserError(
                    f'{error}; last good checkpoint: {saved}\n'
                    'lower the learning rates or loss weights, or use --config.dtype=float32, and run again'
                ) from error
            if not records.evaluations:  # a finished run that has lost its records
                records.evaluation(step, *validate(state))
            return records.evaluations[-1]


def _run(
    config: ml_collections.ConfigDict,
    schedule: Schedule,
    system: System,
    start: TrainState,
    validate: Validation,
    checkpoints: Checkpoints,
    records: Records,
    console: Console,
) -> None:
    if out_of_patience(config.early_stopping, records.evaluations):
        return
    with catch_signals() as signals:
        for step, state, meter in play(config, system, start, warmup=schedule.warmup, total=schedule.total):
            console.advance()
            evaluating, saving = schedule.due(schedule.evaluate, step), schedule.due(schedule.save, step)
            if evaluating or schedule.due(schedule.log, step):
                losses = meter.read()
                records.losses(step, losses)
                console.losses(step, losses)
            if not (evaluating or saving or signals):
                continue
            with meter.paused():
                totals.check_finite(step, state)
                scores = None
                if evaluating:
                    scores, pictures = validate(state)
                    records.evaluation(step, scores, pictures)
                    console.scores(step, scores)
                checkpoints.save(step, state, scores)
            if signals:
                checkpoints.wait()
                raise InterruptedRunError(signals[0], f'saved step {step} in {checkpoints.path}')
            if out_of_patience(config.early_stopping, records.evaluations):
                console.say(f'step {step}: no better {config.early_stopping.metric} lately; stopping early')
                return


def restore_or_create(
    config: ml_collections.ConfigDict, system: System, checkpoints: Checkpoints
) -> tuple[int, TrainState]:
    """Returns the step and the state, placed on the devices, to start from."""
    create = partial(create_state, system, config.data.image_size, jax.random.key(config.seed))
    restored = checkpoints.restore(jax.eval_shape(create))
    return restored or (0, parallel.replicate(create()))


def out_of_patience(config: ml_collections.ConfigDict, evaluations: list[dict[str, int | float]]) -> bool:
    """Whether the last `config.patience` evaluations all failed to better the best `config.metric` before them."""
    if config.patience is None or len(evaluations) <= config.patience:
        return False
    values = [goodness(config.metric, scores) for scores in evaluations]
    return max(values[-config.patience :]) <= max(values[: -config.patience])


@contextlib.contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Gathers SIGTERM and SIGINT in a list; after the first, the next one acts as ever."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for other, handler in before.items():
            signal.signal(other, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def evaluate_run(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> dict[str, int | float]:
    """Returns the scores of the newest checkpoint in `workdir` on the config's test split, and draws samples.

    Raises:
      UserError: no checkpoint, or one of another model than `config` describes.
    """
    configs.check(config, jax.device_count())
    system = build_system(config, parallel.AXIS)
    check_model(workdir, config)
    with contextlib.closing(Checkpoints(workdir)) as checkpoints:
        create = partial(create_state, system, config.data.image_size, jax.random.key(config.seed))
        restored = checkpoints.restore(jax.eval_shape(create))
        if restored is None:
            raise UserError(f'{checkpoints.path} has no checkpoint; train first, with --mode=train')
        step, state = restored
    scores, pictures = Validation(config.data, system)(state)
    if jax.process_index() == 0:
        grid = sample_grid(pictures.grey, pictures.generated, pictures.true)
        write_png(grid, epath.Path(workdir) / 'samples' / f'{step}.png')
    return {'step': step, **scores}
