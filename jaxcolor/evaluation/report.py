"""What a person watching sees: a progress bar on a terminal, lines elsewhere, a table at the end."""

import sys
from collections.abc import Mapping
from types import TracebackType

import jax
from tqdm import tqdm

from jaxcolor.evaluation.scores import COLORFULNESS, SCORES, Score, worse_than_grey


class Console:
    """Shows steps go by, on the first host alone."""

    def __init__(self, step: int, total: int):
        self._total, self._quiet = total, jax.process_index() > 0
        # On a terminal only, which `None` finds out.
        disable = True if self._quiet else None
        self._bar = tqdm(initial=step, total=total, unit='step', dynamic_ncols=True, disable=disable)

    def __enter__(self) -> 'Console':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def advance(self, steps: int) -> None:
        """So many more steps are done."""
        self._bar.update(steps)

    def losses(self, step: int, values: Mapping[str, int | float]) -> None:
        """Show the means of `Throughput.read`."""
        parts = [f'generator {values["generator_loss"]:.3f}']
        if 'discriminator_loss' in values:
            parts.append(f'discriminator {values["discriminator_loss"]:.3f}')
        parts.append(f'reconstruction {values["reconstruction"]:.4f}')
        if 'images_per_second' in values:
            parts.append(f'{values["images_per_second"]:.0f} images/s')
            parts.append(f'input wait {values["input_wait"]:.0%}')
        if values.get('unreadable'):
            parts.append(f'{values["unreadable"]} unreadable pictures skipped')
        if self._bar.disable:
            self.say(f'step {step}/{self._total}: {", ".join(parts)}')
        else:
            self._bar.set_postfix_str(', '.join(parts))

    def scores(self, step: int, scores: Mapping[str, int | float]) -> None:
        """Show the gist of an evaluation."""
        self.say(
            f'step {step}/{self._total}: {scores["pictures"]} test pictures'
            f'{_unreadable(scores)}: '
            f'PSNR {scores["psnr"]:.2f} dB (grey {scores["grey_psnr"]:.2f}), '
            f'Delta E {scores["delta_e"]:.2f} (grey {scores["grey_delta_e"]:.2f})'
        )

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if not self._quiet:
            self._bar.write(line, file=sys.stdout)
            sys.stdout.flush()


def table(scores: Mapping[str, int | float]) -> str:
    """Return the scores as a small table: ours against leaving the pictures grey."""
    lines = [f'{scores["pictures"]} test pictures{_unreadable(scores)}', f'{"ours":>25}{"grey":>9}', '-' * 34]
    baselines = {'grey_colorfulness': 0.0, **scores}
    known = {name: score for name, score in SCORES.items() if name in scores}
    others = [name.removeprefix('grey_') for name in scores if name.startswith('grey_')]
    own = {name: Score(name, 'a metric of your own') for name in others if name not in known}
    for name, score in (own | known).items():
        baseline = _rounded(baselines[f'grey_{name}']) if f'grey_{name}' in baselines else ''
        meaning = score.meaning if name in SCORES else score.unit
        if score is COLORFULNESS:
            meaning = f'{score.unit}; the true pictures: {scores["true_colorfulness"]:.3f}'
        lines.append(f'{score.title:<16}{_rounded(scores[name]):>9}{baseline:>9}   {meaning}')
    grey = {name.removeprefix('grey_'): value for name, value in scores.items() if name.startswith('grey_')}
    if worse := worse_than_grey(scores, grey):
        lines.append(f'worse than leaving the pictures grey by: {worse}')
    return '\n'.join(lines)


def _rounded(value: float) -> str:
    return f'{value:.3f}' if value >= 0.1 else f'{value:.4f}'


def _unreadable(scores: Mapping[str, int | float]) -> str:
    return f' ({scores["unreadable"]} more are unreadable)' if scores.get('unreadable') else ''
