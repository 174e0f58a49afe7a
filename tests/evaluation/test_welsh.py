"""Welsh et al. 2002 against the definition, pixel by pixel, and pictures whose answer is known."""

import numpy as np
import pytest
import skimage.color
import skimage.data

from jaxcolor.evaluation import welsh


def lab(rng, height, width):
    """A picture of noise, in L*a*b*."""
    return rng.uniform((20, -40, -40), (80, 40, 40), (height, width, 3))


def test_each_pixel_has_the_chroma_of_the_sample_most_like_it():
    """By loops over pixels and samples, after the paper's words."""
    rng = np.random.default_rng(0)
    reference, lightness = lab(rng, 11, 14), rng.uniform(30, 60, (9, 8))
    found = welsh.colorize(lightness, reference, np.random.default_rng(1), samples=20)

    remapped = (reference[..., 0] - reference[..., 0].mean()) / reference[..., 0].std()
    remapped = remapped * lightness.std() + lightness.mean()

    def features(values, row, column):
        padded = np.pad(values, 2, mode='symmetric')
        return values[row, column], padded[row : row + 5, column : column + 5].std()

    places = list(zip(*welsh.jittered_grid(11, 14, 20, np.random.default_rng(1)), strict=True))
    samples = [(features(remapped, *place), reference[place][1:]) for place in places]
    for row, column in np.ndindex(9, 8):
        value, spread = features(lightness, row, column)
        _, expected = min(
            ((sample[0] - value) ** 2 + (sample[1] - spread) ** 2, tuple(chroma)) for sample, chroma in samples
        )
        np.testing.assert_array_equal(found[row, column], expected)


def test_from_the_picture_itself_comes_nearly_its_own_colour():
    """A photograph, all of whose pixels are samples, has at each place a colour of equal lightness and texture."""
    photograph = skimage.color.rgb2lab(skimage.data.astronaut()[::8, ::8])
    lightness, chroma = photograph[..., 0], photograph[..., 1:]

    def error(samples):
        found = welsh.colorize(lightness, photograph, np.random.default_rng(0), samples)
        return np.abs(found - chroma).mean()

    grey = np.abs(chroma).mean()
    every, few, one = error(lightness.size), error(200), error(1)
    assert every < few < one
    assert every < 0.5 * grey
    assert few < 0.8 * grey


def test_texture_tells_apart_what_is_equally_light():
    """Left even and blue, right rough and green; the picture has them the other way round, and other contrast."""
    rough = np.where(np.indices((24, 24)).sum(axis=0) % 2, 45.0, 55.0)
    rough[:, :12] = 50
    reference = np.stack(
        [rough, np.where(np.arange(24) < 12, 0, -40) + 0 * rough, np.where(np.arange(24) < 12, -40, 40) + 0 * rough], -1
    )
    found = welsh.colorize(3 * rough[:, ::-1] - 80, reference, np.random.default_rng(0))
    np.testing.assert_array_equal(found[2:-2, 14:-2], np.broadcast_to((0, -40), (20, 8, 2)))
    np.testing.assert_array_equal(found[2:-2, 2:10], np.broadcast_to((-40, 40), (20, 8, 2)))


def test_one_sample_of_each_cell():
    rows, columns = welsh.jittered_grid(140, 70, 200, np.random.default_rng(0))  # 20 x 10 cells of 7 pixels
    assert len(set(zip(rows // 7, columns // 7, strict=True))) == len(rows) == 200
    assert (len({*rows % 7}), len({*columns % 7})) == (7, 7)


@pytest.mark.parametrize('shape', [(128, 100), (3, 400), (1, 1), (2, 3)])
def test_samples_are_pixels_of_pictures_of_any_shape(shape):
    rows, columns = welsh.jittered_grid(*shape, 200, np.random.default_rng(0))
    picture = np.zeros(shape)
    picture[rows, columns] = 1  # or an IndexError
    assert min(rows.min(), columns.min()) >= 0
    assert picture.sum() >= min(150, 0.5 * picture.size)


def test_remapping_keeps_an_even_picture_even():
    like = np.random.default_rng(0).uniform(10, 90, (5, 6))
    remapped = welsh.remap(np.random.default_rng(1).uniform(0, 1, (7, 7)), like)
    assert (remapped.mean(), remapped.std()) == pytest.approx((like.mean(), like.std()))
    np.testing.assert_allclose(welsh.remap(np.full((7, 7), 0.3), like), like.mean())
    even = np.stack([np.full((6, 6), 50.0), np.full((6, 6), 7.0), np.full((6, 6), -9.0)], -1)
    np.testing.assert_array_equal(welsh.colorize(like, even, np.random.default_rng(0))[..., 0], np.full((5, 6), 7.0))
