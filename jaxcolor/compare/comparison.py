"""Runs made comparable: seeds of one config together, those on the same test pictures together, and their scores."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from jaxcolor import config as configs
from jaxcolor.compare.runs import Run
from jaxcolor.evaluation.scores import PICTURES, SCORES, Score

# Of the network's output, in the scale of its space: not to be compared with those of another.
_OF_THE_OUTPUT = ('accuracy', 'cross_entropy', 'target_mae', 'target_mse')
# When something is written down, and what is kept: it changes nothing that a run learns.
_OF_RECORDS = {'log_every', 'eval_every', 'checkpoint_every', 'keep', 'profile'}
_SAME = 1e-3  # by how much, in proportion, baselines of the same pictures differ on other devices


@dataclasses.dataclass(frozen=True)
class Group:
    """The runs of one config, which differ in their seeds alone."""

    name: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> list[int]:
        """The seed of each run."""
        return [run.config.seed for run in self.runs]

    @property
    def steps(self) -> str:
        """The steps of the evaluations by which the runs count."""
        steps = sorted({int(run.outcome['step']) for run in self.runs})
        return f'{steps[0]}' if len(steps) == 1 else f'{steps[0]} to {steps[-1]}'


@dataclasses.dataclass(frozen=True)
class Cell:
    """A score of a group: the mean, over its runs, and their sample standard deviation, where there are several."""

    mean: float
    spread: float | None = None
    worse: bool = False  # than leaving the pictures grey
    best: bool = False

    def __str__(self) -> str:
        digits = 2 if abs(self.mean) >= 1 else 4
        spread = '' if self.spread is None else f' ± {self.spread:.{digits}f}'
        return f'{self.mean:.{digits}f}{spread}'


@dataclasses.dataclass(frozen=True)
class DataSet:
    """The groups that were scored on the same pictures, and their scores.

    Attributes:
      title: which pictures.
      scores: the columns, by their names in records.
      groups: the rows.
      cells: of each group, the scores that it has.
      grey: the same of the pictures left grey.
      true_colorfulness: of the pictures as they are.
    """

    title: str
    scores: dict[str, Score]
    groups: list[Group]
    cells: list[dict[str, Cell]]
    grey: dict[str, Cell]
    true_colorfulness: Cell | None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that a page or a table says, but for curves and pictures.

    Attributes:
      groups: all of them, in the order of their first runs.
      sets: one, or several where runs were scored on different pictures.
      fields: those in which the groups' configs differ, but for the seed and what is written down when, each with a
        value a group; 'not there' where it has no such field.
      notes: what a reader should know before comparing.
    """

    groups: list[Group]
    sets: list[DataSet]
    fields: dict[str, list[object]]
    notes: list[str]


def compare(runs: Sequence[Run]) -> Comparison:
    """Return what is to be said of runs beside each other."""
    groups = _groups(runs)
    sets: list[list[Group]] = []
    for group in groups:
        known = next((members for members in sets if _same_pictures(members[0].runs[0], group.runs[0])), None)
        if known is None:
            sets.append([group])
        else:
            known.append(group)
    found = [_data_set(members) for members in sets]
    return Comparison(groups, found, _differences(groups), list(_notes(groups, found)))


def _groups(runs: Sequence[Run]) -> list[Group]:
    members: list[list[Run]] = []
    for run in runs:
        for group in members:
            first = group[0]
            changed = configs.differences(first.config, run.config).keys() - _OF_RECORDS - {'seed'}
            if not changed and _same_pictures(first, run):
                group.append(run)
                break
        else:
            members.append([run])
    return [Group(_common_name([run.name for run in group]), tuple(group)) for group in members]


def _common_name(names: Sequence[str]) -> str:
    """Return what the names begin with, without a `_seed` at its end; the first one if that is nothing."""
    if len(names) == 1:
        return names[0]
    length = sum(1 for _ in itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False)))
    return names[0][:length].rstrip('_-/.').removesuffix('seed').rstrip('_-/.') or names[0]


def _same_pictures(one: Run, other: Run) -> bool:
    a, b = one.outcome, other.outcome
    if one.config.data.image_size != other.config.data.image_size or a.get('pictures') != b.get('pictures'):
        return False
    baselines = [f'grey_{name}' for name in PICTURES]
    pairs = [(a[name], b[name]) for name in baselines if name in a and name in b]
    return bool(pairs) and all(math.isclose(x, y, rel_tol=_SAME) for x, y in pairs)


def _data_set(groups: list[Group]) -> DataSet:
    first = groups[0].runs[0]
    outcomes = [[run.outcome for run in group.runs] for group in groups]
    scores = _scores(groups)
    grey = {
        name: Cell(first.outcome[f'grey_{name}'])
        for name in scores
        if f'grey_{name}' in first.outcome and name not in _OF_THE_OUTPUT
    }
    if 'colorfulness' in scores:
        grey['colorfulness'] = Cell(0.0)
    plain = [{name: _cell(name, found) for name in scores if all(name in s for s in found)} for found in outcomes]
    cells = []
    for own in plain:
        marked = {}
        for name, cell in own.items():
            higher = scores[name].higher_is_better
            worse = name in PICTURES and name in grey and _better(grey[name].mean, cell.mean, higher)
            rivals = [row[name].mean for row in plain if name in row]
            ranked = len(rivals) > 1 and name in SCORES and name != 'colorfulness'
            best = ranked and not any(_better(rival, cell.mean, higher) for rival in rivals)
            marked[name] = dataclasses.replace(cell, worse=worse, best=best)
        cells.append(marked)
    truth = first.outcome.get('true_colorfulness')
    data = first.config.data
    title = f'{first.outcome.get("pictures", "?")} pictures of {data.source} {data.test_split}, {data.image_size} px'
    return DataSet(title, scores, groups, cells, grey, None if truth is None else Cell(truth))


def _better(one: float, other: float, higher: bool) -> bool:
    """Whether `one` is a better score than `other`; what is not a number is the worst."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(other) and not math.isnan(one)
    return one > other if higher else one < other


def _cell(name: str, outcomes: Iterable[dict[str, int | float]]) -> Cell:
    values = np.array([scores[name] for scores in outcomes], float)
    return Cell(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None)


def _scores(groups: list[Group]) -> dict[str, Score]:
    runs = [run for group in groups for run in group.runs]
    names = {name for run in runs for name in run.outcome}
    one_space = all(run.config.space.to_dict() == runs[0].config.space.to_dict() for run in runs)
    known = {
        name: score for name, score in SCORES.items() if name in names and (one_space or name not in _OF_THE_OUTPUT)
    }
    own = sorted(name.removeprefix('grey_') for name in names if name.startswith('grey_'))
    others = {name: Score(name, 'a metric of your own') for name in own if name not in SCORES and name in names}
    return known | others


def _differences(groups: Sequence[Group]) -> dict[str, list[object]]:
    fields: set[str] = set()
    for one, other in itertools.combinations(groups, 2):
        fields |= configs.differences(one.runs[0].config, other.runs[0].config).keys()
    values = [configs.defaults(g.runs[0].config) | dict(configs.leaves(g.runs[0].config.to_dict())) for g in groups]
    return {field: [own.get(field, 'not there') for own in values] for field in sorted(fields - _OF_RECORDS - {'seed'})}


def _notes(groups: Sequence[Group], sets: Sequence[DataSet]) -> Iterable[str]:
    if len(sets) > 1:
        yield (
            'The runs were scored on different pictures: compare no score of one table with one of another, '
            'but each with its own grey baseline.'
        )
    for group in groups:
        for run in group.runs:
            if run.total is not None and run.step < run.total and run.config.early_stopping.patience is None:
                yield f'{run.name} is at step {run.step} of {run.total}: it goes on, or was stopped.'
            if run.changed:
                fields = ', '.join(f'{field} after step {step}' for step, field, _ in run.changed)
                yield f'{run.name} had other settings on the way: {fields}.'
        if len({int(run.outcome['step']) for run in group.runs}) > 1:
            yield f'The runs of {group.name} are at different steps; their mean is over these.'
        if len(set(group.seeds)) < len(group.seeds):
            yield f'Some runs of {group.name} have the same seed; their spread says little.'
    for found in sets:
        for group, cells in zip(found.groups, found.cells, strict=True):
            if worse := ', '.join(found.scores[name].title for name, cell in cells.items() if cell.worse):
                yield f'{group.name} is worse than leaving the pictures grey by: {worse}.'
