"""What a model's colours are worth on photographs that it has not seen, beside grey and one colour a picture.

    python tests/benchmarks/quality.py FOLDER [FOLDER ...] [--model MODEL ...] [--vividness 0 0.2 0.4]
        [--render-size 96 128 192 256] [--flip-average] [--hints 0 1 5 20 100] [--size 128] [--count 500]
        [--welsh FOLDER] [--levin 1 5 20 100]
    python tests/benchmarks/quality.py FOLDER --torch MINUTES --train FOLDER

A table for each folder, and a contact sheet of 24 of its pictures under --output. Of each picture it is the centre
square, `--size` pixels wide, that is greyed, coloured and compared. `frechet_lite0` is the Fréchet distance between
the coloured and the true pictures in the features of EfficientNet-Lite0, trained on ImageNet; it falls with the number
of pictures, and is no FID. `--hints` gives so many true colours at random places, 4 x 4 pixels each at the first
render size, to at most 100 pictures, and to Levin et al. 2004 beside it.

Two methods that learn nothing can stand in the table, as Akshat23 (sections 2.1 and 2.2) has them in its survey:
`--welsh` is Welsh et al. 2002 with photographs of that folder, of which each picture takes its colours from the one
that is nearest by the same features, both in grey; `--levin` is Levin et al. 2004 with so many true colours a picture,
each the mean of 4 x 4 pixels at a random place.

`--torch` trains configs/photos.py and a
pix2pix in PyTorch on the same pictures for so many minutes each, and adds them to the table. Pictures that are grey
themselves are left out (`--min-colorfulness`): left grey, they are nearly exact, and a few of them would lift the mean
PSNR of grey by more than a model can.
"""

import argparse
import functools
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import scipy.spatial
from skimage.color import lab2rgb, rgb2lab

from jaxcolor import Colorizer, compilation_cache
from jaxcolor.checkpoints.load import load
from jaxcolor.checkpoints.model import Model
from jaxcolor.color import convert
from jaxcolor.color.colorfulness import colorfulness
from jaxcolor.color.hints import STRIDE
from jaxcolor.data.folder import SPLITS, open_folder
from jaxcolor.errors import UserError
from jaxcolor.evaluation import figures, levin, measures, quality, welsh
from jaxcolor.evaluation.scores import worse_than_grey
from jaxcolor.imaging import resize
from jaxcolor.imaging.photos import PhotoError
from jaxcolor.weights import DEFAULT

SHOWN, COLUMNS = 24, 8  # pictures of a contact sheet, and of a line of it
REFERENCES = 2000  # pictures at most that Welsh et al. may choose from
HINTED = 100  # pictures at most that are given hints: each goes alone
SCORES = {'PSNR': 'psnr', 'SSIM': 'ssim', 'Delta E': 'delta_e', 'colorfulness': 'colorfulness'}
FRECHET = 'frechet_lite0'


def read(folder: str, size: int, count: int, min_colorfulness: float) -> np.ndarray:
    """Returns the centre squares of up to `count` pictures, spread over a folder, uint8 [n, size, size, 3].

    Of these, the ones less colourful than `min_colorfulness` are left out.
    """
    if any(Path(folder, split).is_dir() for split in SPLITS):
        raise UserError(f'{folder} has splits; name one of them, such as {Path(folder, "test")}')
    source = open_folder(folder, 'train')
    chosen = np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).round().astype(int))

    def one(index: int) -> np.ndarray | None:
        try:
            return resize.fit(source.decode(source[index], size), size)
        except PhotoError as error:
            print(f'left out: {source.name(index)}: {error}', file=sys.stderr)
            return None

    with ThreadPoolExecutor() as pool:
        squares = np.stack([picture for picture in pool.map(one, chosen.tolist()) if picture is not None])
    colorful = colorfulness(squares.astype(np.float32)) >= min_colorfulness
    if not colorful.any():
        raise UserError(f'--min-colorfulness={min_colorfulness:g} leaves no picture of {folder}; use less')
    return squares[colorful]


def colorings(
    models: Mapping[str, Model],
    grey: np.ndarray,
    render_sizes: Sequence[int | None],
    vividness: Sequence[float | None],
    flip_average: bool,
) -> dict[str, np.ndarray]:
    """Returns the pictures coloured by each model at each setting, by the name of both."""
    colored = {}
    for name, model in models.items():
        for render_size in render_sizes:
            colorizer = Colorizer(model, render_size)
            for value in vividness if colorizer.has_palette else [None]:
                label = f'{name}, {colorizer.render_size} px'
                if colorizer.has_palette:
                    label += f', vividness {colorizer.space.vividness if value is None else value:g}'
                for flip in (False, True) if flip_average else (False,):
                    color = functools.partial(colorizer, vividness=value, flip_average=flip)
                    colored[label + ', mirrored too' * flip] = quality.in_batches(color, grey)
    return colored


def table(colored: Mapping[str, np.ndarray], true: np.ndarray) -> str:
    """Returns the scores as Markdown, a line for each kind of colouring; `colored` has `grey`."""
    frechet = quality.frechet_lite0(true)
    lines = [f'| {len(true)} pictures | {" | ".join((*SCORES, FRECHET))} |', '|---|' + '---|' * (len(SCORES) + 1)]
    rows = {name: quality.measure(images, true) for name, images in colored.items()}
    for name, scores in rows.items():
        lines.append(
            f'| {name} | {" | ".join(f"{scores[key]:.3f}" for key in SCORES.values())} | {frechet(colored[name]):.3f} |'
        )
    lines += [f'| true | | | | {quality.measure(true, true)["colorfulness"]:.3f} | |']
    for name, scores in rows.items():
        if worse := worse_than_grey(scores, rows['grey']):
            lines.append(f'\n{name}: worse than grey by {worse}')
    return '\n'.join(lines)


def hint_table(name: str, colorizer: Colorizer, true: np.ndarray, counts: Sequence[int]) -> str:
    """Returns the scores for each number of hints as Markdown, beside Levin et al. 2004 with the same."""
    if not colorizer.takes_hints:
        raise UserError('--hints: the generator takes none; leave it out, or name a run of configs/photos.py')
    grey = quality.grey(true)[..., 0]
    lines = [f'| {len(true)} pictures, hints | {" | ".join(map(str, counts))} |', '|---|' + '---|' * len(counts)]
    for method, color in {name: colorizer, 'Levin et al. 2004': levin_with_hints}.items():
        scores = []
        for count in counts:
            given = [patches(picture, number, count, colorizer.render_size) for number, picture in enumerate(true)]
            colored = [color(picture, hints=hints) for picture, hints in zip(grey, given, strict=True)]
            scores.append(quality.measure(np.stack(colored), true))
        for title, key in (('PSNR', 'psnr'), ('Delta E', 'delta_e')):
            lines.append(f'| {method}: {title} | {" | ".join(f"{score[key]:.2f}" for score in scores)} |')
    return '\n'.join(lines)


def patches(true: np.ndarray, number: int, count: int, render_size: int) -> list[tuple[float, float, str]]:
    """Returns hints of a square picture: the mean colours of the network's patches at random places.

    The picture's number seeds the places; of more hints the first are those of fewer.
    """
    cells = render_size // STRIDE
    side = len(true) / cells
    hints = []
    for cell in np.random.default_rng(number).permutation(cells * cells)[:count]:
        y, x = (side * (index + 0.5) for index in divmod(int(cell), cells))
        lab = rgb2lab(true[window(x, y, side)]).mean(axis=(0, 1))
        rgb = np.rint(255 * lab2rgb(lab)).astype(np.uint8)
        hints.append((x, y, f'#{bytes(rgb.tolist()).hex()}'))
    return hints


def window(x: float, y: float, side: float) -> tuple[slice, slice]:
    """Returns the pixels whose centres are within half a side of a place."""
    rows, columns = (slice(int(np.ceil(at - side / 2 - 0.5)), int(np.ceil(at + side / 2 - 0.5))) for at in (y, x))
    return rows, columns


def levin_with_hints(grey: np.ndarray, hints: Sequence[tuple[float, float, str]], side: float = 4) -> np.ndarray:
    """Colours a picture by its hints alone, each a patch of 4 x 4 pixels, which is less than they are the mean of."""
    lab = rgb2lab(np.repeat(grey[..., None], 3, axis=2))
    given, chroma = np.zeros(grey.shape, bool), np.zeros((*grey.shape, 2))
    for x, y, color in hints:
        given[window(x, y, side)] = True
        chroma[window(x, y, side)] = rgb2lab(np.array([[list(bytes.fromhex(color[1:]))]], np.uint8))[0, 0, 1:]
    lab[..., 1:] = levin.colorize(lab[..., 0] / 100, chroma, given)
    return to_rgb(lab)


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Of L*a*b*, uint8."""
    with warnings.catch_warnings(action='ignore'):  # of colours outside the gamut, which are clipped
        return np.rint(255 * lab2rgb(lab)).astype(np.uint8)


def lite0_features() -> Callable[[np.ndarray], jax.Array]:
    """Returns a function of batches of pictures, uint8, with the weights of ImageNet."""
    extract = measures.frechet_lite0().extract
    return jax.jit(lambda images: extract(*[convert.to_float(images)] * 2)['true'])


def welsh_from(folder: str, grey: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    """Colours pictures as Welsh et al. do, each from the picture of a folder whose features in grey are nearest."""
    references = read(folder, args.size, REFERENCES, args.min_colorfulness)
    features = lite0_features()
    found = [quality.in_batches(features, pictures) for pictures in (grey, quality.grey(references))]
    _, nearest = scipy.spatial.KDTree(found[1]).query(found[0])
    colored = []
    for number, (picture, reference) in enumerate(zip(grey, references[nearest], strict=True)):
        lab = rgb2lab(picture)
        lab[..., 1:] = welsh.colorize(lab[..., 0], rgb2lab(reference), np.random.default_rng(number))
        colored.append(to_rgb(lab))
    return np.stack(colored)


def levin_from(true: np.ndarray, grey: np.ndarray, count: int) -> np.ndarray:
    """Colours pictures as Levin et al. do, from `count` of their patches of 4 x 4 pixels."""
    size = true.shape[1]
    pairs = enumerate(zip(true, grey[..., 0], strict=True))
    return np.stack([levin_with_hints(one, patches(picture, number, count, size)) for number, (picture, one) in pairs])


def contact_sheet(colored: Mapping[str, np.ndarray], true: np.ndarray, path: Path) -> None:
    """Draws pictures spread over the folder: grey, coloured, true."""
    chosen = np.unique(np.linspace(0, len(true) - 1, min(SHOWN, len(true))).round().astype(int))
    rows = {name: images[chosen] for name, images in (colored | {'true': true}).items()}
    figures.write_png(figures.picture_grid(rows, min(COLUMNS, len(chosen))), path)


def report(folder: str, models: Mapping[str, Model], args: argparse.Namespace) -> None:
    """Prints the tables of a folder, and draws its contact sheet."""
    true = read(folder, args.size, args.count, args.min_colorfulness)
    grey = quality.grey(true)
    colored = {'grey': grey} | colorings(models, grey, args.render_size, args.vividness, args.flip_average)
    if args.welsh:
        colored[f'Welsh et al. 2002, from {args.welsh}'] = welsh_from(args.welsh, grey, args)
    for count in args.levin:
        colored[f'Levin et al. 2004, {count} true colours a picture'] = levin_from(true, grey, count)
    baseline = {'one mean colour a picture (oracle)': quality.mean_color(true)}
    print(f'\n{folder}, {args.size} px\n\n{table(colored | baseline, true)}', flush=True)
    for name, model in models.items() if args.hints else ():
        colorizer = Colorizer(model, args.render_size[0])
        spread = np.unique(np.linspace(0, len(true) - 1, min(HINTED, len(true))).round().astype(int))
        label = f'{name}, {colorizer.render_size} px'
        print(f'\n{hint_table(label, colorizer, true[spread], args.hints)}', flush=True)
    path = Path(args.output, f'{"-".join(Path(folder).resolve().parts[-2:])}.png')
    contact_sheet(colored, true, path)
    print(f'\n{path}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', nargs='+', metavar='FOLDER', help='colour photographs that no model has seen')
    parser.add_argument('--model', nargs='+', default=[DEFAULT], help='work directories of runs, files, names')
    parser.add_argument('--vividness', type=float, nargs='+', default=[None], help="of a palette; the model's own")
    parser.add_argument('--render-size', type=int, nargs='+', default=[None], help="the network's; as trained")
    parser.add_argument('--flip-average', action='store_true', help='the mean with the mirror image too')
    parser.add_argument('--hints', type=int, nargs='+', metavar='COUNT', help='true colours that are given')
    parser.add_argument('--welsh', metavar='FOLDER', help='of photographs that Welsh et al. take colours from')
    parser.add_argument(
        '--levin', type=int, nargs='+', default=[], metavar='COUNT', help='true colours for Levin et al.'
    )
    parser.add_argument('--size', type=int, default=128, help='pixels, of what is coloured and compared')
    parser.add_argument('--count', type=int, default=500, help='pictures at most, of each folder')
    parser.add_argument('--min-colorfulness', type=float, default=8.0, help='of a picture, to be one of them')
    parser.add_argument('--torch', type=float, metavar='MINUTES', help='of training, for ours and for pix2pix')
    parser.add_argument('--train', metavar='FOLDER', help='of photographs for that training')
    parser.add_argument('--output', default='runs/quality', help='a folder for contact sheets')
    args = parser.parse_args()
    if (args.torch is None) != (args.train is None):
        parser.error('--torch=MINUTES and --train=FOLDER go together')
    if args.welsh and (
        same := [folder for folder in args.folders if Path(folder).resolve() == Path(args.welsh).resolve()]
    ):
        parser.error(f'--welsh={args.welsh} is {same[0]}, whose pictures would be their own references; use another')
    compilation_cache.use()
    try:
        models = {name: load(name) for name in args.model}
        if args.torch:
            import pix2pix_torch

            with tempfile.TemporaryDirectory() as workdir:
                models |= pix2pix_torch.both(args.train, args.torch, Path(workdir))
        for folder in args.folders:
            report(folder, models, args)
    except UserError as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
