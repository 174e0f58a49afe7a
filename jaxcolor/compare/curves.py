"""Losses and scores of groups of runs, over steps and over time, as SVG that takes a page's colours."""

import io
import itertools
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from jaxcolor.compare.comparison import Group
from jaxcolor.compare.runs import Run
from jaxcolor.evaluation.figures import smooth
from jaxcolor.evaluation.scores import COLORFULNESS, SCORES

_LOSSES = {
    'reconstruction': 'Reconstruction',
    'generator_loss': "Generator's loss, in total",
    'adversarial': "Generator's adversarial loss",
    'discriminator_loss': "Discriminator's loss",
}
_SCORES = ('delta_e', 'psnr', 'colorfulness')
_INK, _FAINT = '#010203', '#040506'  # that no line has: they become the page's own
COLORS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c6bb1')
DASHES = ('', '6 2', '2 2', '7 2 2 2')  # of COLORS' number no divisor: 28 lines can be told apart


class Curve(NamedTuple):
    """The mean of a group's runs at the steps that all of them have, and its spread where there are several."""

    steps: Float[np.ndarray, ' n']
    seconds: Float[np.ndarray, ' n']
    mean: Float[np.ndarray, ' n']
    spread: Float[np.ndarray, ' n'] | None


class Panel(NamedTuple):
    """One quantity of all groups: a title, what it says in words, and its drawings."""

    title: str
    over_steps: str
    over_time: str | None


def style(number: int) -> tuple[str, str]:
    """Return the colour and the dashes, in SVG's words, of the group of that number."""
    return COLORS[number % len(COLORS)], DASHES[number % len(DASHES)]


def panels(groups: Sequence[Group]) -> list[Panel]:
    """Return a panel for each loss, and for the scores that are watched, that any group has."""
    found = []
    for name in (*_LOSSES, *_SCORES):
        curves = [curve(group, name) for group in groups]
        if not any(len(c.steps) for c in curves if c):
            continue
        title = _LOSSES.get(name) or f'{SCORES[name].title}, {SCORES[name].meaning}'
        if SCORES.get(name) is COLORFULNESS:
            title = f'{COLORFULNESS.title}, {COLORFULNESS.unit}'
        baselines = sorted({round(b, 3) for group in groups for b in _baselines(group, name)})
        timed = any(len(c.seconds) and np.isfinite(c.seconds).all() for c in curves if c)
        arguments = curves, name in _LOSSES, baselines
        over_time = _draw(f'{name}-t', *arguments, time=True) if timed else None
        found.append(Panel(title, _draw(f'{name}-s', *arguments, time=False), over_time))
    return found


def curve(group: Group, name: str) -> Curve | None:
    """Return a loss or a score of a group, without what is not finite; None if a run has none of it."""
    series = [_series(run, name) for run in group.runs]
    steps = sorted(set.intersection(*(set(points) for points in series)))
    if not steps:
        return None
    values = np.array([[points[step] for step in steps] for points in series])  # [run, step, (value, seconds)]
    spread = values[..., 0].std(axis=0, ddof=1) if len(series) > 1 else None
    return Curve(np.array(steps, float), values[..., 1].mean(axis=0), values[..., 0].mean(axis=0), spread)


def _series(run: Run, name: str) -> dict[int, tuple[float, float]]:
    lines = run.evaluations if name in _SCORES else run.losses
    steps, seconds = [float(line['step']) for line in run.losses], run.seconds()
    timed = len(steps) and np.isfinite(seconds).all()
    found = {}
    for line in lines:
        if math.isfinite(value := line.get(name, math.nan)):
            step = int(line['step'])
            when = float(np.interp(step, [0, *steps], [0, *seconds])) if timed else math.nan
            found[step] = (float(value), when)
    return found


def _baselines(group: Group, name: str) -> list[float]:
    key = 'true_colorfulness' if name == 'colorfulness' else f'grey_{name}'
    return [float(run.outcome[key]) for run in group.runs if name in _SCORES and key in run.outcome]


def _draw(key: str, curves: Sequence[Curve | None], smoothed: bool, baselines: Sequence[float], *, time: bool) -> str:
    """Return an SVG element; `key` tells its ids from those of the others on the page."""
    figure = Figure(figsize=(5, 2.9), layout=ConstrainedLayoutEngine())
    axes = figure.subplots()
    scale, unit = _unit(max((c.seconds[-1] for c in curves if c and np.isfinite(c.seconds).all()), default=0.0))
    _prepare(axes, f'time in steps, {unit}' if time else 'step')
    drawn = []
    for number, found in enumerate(curves):
        if found is None or (time and not np.isfinite(found.seconds).all()):
            continue
        x = found.seconds / scale if time else found.steps
        color, dashes = style(number)
        mean = smooth(found.mean) if smoothed else found.mean
        if mean is not found.mean and found.spread is None:
            axes.plot(x, found.mean, color=color, alpha=0.2, linewidth=0.8)
        marker = 'o' if not smoothed or len(x) == 1 else None
        (line,) = axes.plot(x, mean, color=color, linewidth=1.8, marker=marker, markersize=3.5)
        if dashes:
            line.set_dashes([float(length) / 1.8 for length in dashes.split()])
        if found.spread is not None:
            spread = smooth(found.spread) if smoothed else found.spread
            axes.fill_between(x, mean - spread, mean + spread, color=color, alpha=0.2, linewidth=0)
        drawn.append(found.mean)
    for baseline in baselines:
        axes.axhline(baseline, color=_INK, linewidth=1.2, linestyle=(0, (1, 2)))
    everything = np.concatenate(drawn)
    if smoothed and everything.min() > 0 and everything.max() > 20 * everything.min():
        axes.set_yscale('log')
        axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
    buffer = io.StringIO()
    with mpl.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': key}):  # text as text; the same bytes every time
        figure.savefig(buffer, format='svg', transparent=True, metadata={'Date': None})
    return _inline(buffer.getvalue(), key)


def _unit(longest: float) -> tuple[float, str]:
    return next(
        (scale, unit)
        for scale, unit in ((86400.0, 'days'), (3600.0, 'hours'), (60.0, 'minutes'), (1.0, 'seconds'))
        if longest >= 3 * scale or scale == 1.0
    )


def _prepare(axes: Axes, label: str) -> None:
    axes.set_xlabel(label, color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.tick_params(which='both', colors=_INK)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(_INK)


def _inline(svg: str, key: str) -> str:
    """Return the element alone, with ids of its own, and the page's colours and font; it is as wide as it may be."""
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r'<metadata>.*?</metadata>|<style .*?</style>', '', svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{key}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf'\1{key}-', svg)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg, count=1)
    svg = re.sub(r'font-family: [^;"]*;', '', svg)
    for color, variable in itertools.chain(
        ((color, f'--line-{number}') for number, color in enumerate(COLORS)), ((_INK, '--ink'), (_FAINT, '--rule'))
    ):
        svg = svg.replace(color, f'var({variable})')
    return svg.strip()
