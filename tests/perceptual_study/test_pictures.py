"""What is shown: both forms in files that differ in nothing but colour."""

import io

import numpy as np
import pytest
import skimage.color
from PIL import Image

from jaxcolor.errors import UserError
from jaxcolor.imaging import resize
from jaxcolor.perceptual_study import pictures


@pytest.fixture(scope='module')
def prepared(colorizer, folder):
    return pictures.prepare(colorizer, folder, 64, 100, 8.0)


def pixels(content):
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode) == ('BMP', 'RGB')
        return np.asarray(image)


def test_grey_and_unreadable_ones_are_left_out(prepared):
    assert sorted(prepared.pairs) == ['0.jpg', '2.jpg', '4.jpg', 'more/1.png', 'more/3.png', 'more/5.png']
    assert prepared.grey == 1


def test_both_forms_have_one_header_one_length_and_one_lightness(prepared, folder):
    for name, pair in prepared.pairs.items():
        assert len(pair.true) == len(pair.colored)
        start = int.from_bytes(pair.true[10:14], 'little')  # where the pixels are
        assert pair.true[:start] == pair.colored[:start]
        assert len(pair.true) == start + 64 * 64 * 3
        true, colored = pixels(pair.true), pixels(pair.colored)
        with Image.open(folder / name) as image:
            np.testing.assert_array_equal(true, resize.fit(image.convert('RGB'), 64))
        lightness = [skimage.color.rgb2lab(one)[..., 0] for one in (true, colored)]
        np.testing.assert_allclose(*lightness, atol=1)
        assert np.abs(true.astype(int) - colored).max() > 20


def test_the_model_sees_lightness_alone(colorizer, folder, prepared, tmp_path):
    """From a grey copy comes the same, but for the rounding of its bytes."""
    with Image.open(folder / 'more/1.png') as image:
        square = resize.fit(image.convert('RGB'), 64)
    grey = np.rint(255 * skimage.color.lab2rgb(skimage.color.rgb2lab(square) * (1, 0, 0))).astype(np.uint8)
    expected = colorizer(grey).astype(int)
    assert np.abs(pixels(prepared.pairs['more/1.png'].colored) - expected).max() <= 4


def test_small_ones_are_not_enlarged(colorizer, folder):
    (pair,) = pictures.prepare(colorizer, folder, 384, 1, 8.0).pairs.values()
    assert pixels(pair.true).shape == (80, 80, 3)


def test_others_fill_in_for_those_that_are_left_out(colorizer, folder):
    for count in (1, 3, 6):
        assert len(pictures.prepare(colorizer, folder, 16, count, 8.0).pairs) == count


def test_folders_with_nothing_to_show(colorizer, folder, tmp_path):
    with pytest.raises(UserError, match=r'no folder; use one of colour photographs'):
        pictures.prepare(colorizer, folder / 'grey.png', 16, 9, 8.0)
    with pytest.raises(UserError, match='has no pictures; known suffixes: '):
        pictures.prepare(colorizer, tmp_path, 16, 9, 8.0)
    Image.new('L', (40, 40), 90).save(tmp_path / 'a.png')
    with pytest.raises(UserError, match=r'of 1, 1 are grey \(--min-colorfulness=8\)'):
        pictures.prepare(colorizer, tmp_path, 16, 9, 8.0)
