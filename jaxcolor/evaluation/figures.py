"""Pictures of a run: sample grids and curves, as PNG.

No global state of matplotlib's is touched, so these may be drawn from any thread.
"""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from PIL import Image, ImageDraw, ImageFont

from jaxcolor.evaluation import scores
from jaxcolor.storage import write_atomic

Pictures = UInt8[np.ndarray, 'n h w 3'] | Float[np.ndarray, 'n h w 3']
Curve = tuple[np.ndarray, np.ndarray]  # steps and values

_GUTTER = 4
_SMALL = 128  # narrower pictures are enlarged to at least this width

_BLUE, _ORANGE, _GREEN, _GREY = '#0072b2', '#d55e00', '#009e73', '#777777'  # told apart by colour-blind eyes
_LOSSES = {
    'Generator': {
        'generator_loss': 'total',
        'reconstruction': 'reconstruction',
        'adversarial': 'adversarial',
    },
    'Discriminator': {
        'discriminator_loss': 'total',
        'discriminator_real': 'true',
        'discriminator_fake': 'generated',
    },
}
_SCORES = {name: scores.SCORES[name] for name in ('psnr', 'delta_e')}


def sample_grid(grey: Pictures, generated: Pictures, truth: Pictures) -> Image.Image:
    """Three labelled rows, grey, generated and true, with a column a picture; see `picture_grid`."""
    return picture_grid({'grey': grey, 'generated': generated, 'true': truth})


def read_sample_grid(grid: Image.Image, size: int) -> dict[str, UInt8[np.ndarray, 'n h w 3']]:
    """Return the pictures of `sample_grid` as they were drawn: `grey`, `generated` and `true`.

    Args:
      grid: what it returned, or that from a PNG.
      size: the pictures' height and width, in px.

    Raises:
      ValueError: it is no such grid.
    """
    factor = max(1, math.ceil(_SMALL / size))
    step = size * factor + _GUTTER
    count = grid.width // step  # the column of labels is narrower than a picture
    if grid.height != 3 * step + _GUTTER or not count:
        raise ValueError(f'{grid.width} x {grid.height} px are no grid of pictures of {size} px')
    pixels = np.asarray(grid.convert('RGB'))[_GUTTER:, grid.width - count * step :]
    tiles = pixels.reshape(3, step, count, step, 3).transpose(0, 2, 1, 3, 4)
    rows = tiles[:, :, :-_GUTTER:factor, :-_GUTTER:factor]
    return dict(zip(('grey', 'generated', 'true'), rows, strict=True))


def picture_grid(rows: Mapping[str, Pictures], columns: int | None = None) -> Image.Image:
    """Labelled rows, with a column a picture, on white.

    Pictures are bytes or floats in [0, 1]; small ones are enlarged by a whole factor, pixels kept square.

    Args:
      rows: the same pictures in several forms, by their labels.
      columns: how many pictures are side by side, the others below them; all if left out.
    """
    pictures = {label: _bytes(row) for label, row in rows.items()}
    count, height, width = next(iter(pictures.values())).shape[:3]
    columns = columns or count
    factor = max(1, math.ceil(_SMALL / width))
    height, width = height * factor, width * factor

    font = ImageFont.load_default(18)
    left = 2 * _GUTTER + max(math.ceil(font.getlength(label)) for label in rows) + 2 * _GUTTER
    band = len(rows) * (height + _GUTTER) + _GUTTER
    grid = Image.new('RGB', (left + columns * (width + _GUTTER), math.ceil(count / columns) * band), 'white')
    draw = ImageDraw.Draw(grid)
    for i, (label, row) in enumerate(pictures.items()):
        for j, picture in enumerate(row):
            top = j // columns * band + _GUTTER + i * (height + _GUTTER)
            if j % columns == 0:
                draw.text((left - 2 * _GUTTER, top + height // 2), label, '#333333', font, anchor='rm')
            enlarged = picture.repeat(factor, axis=0).repeat(factor, axis=1)
            grid.paste(Image.fromarray(enlarged), (left + j % columns * (width + _GUTTER), top))
    return grid


def _bytes(pictures: Pictures) -> UInt8[np.ndarray, 'n h w 3']:
    pictures = np.asarray(pictures)
    if pictures.dtype == np.uint8:
        return pictures
    shown = np.nan_to_num(pictures.astype(np.float32))  # a network that is beyond numbers says black
    return np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def loss_curves(history: Sequence[Mapping[str, int | float]], path: epath.PathLike) -> None:
    """Draws the losses of both players, and the scores above their grey baselines, to the PNG `path`.

    Args:
      history: records in any order, each a `step` and any of: `generator_loss`, `reconstruction`,
        `adversarial`; `discriminator_loss`, `discriminator_real`, `discriminator_fake`; `psnr`, `delta_e`
        and their baselines `grey_psnr`, `grey_delta_e`. A panel with nothing to show is left out, and so are
        values that are not finite.
      path: where to; local or a bucket.
    """
    series = _series(history)
    losses = {title: terms for title, terms in _LOSSES.items() if terms.keys() & series.keys()}
    drawn = {name: score for name, score in _SCORES.items() if name in series}
    last = max((record['step'] for record in history), default=1)

    count = len(losses) + len(drawn)
    columns = 2 if count in (2, 4) else max(1, count)
    rows = max(1, count // columns)
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(6 * columns, 3.7 * rows), dpi=110, layout=layout)
    panels = iter(figure.subplots(rows, columns, squeeze=False).flat)
    for title, terms in losses.items():
        curves = {label: series[name] for name, label in terms.items() if name in series}
        _draw_losses(_panel(next(panels), title, 'loss', last), curves)
    for name, score in drawn.items():
        _draw_score(_panel(next(panels), score.title, score.meaning, last), series[name], series.get(f'grey_{name}'))

    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    write_atomic(path, buffer.getvalue())


def _series(history: Sequence[Mapping[str, int | float]]) -> dict[str, Curve]:
    """Return the steps and values of each name, by step, without those that can't be drawn."""
    series: dict[str, list[tuple[float, float]]] = {}
    for record in sorted(history, key=lambda record: record['step']):
        for name, value in record.items():
            if name != 'step' and math.isfinite(value):
                series.setdefault(name, []).append((record['step'], value))
    return {name: (np.array(points)[:, 0], np.array(points)[:, 1]) for name, points in series.items()}


def _panel(axes: Axes, title: str, unit: str, last: int | float) -> Axes:
    axes.set_title(title, loc='left', fontsize=12, fontweight='bold', color='#333333', pad=10)
    axes.set_xlabel('step', fontsize=11)
    axes.set_ylabel(unit, fontsize=11)
    axes.set_xlim(0, 1.02 * max(last, 1))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.tick_params(labelsize=10)
    axes.grid(color='#e6e6e6', linewidth=0.8)
    axes.spines[['top', 'right']].set_visible(False)
    return axes


def _draw_losses(axes: Axes, curves: Mapping[str, Curve]) -> None:
    for (label, (steps, values)), color in zip(curves.items(), (_BLUE, _ORANGE, _GREEN), strict=False):
        mean = smooth(values)
        if mean is not values:
            axes.plot(steps, values, color=color, alpha=0.2, linewidth=0.8)
        marker = 'o' if len(steps) == 1 else None
        axes.plot(steps, mean, color=color, linewidth=1.8, marker=marker, label=label)
    everything = np.concatenate([values for _, values in curves.values()])
    if everything.min() > 0 and everything.max() > 20 * everything.min():
        axes.set_yscale('log')
        axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
    _legend(axes)


def _draw_score(axes: Axes, score: Curve, baseline: Curve | None) -> None:
    axes.plot(*score, color=_BLUE, linewidth=1.8, marker='o', markersize=4, label='generated')
    if baseline is not None:  # the same at every step
        axes.axhline(baseline[1][-1], color=_GREY, linewidth=1.5, linestyle='--', label='left grey')
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Beside the title, where it hides no curve."""
    axes.legend(
        loc='lower right',
        bbox_to_anchor=(1, 1),
        borderaxespad=0.2,
        ncols=3,
        columnspacing=1.0,
        handlelength=1.2,
        fontsize=10,
        frameon=False,
    )


def smooth(values: np.ndarray) -> np.ndarray:
    """Return a running mean over a twenty-fifth of the points, if there are enough of them to need it."""
    window = len(values) // 25
    if window < 2:
        return values
    ones = np.ones(2 * (window // 2) + 1)
    # Dividing by how many points the window met keeps the ends from sagging to zero.
    return np.convolve(values, ones, 'same') / np.convolve(np.ones_like(values), ones, 'same')


def write_png(image: Image.Image, path: epath.PathLike) -> None:
    """Write `image` to the PNG `path`, local or in a bucket, whole or not at all; makes its folder."""
    buffer = io.BytesIO()
    image.save(buffer, format='PNG')
    write_atomic(path, buffer.getvalue())
