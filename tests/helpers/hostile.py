"""Files that nobody should be sent: damaged, mislabelled, mutated, and made to cost far more than their size.

Plain functions, so that the tests of each program that reads photographs can write the same files.
"""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

HUGE = 60000


def hostile_files(folder: Path, seed: int = 0) -> list[Path]:
    """Writes some 400 files into `folder`, 10 MB together, the same ones for the same seed; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (name, content) in enumerate(_files(random.Random(seed))):
        # A number, as many bear the same name; behind it where the beginning of the name matters.
        stem, dot, suffix = name.rpartition('.')
        path = folder / (f'{stem} {number:03}{dot}{suffix}' if dot else f'{name} {number:03}')
        path.write_bytes(content)
        paths.append(path)
    return paths


def _files(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    valid = list(_valid(rng))
    yield from valid
    for name, content in valid:
        if len(content) < 60_000:
            yield from _truncated(name, content)
            yield from _flipped(name, content, rng)
    yield from _mislabelled(valid)
    yield from _not_pictures()
    yield from _huge()
    yield from _costly()
    yield from _odd_profiles(rng)
    yield from _odd_exif(rng)


def _photo(width: int, height: int, channels: int = 3) -> np.ndarray:
    """Something smooth and some noise, as in a photograph."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (7 + c) + c) + np.cos(y / (11 - c)) for c in range(channels)]
    noise = np.random.default_rng(0).normal(0, 0.1, (height, width, channels))
    return (np.clip(np.stack(waves, -1) / 4 + 0.5 + noise, 0, 1) * 255).astype(np.uint8)


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.copy().save(file, kind, **options)  # a copy, as Pillow leaves its options in the picture
    return file.getvalue()


def _valid(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Pictures that are all right, of kinds that are seldom seen."""
    rgb = Image.fromarray(_photo(48, 40))
    rgba = Image.fromarray(_photo(48, 40, 4))
    grey = rgb.convert('L')
    deep = Image.fromarray(_photo(48, 40, 1)[..., 0].astype(np.uint16) * 257)
    palette = rgb.quantize(16)
    yield 'rgb.jpg', _save(rgb, 'JPEG')
    yield 'progressive.jpg', _save(rgb, 'JPEG', progressive=True)
    yield 'grey.jpg', _save(grey, 'JPEG')
    yield 'cmyk.jpg', _save(rgb.convert('CMYK'), 'JPEG')
    yield 'trailing.jpg', _save(rgb, 'JPEG') + rng.randbytes(3000)
    yield 'rgb.png', _save(rgb, 'PNG')
    yield 'rgba.png', _save(rgba, 'PNG')
    yield 'grey alpha.png', _save(rgba.convert('LA'), 'PNG')
    yield 'one bit.png', _save(rgb.convert('1'), 'PNG')
    yield 'sixteen bits.png', _save(deep, 'PNG')
    yield 'palette.png', _save(palette, 'PNG', transparency=bytes(range(0, 256, 16)))
    yield 'rgb.avif', _save(rgb, 'AVIF')
    yield 'rgba.jp2', _save(rgba, 'JPEG2000')
    yield 'grey.pgm', _save(grey, 'PPM')
    yield 'packed.tga', _save(rgba, 'TGA', compression='tga_rle')
    yield 'animated.png', _save(rgb, 'PNG', save_all=True, append_images=[rgb.rotate(90), rgb.rotate(180)])
    yield 'rgb.tif', _save(rgb, 'TIFF')
    yield 'lzw.tif', _save(rgba, 'TIFF', compression='tiff_lzw')
    yield 'fax.tif', _save(rgb.convert('1'), 'TIFF', compression='group4')
    yield 'sixteen bits.tif', _save(deep, 'TIFF', compression='tiff_deflate')
    yield 'cmyk.tif', _save(rgb.convert('CMYK'), 'TIFF')
    yield 'lab.tif', _save(Image.merge('LAB', rgb.split()), 'TIFF')
    yield 'float.tif', _save(Image.fromarray(np.ones((8, 8), np.float32)), 'TIFF')
    yield 'pages.tif', _save(rgb, 'TIFF', save_all=True, append_images=[grey, deep])
    yield 'rgb.webp', _save(rgb, 'WEBP')
    yield 'lossless.webp', _save(rgba, 'WEBP', lossless=True)
    yield 'animated.webp', _save(rgb, 'WEBP', save_all=True, append_images=[rgb.rotate(90)])
    yield 'rgb.bmp', _save(rgb, 'BMP')
    yield 'palette.bmp', _save(palette, 'BMP')
    yield 'palette.gif', _save(palette, 'GIF', transparency=3)
    yield 'animated.gif', _save(palette, 'GIF', save_all=True, append_images=[palette.rotate(90)])
    for width, height in ((1, 1), (1, 5000), (5000, 1), (2, 3)):
        strip = Image.fromarray(_photo(width, height))
        yield f'{width}x{height}.png', _save(strip, 'PNG')
        yield f'{width}x{height}.jpg', _save(strip, 'JPEG')
        yield f'{width}x{height}.tif', _save(strip, 'TIFF')
    yield '-rf.png', _save(rgb, 'PNG')
    yield '--output.jpg', _save(rgb, 'JPEG')
    yield 'with  two spaces and \'quotes".png', _save(rgb, 'PNG')
    yield 'Großmutter 祖母 👵.jpg', _save(rgb, 'JPEG')
    yield 'line\nbreak.png', _save(rgb, 'PNG')
    yield '%s {0} $HOME.png', _save(rgb, 'PNG')
    yield 'UPPER.JPG', _save(rgb, 'JPEG')


def _truncated(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    for share in (0.1, 0.5, 0.95):
        yield f'cut {name}', content[: int(len(content) * share)]


def _flipped(name: str, content: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Bits turned over: one of the header's bytes, and some anywhere."""
    for positions in ([rng.randrange(min(64, len(content)))], rng.choices(range(len(content)), k=8)):
        flipped = bytearray(content)
        for position in positions:
            flipped[position] ^= 1 << rng.randrange(8)
        yield f'flipped {name}', bytes(flipped)
    if name.endswith('.tif'):  # its directory stands anywhere
        (at,) = struct.unpack_from('<L', content, 4)
        for _ in range(4):
            flipped = bytearray(content)
            flipped[min(at + rng.randrange(150), len(content) - 1)] = rng.randrange(256)
            if not 1e6 < _tiff_pixels(flipped, at) < 1e9:  # few files are meant to keep a correct reader busy
                yield f'directory {name}', bytes(flipped)


def _tiff_pixels(content: bytes, at: int) -> int:
    (count,) = struct.unpack_from('<H', content, at)
    entries = content[at + 2 : at + 2 + 12 * count]
    sides = {tag: value for tag, _, _, value in struct.iter_unpack('<HHLL', entries[: len(entries) // 12 * 12])}
    return sides.get(256, 0) * sides.get(257, 0)


def _mislabelled(valid: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    suffixes = ('.jpg', '.png', '.tif', '.webp', '.bmp', '.gif', '.heic')
    for number, (name, content) in enumerate(valid[:27]):
        right = Path(name).suffix
        yield f'{Path(name).stem} is not{[s for s in suffixes if s != right][number % 6]}', content


def _not_pictures() -> Iterator[tuple[str, bytes]]:
    magics = {
        '.jpg': b'\xff\xd8\xff\xe0',
        '.png': b'\x89PNG\r\n\x1a\n',
        '.tif': b'II*\0\x08\0\0\0',
        '.webp': b'RIFF\x20\0\0\0WEBPVP8 ',
        '.bmp': b'BM',
        '.gif': b'GIF89a',
        '.heic': b'\0\0\0\x18ftypheic\0\0\0\0mif1heic',
        '.avif': b'\0\0\0\x18ftypavif\0\0\0\0mif1avif',
        '.jp2': b'\0\0\0\x0cjP  \r\n\x87\n',
        '.jxl': b'\xff\x0a',
        '.ppm': b'P6\n',
        '.tga': b'\0\0\2' + bytes(9) + b'\x40\0\x40\0\x18\0',
    }
    for suffix, magic in magics.items():
        yield f'empty{suffix}', b''
        yield f'magic{suffix}', magic
        yield f'magic and zeros{suffix}', magic.ljust(3000, b'\0')
        yield f'magic and ones{suffix}', magic.ljust(3000, b'\xff')
        yield f'text{suffix}', b'a shopping list: milk, eggs\n' * 20
    yield 'zeros.jpg', bytes(10_000)
    yield 'page.jpg', b'<!doctype html><title>404 Not Found</title><p>Not found'
    yield 'archive.png', b'PK\x03\x04' + bytes(26) + b'PK\x05\x06' + bytes(18)
    yield 'drawing.png', b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'
    yield 'drawing.svg', b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'
    yield 'paper.pdf', b'%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n%%EOF\n'
    yield 'paper.jpg', b'%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n%%EOF\n'
    yield 'script.eps', b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n%%EOF\n'
    yield 'script.tif', b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n%%EOF\n'
    yield 'layers.psd', b'8BPS\0\1' + bytes(6) + struct.pack('>HLLHH', 3, 9, 9, 8, 3) + bytes(400)
    yield 'picture.avif', b'\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf' + bytes(200)
    yield 'picture.ppm', b'P6 2 2 255\n' + bytes(12)
    yield 'no suffix', b'\x7fELF' + bytes(60)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack('>L', len(content)) + name + content + struct.pack('>L', zlib.crc32(name + content))


def _png(width: int, height: int, *chunks: bytes, color_type: int = 0, depth: int = 8, rows: bytes = b'') -> bytes:
    header = _chunk(b'IHDR', struct.pack('>LLBBBBB', width, height, depth, color_type, 0, 0, 0))
    data = _chunk(b'IDAT', zlib.compress(rows or bytes((width + 1) * height if width * height < 1e6 else 1000)))
    return b'\x89PNG\r\n\x1a\n' + header + b''.join(chunks) + data + _chunk(b'IEND', b'')


def _tiff(width: int, height: int, more: tuple[tuple[int, int, int, int], ...] = (), following: int = 0) -> bytes:
    """One grey strip; `more` are entries (tag, type, count, value), `following` the offset of the next directory."""
    entries = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 8),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, min(width * height, 64)),
    }
    entries.update({tag: rest for tag, *rest in more})
    directory = struct.pack('<H', len(entries))
    directory += b''.join(struct.pack('<HHLL', tag, *entries[tag]) for tag in sorted(entries))
    return b'II*\0' + struct.pack('<L', 72) + bytes(64) + directory + struct.pack('<L', following)


def _bmp(width: int, height: int, bits: int = 24) -> bytes:
    header = struct.pack('<LllHHLLllLL', 40, width, height, 1, bits, 0, 0, 2835, 2835, 0, 0)
    return b'BM' + struct.pack('<LHHL', 54 + 300, 0, 0, 54) + header + bytes(300)


def _gif(width: int, height: int, left: int = 0) -> bytes:
    screen = b'GIF89a' + struct.pack('<HHBBB', width, height, 0x80, 0, 0) + bytes(6)
    return screen + b',' + struct.pack('<HHHHB', left, 0, width, height, 0) + b'\x02\x02\x44\x01\0;'


def _jpeg(width: int, height: int) -> bytes:
    content = _save(Image.new('RGB', (16, 16)), 'JPEG')
    at = content.index(b'\xff\xc0')
    return content[: at + 5] + struct.pack('>HH', height, width) + content[at + 9 :]


def _webp(width: int, height: int) -> bytes:
    lossy = _save(Image.new('RGB', (16, 16)), 'WEBP')[12:]
    size = (width - 1).to_bytes(3, 'little') + (height - 1).to_bytes(3, 'little')
    extended = b'VP8X' + struct.pack('<LB3x', 10, 0) + size
    body = b'WEBP' + extended + lossy
    return b'RIFF' + struct.pack('<L', len(body)) + body


def _huge() -> Iterator[tuple[str, bytes]]:
    """Small files that say they hold billions of pixels, or none."""
    for width, height in ((HUGE, HUGE), (HUGE, 1), (1, HUGE), (0, 0), (0, 9), (9, 0), (16000, 16000)):
        name = f'{width} x {height}'
        yield f'{name}.png', _png(width, height)
        yield f'{name}.tif', _tiff(width, height)
        yield f'{name}.bmp', _bmp(width, height)
        yield f'{name}.gif', _gif(width, height)
        yield f'{name}.jpg', _jpeg(width, height)
        if width and height:
            yield f'{name}.webp', _webp(width, height)
    for side in (2**31 - 1, 2**31, 2**32 - 1):
        yield f'{side}.png', _png(side, side)
        yield f'{side}.tif', _tiff(side, side)
    yield 'beyond its screen.gif', _gif(20000, 9, left=65535)
    yield 'negative.bmp', _bmp(-9, -(2**31))
    yield 'sixty thousand bits.bmp', _bmp(9, 9, 60000)
    lossless = b'VP8L' + struct.pack('<LB', 9, 0x2F) + struct.pack('<L', 0xFFFFFFF) + bytes(5)
    yield 'lossless.webp', b'RIFF' + struct.pack('<L', len(lossless) + 4) + b'WEBP' + lossless


def _costly() -> Iterator[tuple[str, bytes]]:
    """Small files that make a careless reader work, or remember, far more than their size."""
    bomb = zlib.compress(bytes(50_000_000), 9)
    yield 'text bomb.png', _png(4, 4, _chunk(b'zTXt', b'a\0\0' + bomb))
    yield 'many text bombs.png', _png(4, 4, *[_chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(1_000_000)))] * 70)
    yield 'international text bomb.png', _png(4, 4, _chunk(b'iTXt', b'a\0\1\0\0\0' + bomb))
    yield 'profile bomb.png', _png(4, 4, _chunk(b'iCCP', b'a\0\0' + bomb))
    yield 'row bomb.png', _png(4, 4, rows=bytes(50_000_000))
    yield 'many chunks.png', _png(4, 4, *[_chunk(b'teSt', b'')] * 50_000)
    yield 'no frames.png', _png(4, 4, _chunk(b'acTL', bytes(8)))
    yield 'bits.png', _png(4, 4, depth=3)
    yield 'no palette.png', _png(4, 4, color_type=3)
    yield 'transparency.png', _png(4, 4, _chunk(b'tRNS', b'\0'))
    picture = _save(Image.fromarray(_photo(48, 40)), 'JPEG')
    yield 'many markers.jpg', picture[:2] + b'\xff\xfe\0\2' * 100_000 + picture[2:]
    yield 'many scans.jpg', _many_scans()
    yield 'endless padding.jpg', b'\xff\xd8' + b'\xff' * 300_000
    yield 'loop.tif', _tiff(4, 4, following=72)
    yield 'next beyond the end.tif', _tiff(4, 4, following=2**32 - 1)
    yield 'many strips.tif', _tiff(4, 4, ((273, 4, 2**30, 8),))
    yield 'strips of everything.tif', _tiff(4, 4, ((273, 4, 400_000, 0), (279, 4, 400_000, 0))) + bytes(1_600_000)
    yield 'exif loop.tif', _tiff(4, 4, ((34665, 4, 1, 72), (34853, 4, 1, 72)))
    yield 'tag of everything.tif', _tiff(4, 4, ((700, 1, 2**32 - 1, 0),))
    yield 'tiles of nothing.tif', _tiff(4, 4, ((322, 4, 1, 0), (323, 4, 1, 0), (324, 4, 1, 8)))
    yield 'one huge tile.tif', _tiff(4, 4, ((322, 4, 1, HUGE), (323, 4, 1, HUGE), (324, 4, 1, 8)))
    yield 'samples.tif', _tiff(4, 4, ((277, 3, 1, 60000),))
    yield 'nowhere.tif', b'II*\0\xff\xff\xff\x7f'
    yield 'big.tif', b'II+\0\x08\0\0\0' + struct.pack('<Q', 16) + struct.pack('<Q', 2**62) + bytes(200)
    for kind in range(1, 9):  # compressions that the strip isn't in
        yield f'compression {kind}.tif', _tiff(4, 4, ((259, 3, 1, (2, 3, 4, 5, 6, 7, 8, 34925)[kind - 1]),))


def _many_scans() -> bytes:
    """A progressive JPEG that refines its pixels again and again."""
    content = _save(Image.fromarray(_photo(48, 40)), 'JPEG', progressive=True)
    last = content.rindex(b'\xff\xda')
    return content[:-2] + content[last:-2] * 1000 + content[-2:]


def _odd_profiles(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    rgb = Image.fromarray(_photo(48, 40))
    pictures = {'rgb': rgb, 'grey': rgb.convert('L'), 'cmyk': rgb.convert('CMYK'), 'rgba': rgb.convert('RGBA')}
    srgb, lab = (ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes() for kind in ('sRGB', 'LAB'))
    srgb, lab = (profile[:24] + bytes(12) + profile[36:] for profile in (srgb, lab))  # but for the time of day
    profiles = {
        'garbage': rng.randbytes(500),
        'empty': b'\0',
        'cut': srgb[:200],
        'of Lab': lab,
        'huge': rng.randbytes(200_000),
    }
    for number in range(6):
        mutated = bytearray(srgb)
        for _ in range(1 + 3 * number):
            mutated[rng.randrange(len(srgb))] = rng.randrange(256)
        profiles[f'mutated {number}'] = bytes(mutated)
    for kind in (b'GRAY', b'CMYK', b'HSV '):
        profiles[f'says {kind.decode().lower()}'] = srgb[:16] + kind + srgb[20:]
    for name, profile in profiles.items():
        for mode, picture in pictures.items():
            if mode in ('rgb', 'grey') or len(profile) < 1000:
                suffix, kind = ('.jpg', 'JPEG') if mode in ('rgb', 'cmyk') else ('.png', 'PNG')
                yield f'{mode} profile {name}{suffix}', _save(picture, kind, icc_profile=profile)


def _odd_exif(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    rgb = Image.fromarray(_photo(48, 40))
    tags = Image.Exif()
    tags[0x010F] = 'A camera'
    tags[0x8769] = {0x9003: '2020:02:30 25:61:61', 0x927C: rng.randbytes(200), 0xA001: 2}
    tags[0x8825] = {1: 'N', 2: (51.0, 28.0, 38.0)}
    for orientation in (0, 9, 255, 65535):
        tags[0x0112] = orientation
        yield f'orientation {orientation}.jpg', _save(rgb, 'JPEG', exif=tags)
    tags[0x0112] = 6
    whole = tags.tobytes()
    for kind, suffix in (('JPEG', '.jpg'), ('PNG', '.png'), ('WEBP', '.webp'), ('TIFF', '.tif')):
        yield f'exif{suffix}', _save(rgb, kind, exif=whole)
    for number in range(30):
        mutated = bytearray(whole)
        for _ in range(1 + number // 3):
            mutated[rng.randrange(6, len(whole))] = rng.randrange(256)
        kind, suffix = (('JPEG', '.jpg'), ('PNG', '.png'), ('WEBP', '.webp'))[number % 3]
        yield f'exif mutated{suffix}', _save(rgb, kind, exif=bytes(mutated))
    for name, content in (
        ('garbage', rng.randbytes(300)),
        ('cut', whole[:40]),
        ('nothing', b'Exif\0\0'),
        ('loop', b'Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0'),
        ('huge', b'Exif\0\0II*\0\x08\0\0\0' + rng.randbytes(65_000)),
    ):
        yield f'exif {name}.jpg', _save(rgb, 'JPEG', exif=content)
