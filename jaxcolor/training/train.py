"""The training program: step, log, evaluate, save, and stop when asked to."""

import contextlib
import json
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
from etils import epath

from jaxcolor import config as configs
from jaxcolor.checkpoints import data_record
from jaxcolor.checkpoints.lock import locked
from jaxcolor.checkpoints.manager import Checkpoints
from jaxcolor.checkpoints.model import Model
from jaxcolor.checkpoints.restore import restore
from jaxcolor.checkpoints.workdir import adopt, check_agreement, check_model, claim, stored
from jaxcolor.color.spaces import Space
from jaxcolor.data.dataset import Dataset
from jaxcolor.data.fingerprint import digest
from jaxcolor.distributed import cluster, parallel, replica_check
from jaxcolor.errors import InterruptedRunError, UserError
from jaxcolor.evaluation.evaluate import score_names
from jaxcolor.evaluation.figures import sample_grid, write_png
from jaxcolor.evaluation.report import Console
from jaxcolor.evaluation.scores import goodness, worse_than_baseline
from jaxcolor.storage import REFUSALS, explain_refusal, read_text, write_atomic
from jaxcolor.training import (
    batch_statistics,
    device_cache,
    init_from,
    palette,
    precision,
    pretrained,
    profiler,
    train_metrics,
)
from jaxcolor.training.optimizers import learning_rates
from jaxcolor.training.records import Records
from jaxcolor.training.schedule import Schedule
from jaxcolor.training.state import System, TrainState, build_system, create_state
from jaxcolor.training.throughput import Throughput
from jaxcolor.training.update import train_steps
from jaxcolor.training.validation import Validation


def train(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> dict[str, int | float]:
    """Train what `config` describes in `workdir`, going on from the newest checkpoint there.

    With `early_stopping.patience` the best checkpoint is the outcome, as with Keras' `restore_best_weights`
    (Naim25 section 2.1); without, the newest.

    Args:
      config: if its space is a palette without colours, or its dtype `auto`, they are filled in.
      workdir: a path, or an address such as `gs://…`.

    Returns:
      The scores of the outcome's evaluation, and its `step`; see `evaluation.evaluate.score_names`.

    Raises:
      UserError: a setting that can't work, unreadable data, a disk that refuses, a loss that is not finite.
      InterruptedRunError: SIGTERM or SIGINT came.
    """
    configs.check(config, jax.device_count())
    profiler.parse(config.profile)
    before = stored(workdir)
    dataset = Dataset(config.data)
    model = init_from.read(config) if before is None else None
    palette.resolve(config, dataset, before if model is None else model.config)

    def total() -> int:  # only asked for after checks that can do without, for it opens the data
        return Schedule.of(config, dataset.steps_per_epoch).total

    precision.resolve(config, total, before)
    system = build_system(config, parallel.AXIS, total)
    check_metric(config.early_stopping.metric, system.space, config.metrics)
    schedule = Schedule.of(config, dataset.steps_per_epoch)
    if config.data.cache == 'device':
        device_cache.check(dataset)
    validate = Validation(config, dataset, system)
    renew = batch_statistics.make_renew(config, dataset, system, schedule)
    # A new run's weights are read before it leaves anything behind, for there may be something wrong with them.
    fresh = create(config, system, model) if before is None else None
    check_agreement(config)
    data_record.check_agreement(dataset.fingerprint, digest(dataset.kept.tolist()))
    metric = config.early_stopping.metric
    with contextlib.ExitStack() as resources:
        check_owner = resources.enter_context(locked(workdir))
        claim(workdir, config, before)
        with explain_refusal(workdir, '--workdir', only=REFUSALS):
            pictures_before = data_record.claim(workdir, config, before, dataset.fingerprint)
        checkpoints = resources.enter_context(contextlib.closing(Checkpoints(workdir, keep=config.keep, metric=metric)))
        restored = checkpoints.restore(abstract_state(config, system))
        if restored and before is not None:
            init_from.check_resumed(config, before, workdir)
        step, state = restored or (0, fresh or create(config, system, init_from.read(config)))
        with (
            explain_refusal(workdir, '--workdir', only=REFUSALS),
            Records(workdir, step if restored else -1) as records,
            Console(step, schedule.total) as console,
        ):

            def adopt_all() -> None:
                adopt(workdir, config, before, step)
                data_record.adopt(workdir, pictures_before, dataset.fingerprint, step)

            run = _Run(
                config,
                dataset,
                schedule,
                system,
                renew,
                validate,
                checkpoints,
                records,
                console,
                check_owner,
                adopt_all,
                learning_rates(config, schedule),
            )
            done = step >= schedule.total or run.out_of_patience()
            if restored:
                verb = 'nothing left to do in' if done else 'resuming'
                console.say(f'{verb} {workdir} at step {step} of {schedule.total}')
            try:
                if config.init_from and not restored:
                    run.begin(state)
                if not done:
                    run.train(state)
            except (train_metrics.NonFiniteError, replica_check.ReplicaMismatchError) as error:
                checkpoints.wait()
                if isinstance(error, train_metrics.NonFiniteError) and checkpoints.steps:
                    outcome = run.go_back()
                else:
                    saved = f'step {checkpoints.steps[-1]} in {checkpoints.path}' if checkpoints.steps else 'none'
                    outcome = f'last good checkpoint: {saved}'
                raise UserError(f'{error}; {outcome}\n{error.remedy}') from error
            if not records.evaluations:  # a finished run that has lost its records
                run.evaluate(step, state)
            return records.evaluations[-1] if config.early_stopping.patience is None else run.restore_best()


class _Run(NamedTuple):
    """A run under way, and where it reports to."""

    config: ml_collections.ConfigDict
    dataset: Dataset
    schedule: Schedule
    system: System
    renew: Callable[[TrainState], TrainState]
    validate: Validation
    checkpoints: Checkpoints
    records: Records
    console: Console
    check_owner: Callable[[], None]
    adopt: Callable[[], None]
    learning_rates: Callable[[int], dict[str, float]]

    def begin(self, state: TrainState) -> None:
        """Score and save what the run starts from: of no better one later on, it is the best checkpoint."""
        scores = self.evaluate(0, state)
        self.records.sync()
        self.checkpoints.save(0, state, scores)

    def train(self, state: TrainState) -> None:
        """Train from `state` to the end of the schedule, or until early stopping.

        Raises:
          InterruptedRunError: a signal came; the state is saved.
        """
        done = int(state.step)
        adopted = False
        unlogged = self.checkpoints.train_metrics(done) if done else {}
        inputs = self.config, self.dataset, self.system, state, self.schedule, unlogged
        with (
            cluster.stop_requests() as asked_to_stop,
            profiler.profiled(self.config.profile, self.records.path) as profile,
        ):
            profile(done, state)
            for step, state, throughput in train_steps(*inputs):
                self.console.advance(step - done)
                profile(step, state)
                signum = asked_to_stop(range(done + 1, step + 1))
                done = step
                evaluating = self.schedule.due(self.schedule.evaluate, step)
                saving = evaluating or signum or self.schedule.due(self.schedule.save, step)
                logging = evaluating or self.schedule.due(self.schedule.log, step)
                if logging:
                    self.log(step, throughput)
                if not (logging or saving):
                    continue
                with throughput.paused():
                    replica_check.check(step, state.learned)
                    if saving:
                        self.check_owner()
                        train_metrics.check_finite(step, state)
                        used = self.renew(state)
                        scores = self.evaluate(step, used) if evaluating else None
                        if not adopted:
                            self.adopt()
                            adopted = True
                        self.records.sync()
                        unlogged = {} if logging else train_metrics.to_json(throughput.metrics)
                        self.checkpoints.save(step, used, scores, unlogged)
                if signum:
                    self.checkpoints.wait()
                    raise InterruptedRunError(signum, f'saved step {step} in {self.checkpoints.path}')
                if self.out_of_patience():
                    return

    def log(self, step: int, throughput: Throughput) -> None:
        """Record and show the mean losses since the last log; the learning rates; the device's memory, if it tells."""
        losses = throughput.read() | self.learning_rates(step)
        if memory := jax.local_devices()[0].memory_stats():
            losses['peak_memory_bytes'] = memory['peak_bytes_in_use']
        self.records.losses(step, losses)
        self.console.losses(step, losses)

    def evaluate(self, step: int, state: TrainState) -> dict[str, int | float]:
        """Return the scores of a state; record and show them."""
        scores, pictures = self.validate(state)
        self.records.evaluation(step, scores, pictures)
        self.console.scores(step, scores)
        return scores

    def out_of_patience(self) -> bool:
        """Return whether early stopping ends the run now."""
        return out_of_patience(self.config.early_stopping, self.records.evaluations)

    def go_back(self) -> str:
        """Set aside the newest checkpoints that no run should go on from; return what is left.

        Parameters may be finite and yet useless: those stay whose colours are no worse than grey, or that were not
        scored; if there are none, those that have a score at all.
        """
        metric, steps = self.config.early_stopping.metric, self.checkpoints.steps
        scored = {int(scores['step']): scores for scores in self.records.evaluations}
        good = [step for step in steps if step not in scored or not worse_than_baseline(metric, scored[step])]
        usable = good or [step for step in steps if goodness(metric, scored[step]) > -math.inf]
        if not usable:
            return (
                f'of the checkpoints {steps} in {self.checkpoints.path} none has a score that is a number: '
                'start anew in another --workdir'
            )
        step = usable[-1]
        worse = [later for later in steps if later > step]
        self.checkpoints.set_aside(worse, 'worse')
        found = f'last good checkpoint: step {step} in {self.checkpoints.path}'
        if not good:
            found += ', though it is worse than grey, as are all'
        elif step not in scored:
            found += ', which was not scored'
        if worse:
            found += f'; worse than grey, and set aside: {", ".join(f"{later}.worse" for later in worse)}'
        return found

    def restore_best(self) -> dict[str, int | float]:
        """Return the scores of the best checkpoint, which has been read: it can be, or the next best is it."""
        metric, patience = self.config.early_stopping.metric, self.config.early_stopping.patience
        last = self.checkpoints.steps[-1]
        restored = self.checkpoints.restore(abstract_state(self.config, self.system), best=True)
        assert restored is not None
        best, state = restored
        if self.out_of_patience():
            self.console.say(f'step {last}: no better {metric} for {patience} evaluations; restored step {best}')
        else:
            self.console.say(f'step {last}: the end; restored step {best}, the best by {metric}')
        recorded = {scores['step']: scores for scores in self.records.evaluations}
        return recorded.get(best) or {'step': best, **self.validate(state)[0]}


def create(config: ml_collections.ConfigDict, system: System, model: Model | None = None) -> TrainState:
    """Return the state before the first step, placed on the devices.

    Args:
      config: of the run.
      system: the same as `build_system` makes of it.
      model: that the run starts from, see `init_from.read`. Where it has no encoder, `pretrained.weights` are read.

    Raises:
      UserError: see `pretrained.load_backbone` and `init_from.start_from`.
    """
    state = create_state(system, config.data.image_size, jax.random.key(config.seed))
    if config.pretrained.weights and (model is None or 'backbone' not in model.variables['params']):
        generator, wanted = state.generator, config.pretrained
        params, batch_stats = pretrained.load_backbone(
            system.generator, generator.params, generator.batch_stats, wanted.weights, wanted.sha256 or None
        )
        state = state.replace(generator=generator.replace(params=params, batch_stats=batch_stats))
    if model is not None:
        state = init_from.start_from(state, model, config)
    if state.ema_params is not None:
        # A step gives the memory of both away.
        state = state.replace(ema_params=jax.tree.map(jnp.copy, state.generator.params))
    return parallel.replicate(state)


def abstract_state(config: ml_collections.ConfigDict, system: System) -> TrainState:
    """Return the shapes and dtypes of a state, which is what restoring one takes."""
    return jax.eval_shape(partial(create_state, system, config.data.image_size, jax.random.key(config.seed)))


def check_metric(metric: str, space: Space, own: Sequence[str] = ()) -> None:
    """Check that an evaluation in `space` has the score `metric`, or one's `own`, and that a generator can better it.

    Raises:
      UserError: it has not, or it is the score of grey or true pictures.
    """
    known = [name for name in (*score_names(space), *own) if not name.startswith(('grey_', 'true_'))]
    if metric not in known:
        raise UserError(
            f'early_stopping.metric={metric!r} is not measured of a generator in space {space.name!r}; '
            f'known: {", ".join(known)}, and others where metrics names them'
        )


def out_of_patience(config: ml_collections.ConfigDict, evaluations: list[dict[str, int | float]]) -> bool:
    """Return whether none of the last `config.patience` evaluations bettered the best `config.metric` before them."""
    if config.patience is None or len(evaluations) <= config.patience:
        return False
    values = [goodness(config.metric, scores) for scores in evaluations]
    return max(values[-config.patience :]) <= max(values[: -config.patience])


def evaluate_run(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> dict[str, int | float]:
    """Return the scores of the outcome of a run, see `train`, on the config's test split.

    The scores are added to `eval/evaluations.jsonl`, with the data set's name; samples are drawn beside it.

    Raises:
      UserError: no checkpoint, or one of another model than `config` describes.
    """
    configs.check(config, jax.device_count())
    before = stored(workdir)
    if before is None:
        raise UserError(f'{workdir} holds no run: it has no config.json; train first, or check --workdir')
    dataset = Dataset(config.data)
    palette.resolve(config, dataset, before)
    precision.resolve(config, lambda: 0, before)
    system = build_system(config, parallel.AXIS)
    check_metric(config.early_stopping.metric, system.space, config.metrics)
    check_model(workdir, before, config)
    # Read as inference does, which moves nothing: the run may be going on.
    model = restore(workdir, 'latest' if config.early_stopping.patience is None else 'best')
    scores, pictures = Validation(config, dataset, system).score(parallel.replicate(model.variables))
    found = {'step': model.step, **scores}
    if jax.process_index() == 0:
        grid = sample_grid(pictures.grey, pictures.generated, pictures.true)
        write_png(grid, evaluation_picture(config, workdir, model.step))
        path = epath.Path(workdir) / 'eval' / 'evaluations.jsonl'
        line = json.dumps({'data': _data_name(config), **found}) + '\n'
        write_atomic(path, ((read_text(path) or '') + line).encode())
    return found


def evaluation_picture(config: ml_collections.ConfigDict, workdir: epath.PathLike, step: int) -> epath.Path:
    """Return where `evaluate_run` draws the samples of a step."""
    name = re.sub('[^A-Za-z0-9]+', '_', _data_name(config)).strip('_')[-100:]
    return epath.Path(workdir) / 'eval' / f'{step}_{name}.png'


def _data_name(config: ml_collections.ConfigDict) -> str:
    return f'{config.data.source} {config.data.test_split}'
