"""Flicker and Delta E of coloured films, steadied and frame by frame; frames per second, beside the model alone.

    python tests/benchmarks/film.py FOLDER [--shots 12] [--frames 48] [--model photos]
    python tests/benchmarks/film.py --film FILM.mp4 …
    python tests/benchmarks/film.py FOLDER --speed

Films are made of the colour photographs of a folder, so that the motion and the colours are known: a camera that pans,
zooms and turns a little, with an ellipse of another photograph that passes before it, brightness that flickers, and
grain. They are greyed and coloured. Flicker is the mean change of a* and b* from a frame to the next, along the true
motion, where a point is seen in both. Of films that are given, the motion is that which is found in their own
luma at full size, where it closes there and back; their colours are the truth, if they have any.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from jaxcolor import Colorizer
from jaxcolor.films import encode, steady
from jaxcolor.films.chroma import ChromaProgram
from jaxcolor.films.color import Network, color
from jaxcolor.films.source import Frame, Source
from jaxcolor.imaging.walk import pictures_below
from jaxcolor.inference.options import Options

KINDS = ('pan', 'zoom', 'occluder', 'flicker', 'grain', 'all')
SIZE = 240, 320


class Shown(NamedTuple):
    """A frame that was made: sRGB, where each pixel was in the one before, and whether it was seen there."""

    rgb: np.ndarray
    place: np.ndarray
    seen: np.ndarray


def make_shot(background: np.ndarray, foreground: np.ndarray, kind: str, count: int, seed: int) -> Iterator[Shown]:
    """Yields the frames of a shot with known motion."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    angle, path = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.0)
    moves, zooms = kind in ('pan', 'occluder', 'flicker', 'grain', 'all'), kind in ('zoom', 'all')
    side = min(background.shape[0] / height, background.shape[1] / width)
    before = None
    for t in range(count):
        s = t / max(1, count - 1) - 0.5
        scale = side * 0.72 * (1 + 0.3 * s * zooms)
        turn = 0.08 * s * zooms
        shift = np.array([np.cos(angle), np.sin(angle)]) * s * path * 0.24 * side * np.array([width, height]) * moves
        center = np.array([background.shape[1], background.shape[0]]) / 2 + shift
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        camera = matrix, center - matrix @ (np.array([width, height]) / 2)
        frame = cv2.remap(background, _apply(camera, grid), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        middle = np.array([(s * 1.2 + 0.5) * width, height * (0.5 + 0.2 * np.sin(6 * s))])
        inside = np.zeros(SIZE, bool)
        if kind in ('occluder', 'all'):
            offset = grid - middle.astype(np.float32)
            inside = (offset[..., 0] / 50) ** 2 + (offset[..., 1] / 70) ** 2 < 1
            patch = offset * (min(foreground.shape[:2]) / 160) + np.float32(foreground.shape[1::-1]) / 2
            frame[inside] = cv2.remap(foreground, patch, None, cv2.INTER_CUBIC)[inside]
        rgb = frame.astype(np.float32)
        if kind in ('flicker', 'all'):
            rgb *= 1 + 0.12 * rng.standard_normal()
        if kind in ('grain', 'all'):
            rgb += 10 * rng.standard_normal(SIZE)[..., None]
        place, seen = grid.copy(), np.zeros(SIZE, bool)
        if before is not None:
            place = _apply(_inverse(before[0]), _apply(camera, grid)).astype(np.float32)
            place[inside] = (grid + (before[1] - middle).astype(np.float32))[inside]
            there = cv2.remap(before[2].astype(np.float32), place, None, cv2.INTER_NEAREST, borderValue=-1)
            seen = there == inside
        before = camera, middle, inside
        yield Shown(np.clip(rgb + 0.5, 0, 255).astype(np.uint8), place, seen)


def _apply(camera, points):
    return (points @ camera[0].T.astype(np.float32) + camera[1].astype(np.float32)).astype(np.float32)


def _inverse(camera):
    inverse = np.linalg.inv(camera[0])
    return inverse, -inverse @ camera[1]


def film_of(shots: list[Shown], path: Path, rate: int = 24) -> None:
    """Writes frames, greyed by their L*, as a film that loses nothing."""
    with av.open(str(path), 'w') as film:
        stream = film.add_stream('ffv1', rate=rate, options={'threads': '2'})
        height, width = shots[0].rgb.shape[:2]
        stream.height, stream.width, stream.pix_fmt = height, width, 'yuv420p'
        stream.codec_context.color_range = 2
        for shown in shots:
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = grey(shown.rgb)
            frame = av.VideoFrame.from_ndarray(planes, 'yuv420p')
            frame.color_range = 2
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def grey(rgb: np.ndarray) -> np.ndarray:
    """Returns the grey of the same L*, as bytes."""
    from skimage.color import lab2rgb

    lab = rgb2lab(rgb)
    lab[..., 1:] = 0
    return np.round(lab2rgb(lab)[..., 0] * 255).astype(np.uint8)


def colored_lab(colorizer: Colorizer, path: Path, *, steadily: bool) -> Iterator[tuple[np.ndarray, Frame]]:
    """Yields L*, a*, b* of each frame at half its size, as it would be encoded, and the frame."""
    source = Source(path)
    film = source.film
    seen = Network(colorizer, film, Options())
    program = ChromaProgram(*encode.even_size(film), film.coding, 1.0)
    frames, state = source.frames(), None
    while some := list(itertools.islice(frames, seen.batch)):
        copies = [seen.small_copies(frame.luma) for frame in some]
        chroma = []
        for small, own in zip(copies, seen.chroma(copies), strict=True):
            state = steady.advance(state, seen.grey(small), own)
            chroma.append(state.chroma if steadily else own)
        for frame, functions in zip(some, seen.functions(copies, chroma), strict=True):
            yield _lab(frame.luma, program(frame.luma, functions), film.coding), frame
    source.close()


def _lab(luma: np.ndarray, chroma: np.ndarray, coding) -> np.ndarray:
    y = cv2.resize(luma.astype(np.float32), chroma.shape[:0:-1], interpolation=cv2.INTER_AREA)
    of_red, of_blue = coding.weights
    y, wide = (y / 255, 255) if coding.full else ((y - 16) / 219, 224)
    blue, red = ((chroma.astype(np.float32) - 128) / wide) * np.float32([2 - 2 * of_blue, 2 - 2 * of_red])[
        :, None, None
    ]
    red, blue = y + red, y + blue
    green = (y - of_red * red - of_blue * blue) / (1 - of_red - of_blue)
    return rgb2lab(np.clip(np.stack([red, green, blue], -1), 0, 1))


class Sums:
    """Means over frames."""

    def __init__(self):
        self.sums, self.counts = {}, {}

    def add(self, name: str, value: float) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.counts[name] = self.counts.get(name, 0) + 1

    def __getitem__(self, name: str) -> float:
        return self.sums[name] / self.counts[name]


def score_made(colorizer: Colorizer, photos: list[Path], kind: str, shots: int, count: int) -> dict[str, Sums]:
    """Scores films that are made; a film has `shots` shots."""
    pictures = [np.asarray(Image.open(path).convert('RGB')) for path in photos]
    frames = []
    for number in range(shots):
        background, foreground = (pictures[(2 * number + i) % len(pictures)] for i in (0, 1))
        frames += make_shot(background, foreground, kind, count, number)
    with tempfile.TemporaryDirectory() as folder:
        film_of(frames, path := Path(folder, 'film.mkv'))
        scores = {}
        for name, steadily in (('frame by frame', False), ('steadied', True)):
            sums, before = Sums(), None
            for shown, (lab, _) in zip(frames, colored_lab(colorizer, path, steadily=steadily), strict=True):
                half = lab.shape[1::-1]
                truth = rgb2lab(cv2.resize(shown.rgb, half, interpolation=cv2.INTER_AREA))
                sums.add('delta_e', deltaE_ciede2000(truth, lab).mean())
                place = (cv2.resize(shown.place, half, interpolation=cv2.INTER_AREA) - 0.5) / 2
                seen = cv2.resize(shown.seen.astype(np.float32), half, interpolation=cv2.INTER_AREA) == 1
                if before is not None and seen.any():
                    _add_flicker(sums, before, lab, place, seen)
                before = lab
            scores[name] = sums
    return scores


def score_film(colorizer: Colorizer, path: Path, count: int) -> dict[str, Sums]:
    """Scores the first frames of a film by the motion that is found in it."""
    scores = {}
    for name, steadily in (('frame by frame', False), ('steadied', True)):
        sums, before, truth = Sums(), None, _truth(path)
        search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        for lab, frame in itertools.islice(colored_lab(colorizer, path, steadily=steadily), count):
            half = lab.shape[1::-1]
            sums.add(
                'delta_e', deltaE_ciede2000(cv2.resize(next(truth), half, interpolation=cv2.INTER_AREA), lab).mean()
            )
            small = cv2.resize(frame.luma, half, interpolation=cv2.INTER_AREA)
            if before is not None:
                back, there = search.calc(small, before[1], None), search.calc(before[1], small, None)
                place = np.stack(np.meshgrid(np.arange(half[0]), np.arange(half[1])), -1).astype(np.float32) + back
                closes = np.hypot(*np.moveaxis(back + cv2.remap(there, place, None, cv2.INTER_LINEAR), -1, 0)) < 0.5
                was = cv2.remap(before[1].astype(np.float32), place, None, cv2.INTER_LINEAR, borderValue=-1000)
                seen = closes & (np.abs(was - small) < 12)
                if seen.mean() > 0.2:  # no cut
                    _add_flicker(sums, before[0], lab, place, seen)
            before = lab, small
        scores[name] = sums
    return scores


def _truth(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            yield rgb2lab(frame.to_ndarray(format='rgb24')).astype(np.float32)


def _add_flicker(sums: Sums, before: np.ndarray, after: np.ndarray, place: np.ndarray, seen: np.ndarray) -> None:
    was = cv2.remap(before.astype(np.float32), place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    change = np.abs(after - was)[seen].mean(0)
    sums.add('a', change[1])
    sums.add('b', change[2])


def print_scores(name: str, scores: dict[str, Sums]) -> None:
    """Prints a row of the table."""
    alone, still = scores['frame by frame'], scores['steadied']
    ratio = (still['a'] + still['b']) / (alone['a'] + alone['b'])
    print(
        f'| {name} | {alone["a"]:.2f}, {alone["b"]:.2f} | {still["a"]:.2f}, {still["b"]:.2f} | {ratio:.2f} '
        f'| {alone["delta_e"]:.2f} | {still["delta_e"]:.2f} |',
        flush=True,
    )


def measure_speed(colorizer: Colorizer, photos: list[Path], rounds: int = 3) -> None:
    """Prints frames per second at 640 x 480 of all, and of the network alone."""
    global SIZE
    SIZE = 480, 640
    pictures = [np.asarray(Image.open(path).convert('RGB')) for path in photos[:4]]
    frames = [f for i in (0, 2) for f in make_shot(pictures[i], pictures[i + 1], 'occluder', 128, i)]
    with tempfile.TemporaryDirectory() as folder:
        film_of(frames, lossless := Path(folder, 'lossless.mkv'))
        path = Path(folder, 'film.mp4')
        with av.open(str(lossless)) as read, av.open(str(path), 'w') as written:
            stream = written.add_stream('libx264', rate=24, options={'crf': '18'})
            stream.height, stream.width, stream.pix_fmt = *SIZE, 'yuv420p'
            for frame in read.decode(video=0):
                written.mux(stream.encode(frame.reformat(format='yuv420p', dst_color_range='MPEG')))
            written.mux(stream.encode(None))
        source = Source(path)
        seen = Network(colorizer, source.film, Options())
        copies = [seen.small_copies(frame.luma) for frame in itertools.islice(source.frames(), 64)]
        best = {}
        for number in range(rounds + 1):
            for name in ('all', 'the network alone'):
                start, count = time.perf_counter(), 64
                if name == 'all':
                    count = color(colorizer, path, Path(folder, f'{number}.mp4'), Options(), most_pixels=2**25).frames
                else:
                    for first in range(0, 64, seen.batch):
                        seen.chroma(copies[first : first + seen.batch])
                if number:  # the first compiles
                    best[name] = max(best.get(name, 0.0), count / (time.perf_counter() - start))
        print(', '.join(f'{name}: {rate:.1f} frames/s' for name, rate in best.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, nargs='?', help='colour photographs')
    parser.add_argument('--film', type=Path, nargs='+', default=[], help='films, in colour')
    parser.add_argument('--model', default='photos')
    parser.add_argument('--shots', type=int, default=12, help='of each film')
    parser.add_argument(
        '--frames', type=int, default=48, help='of each shot; of films that are given, shots * frames are taken'
    )
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=KINDS)
    parser.add_argument('--speed', action='store_true', help='frames per second instead')
    args = parser.parse_args()
    if not args.folder and not args.film:
        parser.error('name a folder, or --film')
    colorizer = Colorizer.restore(args.model)
    photos = list(pictures_below(args.folder))[::7] if args.folder else []
    if args.speed:
        measure_speed(colorizer, photos)
        return
    print('| film | flicker of a*, b*, frame by frame | steadied | ratio | Delta E, frame by frame | steadied |')
    print('|---|---|---|---|---|---|')
    for path in args.film:
        print_scores(path.name, score_film(colorizer, path, args.shots * args.frames))
    for kind in args.kinds if photos else ():
        print_scores(kind, score_made(colorizer, photos, kind, args.shots, args.frames))


if __name__ == '__main__':
    main()
