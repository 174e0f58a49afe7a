import concurrent.futures
import io
import itertools
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from helpers import hostile, mutations
from PIL import ExifTags, Image, ImageCms

from jaxcolor.errors import UserError
from jaxcolor.imaging import formats, photos

NOISE = np.random.default_rng(0).integers(0, 256, (9, 16, 4), np.uint8)
GREY, RGB, RGBA = Image.fromarray(NOISE[..., 0]), Image.fromarray(NOISE[..., :3]), Image.fromarray(NOISE)
DEEP = np.random.default_rng(1).integers(0, 65536, (9, 16, 3), np.uint16)
PLAIN = photos.Photo(NOISE[..., :3], None, 'PNG', None, None)


def save(image, kind='PNG', **options):
    file = io.BytesIO()
    image.copy().save(file, kind, **options)
    return file.getvalue()


def opened(encoded):
    image = Image.open(io.BytesIO(encoded))
    image.load()
    return image


# Modes


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'BMP'])
def test_lossless_formats_are_read_exactly(kind):
    photo = photos.read(save(RGB, kind))
    np.testing.assert_array_equal(photo.pixels, NOISE[..., :3])
    assert (photo.format, photo.alpha, photo.exif) == (kind, None, None)
    grey = photos.read(save(GREY, kind))
    np.testing.assert_array_equal(grey.pixels, NOISE[..., :1])
    bits = GREY.convert('1')
    np.testing.assert_array_equal(photos.read(save(bits, kind)).pixels[..., 0], np.where(bits, 255, 0))


@pytest.mark.parametrize(
    ('image', 'kind', 'pixel'),
    [
        (Image.new('CMYK', (16, 16), (0, 255, 255, 0)), 'TIFF', (255, 0, 0)),
        (Image.new('CMYK', (16, 16), (0, 255, 255, 0)), 'JPEG', (254, 0, 0)),  # stored inverted, as Adobe does
        (Image.new('RGB', (16, 16), (200, 30, 60)).convert('YCbCr'), 'TIFF', (200, 30, 60)),
        (Image.new('RGB', (16, 16), (200, 30, 60)), 'GIF', (200, 30, 60)),
        (Image.new('RGB', (16, 16), (200, 30, 60)), 'WEBP', (200, 30, 60)),
        (Image.new('RGB', (16, 16), (200, 30, 60)).quantize(4), 'BMP', (200, 30, 60)),
    ],
)
def test_other_modes_become_rgb(image, kind, pixel):
    photo = photos.read(save(image, kind, quality=100) if kind in ('JPEG', 'WEBP') else save(image, kind))
    assert photo.pixels.shape == (16, 16, 3)
    assert np.abs(photo.pixels.astype(int) - pixel).max() <= 3


def test_lab():
    file = io.BytesIO()
    lab = np.full((16, 16, 3), (136, 0, 0), np.uint8)
    lab[8:] = (113, 64, 30)  # sRGB 200, 30, 60 by hand: L* 44.31, a* 64.43, b* 30.11 (D50)
    tifffile.imwrite(file, lab, photometric='cielab')
    photo = photos.read(file.getvalue())
    assert np.abs(photo.pixels[:8].astype(int) - 127).max() <= 2  # L* 53.3
    assert np.abs(photo.pixels[8:].astype(int) - (200, 30, 60)).max() <= 6


def test_palettes():
    image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(2, 8) % 3)
    image.putpalette([10, 20, 30, 0, 0, 0, 7, 7, 7])
    colors = np.array([[10, 20, 30], [0, 0, 0], [7, 7, 7]])
    for kind in ('PNG', 'TIFF', 'GIF', 'BMP'):
        np.testing.assert_array_equal(photos.read(save(image, kind)).pixels, colors[np.asarray(image)])
    photo = photos.read(save(image, 'PNG', transparency=bytes([128, 0, 255])))
    np.testing.assert_array_equal(photo.pixels, colors[np.asarray(image)])
    np.testing.assert_array_equal(photo.alpha, np.array([128, 0, 255])[np.asarray(image)])
    np.testing.assert_array_equal(photos.read(save(image, 'GIF', transparency=1)).alpha == 0, np.asarray(image) == 1)
    image.putpalette([10, 10, 10, 0, 0, 0, 250, 250, 250])
    grey = photos.read(save(image, 'PNG', transparency=1))
    np.testing.assert_array_equal(grey.pixels[..., 0], np.array([10, 0, 250])[np.asarray(image)])
    np.testing.assert_array_equal(grey.alpha == 0, np.asarray(image) == 1)


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'WEBP'])
def test_alpha(kind):
    options = {'lossless': True, 'exact': True} if kind == 'WEBP' else {}
    photo = photos.read(save(RGBA, kind, **options))
    np.testing.assert_array_equal(photo.pixels, NOISE[..., :3])
    np.testing.assert_array_equal(photo.alpha, NOISE[..., 3])
    result = opened(photos.encode(photo, photo.pixels, kind))
    np.testing.assert_array_equal(np.asarray(result)[..., 3], NOISE[..., 3])
    if kind != 'WEBP':
        np.testing.assert_array_equal(np.asarray(result), NOISE)


def test_grey_with_alpha_stays_grey():
    photo = photos.read(save(Image.merge('LA', (GREY, RGBA.getchannel(3)))))
    np.testing.assert_array_equal(photo.pixels, NOISE[..., :1])
    np.testing.assert_array_equal(photo.alpha, NOISE[..., 3])
    key = photos.read(save(GREY, transparency=int(NOISE[0, 0, 0])))
    np.testing.assert_array_equal(key.alpha == 0, NOISE[..., 0] == NOISE[0, 0, 0])


@pytest.mark.parametrize('kind', ['JPEG', 'BMP'])
def test_formats_without_alpha_show_white_paper(kind):
    alpha = np.zeros((9, 16), np.uint8)
    alpha[:, 8:] = 255
    photo = photos.Photo(PLAIN.pixels, alpha, 'PNG', None, None)
    result = np.asarray(opened(photos.encode(photo, np.zeros((9, 16, 3), np.uint8), kind)).convert('L'))
    assert result[:, :7].min() > 250
    assert result[:, 9:].max() < 5


# 16 bits


def png(samples, color_type, depth, *chunks):
    """A PNG without filters, from big-endian samples [h, row]."""
    rows = b''.join(b'\0' + row.tobytes() for row in samples)
    header = struct.pack('>LLBBBBB', DEEP.shape[1], len(samples), depth, color_type, 0, 0, 0)
    content = [(b'IHDR', header), *chunks, (b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
    parts = (struct.pack('>L', len(c)) + n + c + struct.pack('>L', zlib.crc32(n + c)) for n, c in content)
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


@pytest.mark.parametrize('byteorder', ['<', '>'])
@pytest.mark.parametrize('compression', [None, 'zlib'])
def test_sixteen_bit_tiff_keeps_its_depth(byteorder, compression):
    for photometric, expected in (('minisblack', DEEP[..., 0]), ('miniswhite', 65535 - DEEP[..., 0])):
        if (byteorder, photometric) == ('>', 'miniswhite'):
            continue  # Pillow has no such mode
        file = io.BytesIO()
        pixels = DEEP[..., 0]
        tifffile.imwrite(file, pixels, photometric=photometric, compression=compression, byteorder=byteorder)
        photo = photos.read(file.getvalue())
        assert (photo.pixels.dtype, photo.alpha) == (np.uint16, None)
        np.testing.assert_array_equal(photo.pixels[..., 0], expected)


def test_sixteen_bit_png_keeps_its_depth():
    samples = DEEP[..., 0].astype('>u2')
    np.testing.assert_array_equal(photos.read(png(samples, 0, 16)).pixels[..., 0], DEEP[..., 0])
    key = photos.read(png(samples, 0, 16, (b'tRNS', samples[0, :1].tobytes())))
    np.testing.assert_array_equal(key.alpha == 0, DEEP[..., 0] == DEEP[0, 0, 0])


def test_twelve_bits_are_scaled_up():
    rows = b''.join((int(v) << 12 | 4095 - int(v)).to_bytes(3, 'big') for v in (0, 1, 2048, 4095))
    tags = {256: 8, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 12}
    directory = b''.join(struct.pack('<HHLL', tag, 3, 1, value) for tag, value in tags.items())
    content = b'II*\0' + struct.pack('<L', 20) + rows + struct.pack('<H', len(tags)) + directory + bytes(4)
    expected = np.array([0, 4095, 1, 4094, 2048, 2047, 4095, 0]) * 65535 / 4095
    assert np.abs(photos.read(content).pixels[0, :, 0] - expected).max() < 1


def test_numbers_without_a_white_are_refused():
    for dtype in (np.float32, np.int32):
        file = io.BytesIO()
        tifffile.imwrite(file, np.full((4, 4), 70000, dtype))
        with pytest.raises(photos.PhotoError, match='agreed white; save it with 16 bits'):
            photos.read(file.getvalue())


@pytest.mark.parametrize('with_alpha', [False, True])
def test_sixteen_bit_png_is_what_pillow_reads(with_alpha):
    """Which takes the upper halves: those of the numbers, and then, with the bytes swapped, the lower ones."""
    photo = photos.Photo(DEEP[..., :1], NOISE[..., 3] if with_alpha else None, 'TIFF', None, None)
    high, low = (photos.encode(photo, deep, 'PNG') for deep in (DEEP, DEEP.byteswap()))
    assert high[24:26] == bytes([16, 6 if with_alpha else 2])  # depth, colour type
    high, low = (np.asarray(opened(encoded)).astype(int) for encoded in (high, low))
    np.testing.assert_array_equal(high[..., :3] * 256 + low[..., :3], DEEP)
    if with_alpha:
        np.testing.assert_array_equal(high[..., 3], NOISE[..., 3])


@pytest.mark.parametrize('with_alpha', [False, True])
@pytest.mark.parametrize('colored', [DEEP, NOISE[..., :3]])
def test_tiff_is_what_tifffile_reads(with_alpha, colored):
    alpha = NOISE[..., 3] if with_alpha else None
    encoded = photos.encode(photos.Photo(colored[..., :1], alpha, 'TIFF', None, None), colored, 'TIFF')
    with tifffile.TiffFile(io.BytesIO(encoded)) as file:
        decoded, tags = file.asarray(), file.pages[0].tags
    np.testing.assert_array_equal(decoded[..., :3], colored)
    assert tags['PhotometricInterpretation'].value == 2
    if with_alpha:
        scale = 257 if colored.dtype == np.uint16 else 1
        np.testing.assert_array_equal(decoded[..., 3], NOISE[..., 3].astype(int) * scale)
        assert tags['ExtraSamples'].value == (2,)  # unassociated


def test_several_bands_and_strips():
    """Larger than what is converted, filtered and compressed at a time; the last one is a rest."""
    pixels = np.random.default_rng(0).integers(0, 256, (1300, 1201, 3), np.uint8)
    photo = photos.Photo(pixels, None, 'PNG', None, None)
    for kind in ('PNG', 'TIFF'):
        encoded = photos.encode(photo, pixels, kind)
        np.testing.assert_array_equal(np.asarray(opened(encoded)), pixels)
        np.testing.assert_array_equal(photos.read(encoded).pixels, pixels)


@pytest.mark.parametrize('kind', ['BMP', 'JPEG'])
def test_sixteen_bits_become_eight_by_rounding(kind):
    colored = np.full((8, 8, 3), 0, np.uint16)
    colored[:4] = 257 * 100 + 128
    colored[4:] = 257 * 100 + 129
    result = np.asarray(opened(photos.encode(PLAIN, colored, kind)))
    np.testing.assert_array_equal(result[:4], 100)
    np.testing.assert_array_equal(result[4:], 101)


# Colour profiles


def profile(kind, tags, space=b'XYZ ', device=b'mntr'):
    """An ICC profile, version 2.1 (ICC.1:1998-09)."""
    body, table, start = b'', b'', 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack('>LL', start + len(body), len(content))
        body += content.ljust(-(-len(content) // 4) * 4, b'\0')
    header = struct.pack('>L4xL4s4s4s12x4s', start + len(body), 0x02100000, device, kind, space, b'acsp')
    white = struct.pack('>lll', *D50)
    return header.ljust(68, b'\0') + white + bytes(48) + struct.pack('>L', len(tags)) + table + body


D50 = (63190, 65536, 54061)  # s15Fixed16
SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])  # adapted to D50
ADOBE = np.array([[0.6097, 0.2053, 0.1492], [0.3111, 0.6257, 0.0632], [0.0195, 0.0609, 0.7446]])


def gamma(value):
    return b'curv\0\0\0\0' + struct.pack('>LH', 1, round(value * 256))


def xyz(values):
    return b'XYZ \0\0\0\0' + struct.pack('>lll', *(round(v * 65536) for v in values))


def rgb_profile(matrix, exponent):
    columns = {name: xyz(column) for name, column in zip((b'rXYZ', b'gXYZ', b'bXYZ'), matrix.T, strict=True)}
    curves = {name: gamma(exponent) for name in (b'rTRC', b'gTRC', b'bTRC')}
    return profile(b'RGB ', {b'wtpt': xyz(np.array(D50) / 65536), **columns, **curves})


def grey_profile(exponent):
    return profile(b'GRAY', {b'wtpt': xyz(np.array(D50) / 65536), b'kTRC': gamma(exponent)})


def srgb_of(linear):
    """IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(('matrix', 'exponent'), [(SRGB, 1.0), (ADOBE, 563 / 256)])
@pytest.mark.parametrize('with_alpha', [False, True])
def test_rgb_profiles_are_followed(matrix, exponent, with_alpha):
    image = RGBA if with_alpha else RGB
    photo = photos.read(save(image, icc_profile=rgb_profile(matrix, exponent)))
    linear = (NOISE[..., :3] / 255) ** exponent @ matrix.T @ np.linalg.inv(SRGB).T
    expected = 255 * srgb_of(linear)
    assert np.abs(photo.pixels - expected).max() < 2.5
    assert np.abs(photo.pixels.astype(int) - NOISE[..., :3]).max() > 20  # it does make a difference
    if with_alpha:
        np.testing.assert_array_equal(photo.alpha, NOISE[..., 3])


@pytest.mark.parametrize('exponent', [1.0, 1.8, 563 / 256])
def test_grey_profiles_are_followed(exponent):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = 255 * srgb_of((ramp / 255) ** exponent)
    photo = photos.read(save(Image.fromarray(ramp), icc_profile=grey_profile(exponent)))
    assert photo.pixels.shape == (16, 16, 1)
    assert np.abs(photo.pixels[..., 0] - expected).max() < 1
    deep = np.arange(0, 65536, 8, dtype=np.uint16)[None]
    photo = photos.read(save(Image.fromarray(deep), 'TIFF', icc_profile=grey_profile(exponent)))
    assert photo.pixels.dtype == np.uint16
    wanted = 65535 * srgb_of((deep / 65535) ** exponent)
    error = np.abs(photo.pixels[..., 0] - wanted)
    # Above the first of the 256 steps, where the curve isn't straight, within one 8-bit step.
    assert error[deep > 257].max() < 257
    assert len(np.unique(photo.pixels)) > 5000  # 8192 greys went in; 8 bits would leave 256


def test_a_grey_picture_may_have_an_rgb_profile():
    photo = photos.read(save(GREY, icc_profile=rgb_profile(ADOBE, 1.8)))
    assert np.abs(photo.pixels[..., 0] - 255 * srgb_of((NOISE[..., 0] / 255) ** 1.8)).max() < 1.5


def test_cmyk_profiles_are_followed():
    """A press on which all inks are black, but cyan is a grey of L* 50: sRGB 119."""
    grid = np.zeros((2, 2, 2, 2, 3), np.uint8) + np.array([0, 128, 128], np.uint8)
    grid[0, 0, 0, 0, 0], grid[1, 0, 0, 0, 0] = 255, 128
    identity = np.tile(np.arange(256, dtype=np.uint8), 4).tobytes()
    matrix = struct.pack('>9l', *(np.eye(3, dtype=int) * 65536).ravel().tolist())
    lut = b'mft1\0\0\0\0' + bytes([4, 3, 2, 0]) + matrix + identity + grid.tobytes() + identity[: 3 * 256]
    press = profile(b'CMYK', {b'A2B0': lut}, space=b'Lab ', device=b'prtr')
    photo = photos.read(save(Image.new('CMYK', (16, 16), (255, 0, 0, 0)), 'TIFF', icc_profile=press))
    assert np.abs(photo.pixels.astype(int) - 119).max() <= 2
    white = photos.read(save(Image.new('CMYK', (16, 16)), 'TIFF', icc_profile=press))
    assert white.pixels.min() >= 254


@pytest.mark.parametrize(
    'odd', [b'no profile', rgb_profile(ADOBE, 2.2)[:200], grey_profile(1.0), rgb_profile(np.zeros((3, 3)), 1.0)]
)
def test_odd_profiles_are_ignored(odd):
    photo = photos.read(save(RGB, 'TIFF', icc_profile=odd))
    np.testing.assert_array_equal(photo.pixels, NOISE[..., :3])


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF', 'WEBP'])
def test_results_say_that_they_are_srgb(kind):
    encoded = photos.encode(PLAIN, NOISE[..., :3], kind)
    embedded = ImageCms.ImageCmsProfile(io.BytesIO(opened(encoded).info['icc_profile']))
    assert 'sRGB' in ImageCms.getProfileDescription(embedded)
    assert encoded == photos.encode(PLAIN, NOISE[..., :3], kind)
    if kind in ('PNG', 'TIFF'):  # and reading them changes nothing
        np.testing.assert_array_equal(photos.read(encoded).pixels, NOISE[..., :3])


# EXIF


def thumbnail_exif(endian='<'):
    """EXIF as a camera writes it: a maker's note that points at itself, and a thumbnail behind all."""
    thumbnail = save(Image.new('L', (16, 12), 90), 'JPEG')
    make, note = b'A camera\0', b'note' * 20
    at_exif = 8 + 2 + 3 * 12 + 4
    at_make = at_exif + 2 + 2 * 12 + 4
    at_note, at_ifd1 = at_make + len(make) + 1, at_make + len(make) + 1 + len(note)
    at_thumbnail = at_ifd1 + 2 + 3 * 12 + 4
    short = struct.pack(endian + 'HH', 6, 0)

    def entry(tag, kind, count, value):
        head = struct.pack(endian + 'HHL', tag, kind, count)
        return head + (value if isinstance(value, bytes) else struct.pack(endian + 'L', value))

    ifd0 = [entry(0x10F, 2, len(make), at_make), entry(0x112, 3, 1, short), entry(0x8769, 4, 1, at_exif)]
    adobe = struct.pack(endian + 'HH', 2, 0)
    inner = [entry(0x927C, 7, len(note), at_note), entry(0xA001, 3, 1, adobe)]
    ifd1 = [entry(0x103, 3, 1, short), entry(0x201, 4, 1, at_thumbnail), entry(0x202, 4, 1, len(thumbnail))]
    parts = [struct.pack(endian + '2sHL', b'II' if endian == '<' else b'MM', 42, 8)]
    for entries, following in ((ifd0, at_ifd1), (inner, 0)):
        parts.append(struct.pack(endian + 'H', len(entries)) + b''.join(entries))
        parts.append(struct.pack(endian + 'L', following))
    parts += [make, b'\0', note, struct.pack(endian + 'H', 3) + b''.join(ifd1), bytes(4), thumbnail]
    return b'Exif\0\0' + b''.join(parts), thumbnail, note


@pytest.mark.parametrize('endian', ['<', '>'])
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_exif_is_kept_but_for_what_changed(endian, kind):
    exif, thumbnail, note = thumbnail_exif(endian)
    assert Image.open(io.BytesIO(save(RGB, 'JPEG', exif=exif))).getexif().get_ifd(ExifTags.IFD.IFD1)[0x202] == len(
        thumbnail
    )
    photo = photos.read(save(RGB, kind, exif=exif))
    assert photo.pixels.shape == (16, 9, 3)  # orientation 6
    for result in ('JPEG', 'PNG', 'WEBP', 'TIFF'):
        encoded = photos.encode(photo, np.ascontiguousarray(photo.pixels), result)
        tags = opened(encoded).getexif()
        assert tags[0x10F] == 'A camera'
        assert tags.get(0x112, 1) == 1
        assert tags.get_ifd(0x8769)[0x927C] == note
        assert tags.get_ifd(0x8769)[0xA001] == 1
        assert not tags.get_ifd(ExifTags.IFD.IFD1)
        assert thumbnail not in encoded
        again = photos.read(encoded)
        assert again.pixels.shape == (16, 9, 3)
    assert photo.exif.index(note) == exif[6:].index(note)  # it may point at itself


def test_exif_of_a_tiff():
    tags = Image.Exif()
    tags[0x10E], tags[0x13B], tags[0x112] = 'The garden', 'Grandfather', 3
    tags[0x8769] = {0x9003: '1931:05:01 12:00:00'}
    photo = photos.read(save(RGB, 'TIFF', exif=tags.tobytes()))
    np.testing.assert_array_equal(photo.pixels, NOISE[::-1, ::-1, :3])
    for kind in ('JPEG', 'TIFF'):
        read = opened(photos.encode(photo, np.ascontiguousarray(photo.pixels), kind)).getexif()
        assert (read[0x10E], read[0x13B], read.get(0x112, 1)) == ('The garden', 'Grandfather', 1)
        assert read.get_ifd(0x8769)[0x9003] == '1931:05:01 12:00:00'


def test_exif_too_long_for_a_jpeg_is_left_out():
    photo = photos.Photo(PLAIN.pixels, None, 'PNG', b'II*\0' + bytes(70_000), None)
    assert 'exif' not in opened(photos.encode(photo, PLAIN.pixels, 'JPEG')).info


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
@pytest.mark.parametrize('image', [RGBA, Image.fromarray(DEEP[..., 0])])
def test_every_orientation(orientation, kind, image):
    # EXIF 2.32: the sides of the picture that the stored row 0 and column 0 are.
    row, column = {
        1: ('top', 'left'),
        2: ('top', 'right'),
        3: ('bottom', 'right'),
        4: ('bottom', 'left'),
        5: ('left', 'top'),
        6: ('right', 'top'),
        7: ('right', 'bottom'),
        8: ('left', 'bottom'),
    }[orientation]
    exif = Image.Exif()
    exif[0x112] = orientation
    photo = photos.read(save(image, kind, exif=exif, dpi=(100, 200)))
    pixels = photo.pixels if photo.alpha is None else np.concatenate((photo.pixels, photo.alpha[..., None]), -1)
    stored = np.asarray(image).reshape(9, 16, -1)
    for i, j in itertools.product((0, 3, 8), (0, 5, 15)):
        place = {row: i, column: j}
        y = place['top'] if 'top' in place else pixels.shape[0] - 1 - place['bottom']
        x = place['left'] if 'left' in place else pixels.shape[1] - 1 - place['right']
        np.testing.assert_array_equal(pixels[y, x], stored[i, j])
    assert photo.pixels.flags.c_contiguous
    if kind == 'PNG':
        assert photo.dpi == pytest.approx((100, 200) if orientation < 5 else (200, 100), abs=0.1)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF', 'BMP'])
def test_resolution_is_kept(kind):
    photo = photos.read(save(RGB, kind, dpi=(300, 150)))
    assert photo.dpi == pytest.approx((300, 150), abs=0.1)
    for result in ('JPEG', 'PNG', 'TIFF', 'BMP'):
        encoded = photos.encode(photo, photo.pixels, result)
        assert opened(encoded).info['dpi'] == pytest.approx((300, 150), abs=0.1)


def test_no_resolution_stays_none():
    for kind in ('JPEG', 'PNG', 'TIFF', 'WEBP', 'GIF'):
        assert photos.read(save(RGB, kind)).dpi is None
    assert 'dpi' not in opened(photos.encode(PLAIN, PLAIN.pixels, 'PNG')).info


# What is written


def test_jpeg_keeps_the_chroma_at_full_resolution():
    image = opened(photos.encode(PLAIN, NOISE[..., :3], 'JPEG', quality=95))
    assert [(c[1], c[2]) for c in image.layer] == [(1, 1)] * 3
    assert np.abs(np.asarray(image).astype(int) - NOISE[..., :3]).mean() < 5


def test_what_cannot_be_written():
    with pytest.raises(photos.PhotoError, match=r'^GIF: pictures are written as JPEG, PNG, TIFF, WEBP, BMP$'):
        photos.encode(PLAIN, PLAIN.pixels, 'GIF')
    with pytest.raises(photos.PhotoError, match='WEBP holds at most 16383 a side; PNG or TIFF hold more'):
        photos.encode(PLAIN, np.zeros((1, 16384, 3), np.uint8), 'WEBP')
    with pytest.raises(photos.PhotoError, match='cannot be written as PNG'):
        photos.encode(photos.Photo(NOISE[..., :3], NOISE[..., 3], 'PNG', None, None), NOISE[:3, :, :3], 'PNG')


def test_every_suffix_that_is_written_can_be_read():
    assert photos.WRITABLE.keys() <= photos.READABLE
    for suffix, kind in photos.WRITABLE.items():
        assert Image.registered_extensions()[suffix] == kind


# HEIC


def test_heic():
    heif = pytest.importorskip('pillow_heif')
    tags = Image.Exif()
    tags[0x10F], tags[0x112] = 'A telephone', 6
    file = io.BytesIO()
    image = Image.fromarray(np.tile(np.array([[[200, 30, 60]], [[30, 60, 200]]], np.uint8).repeat(32, 0), (1, 64, 1)))
    heif.from_pillow(image).save(file, quality=95, exif=tags.tobytes())
    photo = photos.read(file.getvalue())
    assert photo.format == 'HEIF'
    turned = np.rot90(np.asarray(image), -1) if photo.pixels.shape[1] == 64 else np.asarray(image)
    assert np.abs(photo.pixels.astype(int) - turned).mean() < 6
    assert b'A telephone' in photo.exif


def test_heic_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    with pytest.raises(photos.PhotoError, match=r'^HEIC pictures take one more package: pip install pillow-heif$'):
        photos.read(b'\0\0\0\x18ftypheic' + bytes(30))


# Limits and hostile files


def test_limits(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(save(RGB))
    size = path.stat().st_size
    assert photos.read(path, photos.Limits(bytes=size, pixels=144)).pixels.shape == (9, 16, 3)
    with pytest.raises(photos.PhotoError, match=f'a.png: {size} bytes are more than the limit of {size - 1}$'):
        photos.read(path, photos.Limits(bytes=size - 1))
    with pytest.raises(photos.PhotoError, match=r'a.png: 16 x 9 pixels are more than the limit of 143$'):
        photos.read(str(path), photos.Limits(pixels=143))
    for kind in ('JPEG', 'TIFF', 'WEBP', 'BMP', 'GIF'):
        with pytest.raises(photos.PhotoError, match=r'^16 x 9 pixels'):
            photos.read(save(RGB, kind), photos.Limits(pixels=143))
        assert photos.read(save(RGB, kind), photos.Limits(pixels=144)).format == kind


@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
def test_more_pixels_than_pillow_allows(kind, monkeypatch):
    """Without a warning, and without moving Pillow's own limit, which protects others."""
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50)
    np.testing.assert_array_equal(photos.read(save(RGB, kind)).pixels, NOISE[..., :3])
    assert Image.MAX_IMAGE_PIXELS == 50


def test_what_is_not_a_file(tmp_path):
    with pytest.raises(UserError, match=f'^{tmp_path}/none.jpg: No such file or directory$'):
        photos.read(tmp_path / 'none.jpg')
    with pytest.raises(UserError, match=f'^{tmp_path}: not a file$'):
        photos.read(tmp_path)
    with pytest.raises(UserError, match=r'^/dev/zero: not a file$'):
        photos.read('/dev/zero')
    with pytest.raises(UserError, match=r'null (byte|character)'):
        photos.read('a\0b.png')
    with pytest.raises(UserError, match=r'^the file is empty$'):
        photos.read(b'')
    formats = 'JPEG, PNG, TIFF, WebP, BMP, GIF, HEIC, AVIF, JPEG 2000, JPEG XL, PPM or TGA'
    with pytest.raises(UserError, match=f'^not a {formats} picture$'):
        photos.read(b'a shopping list')
    with pytest.raises(UserError, match=r'^damaged: image file is truncated'):
        photos.read(save(RGB, 'JPEG')[:-100])


def test_many_pieces(monkeypatch):
    comments = save(RGB, 'JPEG')
    comments = comments[:2] + b'\xff\xfe\0\2' * 2000 + comments[2:]
    assert photos.read(comments).pixels.shape == (9, 16, 3)
    monkeypatch.setattr(formats.CountedFile, 'left', 1000)
    with pytest.raises(photos.PhotoError, match='more pieces'):
        photos.read(comments)


def test_a_webp_of_more_than_pillow_decodes():
    with pytest.raises(photos.PhotoError, match=r'^more pixels than Pillow decodes of this format$'):
        photos.read(hostile._webp(15500, 16000))


def test_many_scans():
    image = save(RGB, 'JPEG', progressive=True)
    assert photos.read(image).pixels.shape == (9, 16, 3)
    last = image.rindex(b'\xff\xda')
    with pytest.raises(photos.PhotoError, match=r'^a progressive JPEG of [0-9]+ scans$'):
        photos.read(image[:-2] + image[last:-2] * 100 + image[-2:])


def test_a_tag_of_many_numbers():
    """Each of which would become a Python object."""
    offsets = struct.pack('<HHLL', 273, 4, (1 << 20) + 1, 8)
    with pytest.raises(photos.PhotoError, match='TIFF tag 273 claims 1,048,577 numbers'):
        photos.read(b'II*\0\x08\0\0\0\x01\0' + offsets + bytes(5 << 20))


@pytest.fixture(scope='module')
def hostile_files(tmp_path_factory):
    return hostile.hostile_files(tmp_path_factory.mktemp('hostile'))


def outcome(path):
    try:
        photo = photos.read(path)
    except photos.PhotoError as error:
        return str(error)
    assert photo.pixels.dtype in (np.uint8, np.uint16)
    assert photo.pixels.shape[2] in (1, 3)
    for kind in ('JPEG', 'TIFF'):  # what was read can be written; these two look into the EXIF
        if max(photo.pixels.shape) < 5000:
            shape = (*photo.pixels.shape[:2], 3)
            encoded = photos.encode(photo, np.ascontiguousarray(np.broadcast_to(photo.pixels, shape)), kind)
            assert opened(encoded).size == shape[1::-1]
    return None


def test_the_hostile_files_are_many_small_and_always_the_same(hostile_files, tmp_path):
    assert len(hostile_files) >= 300
    assert len(set(hostile_files)) == len(hostile_files)
    assert sum(path.stat().st_size for path in hostile_files) < 20e6
    again = hostile.hostile_files(tmp_path)
    assert [p.name for p in again] == [p.name for p in hostile_files]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(again, hostile_files, strict=True))
    other = hostile.hostile_files(tmp_path / 'other', seed=1)
    assert sum(a.read_bytes() != b.read_bytes() for a, b in zip(hostile_files, other, strict=False)) > 50


def test_hostile_files_give_a_picture_or_one_line(hostile_files):
    """Many at once, as a server does; by content as well."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(outcome, hostile_files))
    reasons = [reason for reason in outcomes if reason is not None]
    assert len(hostile_files) / 4 < len(reasons) < len(hostile_files) * 3 / 4
    for path, reason in zip(hostile_files, outcomes, strict=True):
        if reason is not None:
            assert reason.isprintable()
            assert len(reason) < 200 + len(str(path)) + 20
            with pytest.raises(photos.PhotoError):
                photos.read(path.read_bytes())


def test_mutated_files_give_a_picture_or_one_line():
    """Each kind of mutation of each kind of picture; `tests/mutations.py` takes as many as one likes."""
    for suffix, content in mutations.seeds():
        assert outcome(content) is None or suffix == '.tif', suffix  # of which floating point has no white
    count = 5 * len(list(mutations.seeds()))
    reasons = [reason for _, content in mutations.mutated(count) if (reason := outcome(content)) is not None]
    assert count / 5 < len(reasons) < count * 4 / 5
    assert all(reason.isprintable() and len(reason) < 220 for reason in reasons)


def test_hostile_files_cause_no_warning(hostile_files):
    """In a process of its own: here every warning is an error, so that none would be seen."""
    program = """if True:
        import pathlib, sys
        from jaxcolor.errors import UserError
        from jaxcolor.imaging import photos
        for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
            try:
                photos.read(path)
            except UserError:
                pass
    """
    folder = str(hostile_files[0].parent)
    command = [sys.executable, '-W', 'default', '-c', program, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert 'Warning' not in done.stderr
    assert 'Traceback' not in done.stderr
