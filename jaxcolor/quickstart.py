"""What `make quickstart` shows before and after it trains.

python -m jaxcolor.quickstart colorize   # photographs that come along, by the model that comes with the package
python -m jaxcolor.quickstart compare    # that model and the one just trained, on scenes that neither has seen
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxcolor import Colorizer, compilation_cache
from jaxcolor.data.bundled import PHOTOGRAPHS, open_bundled, photograph
from jaxcolor.errors import UserError
from jaxcolor.evaluation import figures, quality
from jaxcolor.evaluation.scores import COLORFULNESS, PICTURES, SCORES, worse_than_grey
from jaxcolor.imaging import resize

_RUN = Path('runs', 'quickstart')
_SHEET = Path('runs', 'photographs.png')
_BLACK_AND_WHITE = 'camera'  # a photograph without a truth
_SHOWN, _SCORED = 256, 128  # pixels


def colorize() -> None:
    """Colours the photographs, and draws them before and after."""
    names = [name for split in PHOTOGRAPHS.values() for name in split] + [_BLACK_AND_WHITE]
    true = np.stack([resize.fit(photograph(name).convert('RGB'), _SHOWN) for name in names])
    grey = quality.grey(true)
    colored = quality.in_batches(Colorizer(), grey)
    true[-1] = 255
    figures.write_png(figures.picture_grid({'grey': grey, 'coloured': colored, 'true': true}), _SHEET)
    print(f'{len(names)} photographs, coloured by the model that comes along: {_SHEET}')


def compare() -> None:
    """Print the scores of both models beside grey's, on the tiles of the test split."""
    source = open_bundled('test')
    true = np.stack([resize.fit(source.decode(tile, _SCORED), _SCORED) for tile in source.tiles])
    grey = quality.grey(true)
    colored = {
        'small GAN': quality.in_batches(Colorizer.restore(_RUN), grey),
        'shipped': quality.in_batches(Colorizer(), grey),
    }
    print(f'\n{len(true)} pictures of scenes that neither model has seen ({", ".join(PHOTOGRAPHS["test"])}):')
    print(table({'grey': grey, **colored}, true))


def table(colored: Mapping[str, UInt8[np.ndarray, 'n h w 3']], true: UInt8[np.ndarray, 'n h w 3']) -> str:
    """Return scores, a column for each kind of colouring, with words for which are worse than `grey`."""
    scores = {name: quality.measure(images, true) for name, images in colored.items()}
    lines = [f'{"":14}' + ''.join(f'{name:>11}' for name in scores)]
    lines.append('-' * len(lines[0]))
    truth = f'{COLORFULNESS.unit}; the true pictures: {quality.measure(true, true)["colorfulness"]:.3f}'
    meanings = {key: score.meaning for key, score in PICTURES.items()} | {'colorfulness': truth}
    for key, meaning in meanings.items():
        title = SCORES[key].title
        lines.append(f'{title:14}' + ''.join(f'{each[key]:11.3f}' for each in scores.values()) + f'   {meaning}')
    for name, each in scores.items():
        if name != 'grey':
            worse = worse_than_grey(each, scores['grey'])
            lines.append(
                f'{name}: ' + (f'worse than grey by {worse}' if worse else 'better than grey by every measure')
            )
    return '\n'.join(lines)


def main() -> None:
    """Run the part that is named."""
    parts = {'colorize': colorize, 'compare': compare}
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        sys.exit(f'usage: python -m jaxcolor.quickstart {" | ".join(parts)}')
    compilation_cache.use()
    try:
        parts[sys.argv[1]]()
    except UserError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
