"""Pictures of every kind that is read, with something in each of them turned over, cut off, moved or made extreme."""

import io
import random
from collections.abc import Iterator

import numpy as np
import tifffile
from helpers import hostile
from PIL import Image

_EXTREMES = [value.to_bytes(size, order, signed=True)
             for size in (2, 4) for order in ('little', 'big')
             for value in (0, 1, -1, 2 ** (8 * size - 1) - 1, -(2 ** (8 * size - 1)), 1000)]  # fmt: skip


def mutated(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """The suffix and the content of so many files, the same ones for the same seed."""
    rng = random.Random(seed)
    originals = list(seeds())
    for number in range(count):
        suffix, content = originals[number % len(originals)]
        mutation = (_flip, _cut, _splice, _extreme, _flip_head)[number // len(originals) % 5]
        yield suffix, mutation(content, rng.choice(originals)[1], rng)


def seeds() -> Iterator[tuple[str, bytes]]:
    """The suffix and the content of some 80 pictures that are all right, of many formats and their kinds."""
    for name, content in hostile._valid(random.Random(0)):
        if len(content) < 100_000:
            yield '.' + name.rpartition('.')[2], content
    rgb = hostile._photo(96, 80)
    deep = rgb.astype(np.uint16) * 257
    for compression in (None, 'lzw', 'deflate', 'packbits', 'zstd', 'lerc', 'jpeg', 'webp'):
        for options in ({'rowsperstrip': 16}, {'tile': (32, 32)}):
            pixels = rgb if compression in ('jpeg', 'webp') else deep
            yield '.tif', _tiff(pixels, compression=compression, **options)
    for options in ({'bigtiff': True}, {'byteorder': '>'}, {'byteorder': '>', 'bigtiff': True}):
        for predictor in (False, True):
            yield '.tif', _tiff(deep, compression='deflate', predictor=predictor, **options)
    for options in ({}, {'tile': (32, 32)}, {'compression': 'lzw'}):
        yield '.tif', _tiff(deep.transpose(2, 0, 1).copy(), planarconfig='separate', **options)
    for dtype in (np.float32, np.float16, np.int16, np.uint32):
        yield '.tif', _tiff(rgb[..., 0].astype(dtype), photometric='minisblack')
    picture = Image.fromarray(rgb)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for suffix, kind, options in (
        ('.mpo', 'MPO', {'save_all': True, 'append_images': [mirrored]}),
        ('.ppm', 'PPM', {}),
        ('.jp2', 'JPEG2000', {'quality_mode': 'rates', 'quality_layers': [20, 10]}),
        ('.jpg', 'JPEG', {'restart_marker_blocks': 2, 'subsampling': '4:2:0'}),
        ('.jpg', 'JPEG', {'progressive': True, 'quality': 30}),
        ('.gif', 'GIF', {'interlace': True}),
        ('.webp', 'WEBP', {'exact': True, 'quality': 20}),
        ('.avif', 'AVIF', {'subsampling': '4:4:4'}),
        ('.tga', 'TGA', {}),
    ):
        yield suffix, hostile._save(picture, kind, **options)


def _tiff(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    options = {'photometric': 'rgb', 'metadata': None, **options}
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def _flip(content: bytes, _: bytes, rng: random.Random) -> bytes:
    """Bits turned over anywhere."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 3, 20))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flip_head(content: bytes, _: bytes, rng: random.Random) -> bytes:
    """Bytes of the first 200, or of the last 200, where some formats keep what others have at the head, made others."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 3))):
        place = rng.randrange(4, min(200, len(changed)))
        changed[rng.choice((place, -place))] = rng.randrange(256)
    return bytes(changed)


def _cut(content: bytes, _: bytes, rng: random.Random) -> bytes:
    """The beginning alone, or without some of the middle."""
    first, second = sorted(rng.choices(range(len(content)), k=2))
    return content[:second] if rng.random() < 0.5 else content[:first] + content[second:]


def _splice(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """A part of another file in the place of a part, or between two."""
    place, source = rng.randrange(len(content)), rng.randrange(len(other))
    part = other[source : source + rng.choice((4, 40, 4000))]
    return content[:place] + part + content[place + rng.choice((0, len(part))) :]


def _extreme(content: bytes, _: bytes, rng: random.Random) -> bytes:
    """Numbers of 2 or 4 bytes made the smallest or the largest: in the head, in the tail, or anywhere."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2))):
        value = rng.choice(_EXTREMES)
        reach = min(rng.choice((64, 300, len(changed))), len(changed))
        place = rng.randrange(reach)
        place = max(0, (place if rng.random() < 0.7 else len(changed) - place) - len(value))
        changed[place : place + len(value)] = value
    return bytes(changed)
