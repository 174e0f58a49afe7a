"""PNG and TIFF of more rows than one band, as Pillow and tifffile decode them."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxcolor.imaging import bands, photos, png


def test_bands_come_back_in_their_order():
    assert bands.each(lambda top, bottom: (top, bottom), 10, 3) == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert bands.each(lambda top, bottom: (top, bottom), 3, 3) == [(0, 3)]


@pytest.mark.parametrize('height', [1, 699, 1400])
@pytest.mark.parametrize('transparent', [False, True])
def test_png(height, transparent):
    rng = np.random.default_rng(height)
    pixels = rng.integers(0, 256, (height, 500, 4), np.uint8)
    content = png.encode(pixels[..., :3], pixels[..., 3] if transparent else None)
    with Image.open(io.BytesIO(content)) as image:
        image.load()  # which checks every CRC, and the checksum of all
        np.testing.assert_array_equal(np.asarray(image), pixels if transparent else pixels[..., :3])


def test_tiff_of_sixteen_bits():
    pixels = np.random.default_rng(0).integers(0, 65536, (900, 500, 3), np.uint16)
    content = photos.encode(photos.Photo(pixels[..., :1], None, 'TIFF', None, None), pixels, 'TIFF')
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(content)), pixels)
