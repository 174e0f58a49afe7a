"""The `Colorizer` as its users see it: what goes in, what comes out, and what does not change on the way."""

import dataclasses
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import color

from jaxcolor import Colorizer
from jaxcolor.errors import UserError
from jaxcolor.evaluation.evaluate import colorize
from jaxcolor.imaging import photos
from jaxcolor.inference import rendering


@pytest.fixture(scope='module')
def colorizer(make_run):
    return Colorizer.restore(make_run())


@pytest.fixture(scope='module')
def palette(make_run):
    centers = tuple((float(a), float(b)) for a in (-40, 0, 50) for b in (-50, 0, 40))
    fields = {'size': 9, 'basis': 'lab', 'centers': centers, 'frequencies': (1 / 9,) * 9}
    small = {'depth': 2, 'dropout_layers': 0}
    return Colorizer.restore(make_run(space='palette', space_fields=fields, generator_fields=small, image_size=16))


def picture(*shape, seed=0, dtype=np.uint8):
    """Something smooth with edges, as photographs are."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((8, 8, shape[2] if len(shape) == 3 else 1))
    levels = np.stack(
        [np.asarray(Image.fromarray(c.astype(np.float32)).resize(shape[1::-1])) for c in coarse.T], axis=-1
    )
    levels = 0.2 + 0.6 * levels.clip(0, 1).reshape(shape)  # where sRGB shows most colours
    return (levels * np.iinfo(dtype).max).astype(dtype) if dtype != np.float32 else levels.astype(dtype)


def lightness(image):
    image = np.asarray(image)
    whole = np.iinfo(image.dtype).max if image.dtype != np.float32 else 1
    image = image[..., :3] if image.ndim == 3 else image[..., None]
    return color.rgb2lab(np.broadcast_to(image, (*image.shape[:2], 3)) / whole)[..., 0]


@pytest.mark.parametrize('shape', [(40, 50), (40, 50, 1), (130, 30, 3), (30, 130, 4), (1, 1), (3, 700, 3), (260, 1)])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_arrays_come_back_as_they_were(colorizer, shape, dtype):
    image = picture(*shape, dtype=dtype)
    result = colorizer(image)
    channels = 4 if shape[2:] == (4,) else 3
    assert (result.shape, result.dtype) == ((*shape[:2], channels), dtype)
    assert np.abs(lightness(result) - lightness(image)).max() < (0.25 if dtype == np.uint8 else 0.01)
    if channels == 4:
        np.testing.assert_array_equal(result[..., 3], image[..., 3])
    if min(shape[:2]) > 20:
        assert np.abs(color.rgb2lab(result[..., :3])[..., 1:]).mean() > 0.5  # not grey


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'RGB', 'CMYK', 'YCbCr', 'LAB', 'HSV', 'I;16', 'I'])
def test_pillow_pictures_come_back_in_rgb(colorizer, mode):
    deep = mode.startswith('I')
    pixels = picture(40, 30, dtype=np.uint16 if deep else np.uint8)
    image = Image.fromarray(pixels).convert(mode) if deep else Image.fromarray(pixels).convert('RGB').convert(mode)
    result = colorizer(image)
    assert (result.mode, result.size) == ('RGB', (30, 40))
    expected = lightness(pixels if deep else image.convert('RGB'))
    np.testing.assert_allclose(lightness(result), expected, atol=0.25)


def test_a_file_is_read_as_the_command_line_reads_it(colorizer, tmp_path):
    """Upright, by its profile, and so is what Pillow has opened; the path is enough."""
    path = tmp_path / 'lying.tif'
    exif = Image.Exif()
    exif[0x0112] = 6
    lab = ImageCms.createProfile('LAB')
    to_lab = ImageCms.buildTransform(ImageCms.createProfile('sRGB'), lab, 'RGB', 'LAB')
    pixels = np.stack([picture(40, 30, seed=seed) for seed in range(3)], axis=-1)
    ImageCms.applyTransform(Image.fromarray(pixels), to_lab).save(path, exif=exif)
    expected = photos.read(path).pixels
    assert expected.shape == (30, 40, 3)
    for result in (colorizer(path), colorizer(str(path)), colorizer(Image.open(path)), *colorizer([path])):
        assert (result.mode, result.size) == ('RGB', (40, 30))
        np.testing.assert_allclose(lightness(result), lightness(expected), atol=0.25)


def test_deep_grey_with_clear_places(colorizer):
    image = Image.fromarray(picture(40, 30, dtype=np.uint16))
    image.info['transparency'] = int(image.getpixel((3, 2)))
    result = colorizer(image)
    assert result.mode == 'RGBA'
    clear = np.asarray(image) == image.info['transparency']
    np.testing.assert_array_equal(np.asarray(result)[..., 3], np.where(clear, 0, 255))


@pytest.mark.parametrize('mode', ['LA', 'RGBA', 'PA'])
def test_pillow_pictures_keep_their_alpha(colorizer, mode):
    image = Image.fromarray(picture(40, 30)).convert('LA' if mode == 'LA' else 'RGBA')
    alpha = Image.fromarray(picture(40, 30, seed=1))
    image.putalpha(alpha)
    result = colorizer(image if mode != 'PA' else image.convert('PA'))
    assert result.mode == 'RGBA'
    if mode != 'PA':
        np.testing.assert_array_equal(np.asarray(result)[..., 3], np.asarray(alpha))


def test_a_list_of_any_sizes_is_colored_as_each_alone(colorizer):
    images = [picture(*shape, seed=i) for i, shape in enumerate([(40, 50), (300, 200), (50, 40), (32, 32), (40, 50)])]
    together = colorizer(images)
    assert [r.shape[:2] for r in together] == [i.shape for i in images]
    for image, result in zip(images, together, strict=True):
        np.testing.assert_allclose(result.astype(int), colorizer(image).astype(int), atol=1)
    stacked = colorizer(np.stack([images[0], images[4]])[..., None])
    np.testing.assert_array_equal(stacked, np.stack([together[0], together[4]]))
    assert colorizer([]) == []


def test_at_the_networks_size_it_is_what_evaluation_shows(colorizer):
    image = picture(32, 32, 3)
    rng = jax.random.fold_in(jax.random.key(0), 0) if colorizer.config.sampling == 'dropout' else None
    _, generated, _ = jax.jit(colorize, static_argnums=(0, 1))(
        colorizer.space, colorizer.generator, colorizer.variables, jnp.asarray(image[None]), rng
    )
    expected = color.rgb2lab(np.asarray(generated[0], float))
    found = color.rgb2lab(colorizer(image.astype(np.float32) / 255))
    inside = np.abs(expected[..., 0] - lightness(image)) < 0.01  # evaluation clips what is out of the gamut
    assert inside.mean() > 0.8
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.3)  # the gamut is found to 0.4 % of the chroma


def test_stretches_meet_without_a_seam(colorizer):
    image = picture(1100, 300)
    whole = colorizer(image)
    below = np.abs(np.diff(color.rgb2lab(whole)[..., 1:], axis=0))
    for seam in (2**18 // 300, 2**18 // 300 - 1):
        assert below[seam].max() <= below[seam - 60 : seam + 60].max(axis=(1, 2)).mean() * 2
    assert np.abs(lightness(whole) - lightness(image)).max() < 0.25


def test_samples_differ_and_repeat(make_run):
    colorizer = Colorizer.restore(make_run(sampling='dropout'))
    image, other = picture(32, 40), picture(40, 32, seed=1)
    first, second = colorizer(image, samples=2, seed=5)
    assert (first != second).mean() > 0.1
    again = colorizer([other, image, image], samples=2, seed=5)
    assert [len(draws) for draws in again] == [2, 2, 2]
    for draw, expected in zip(again[2], (first, second), strict=True):
        np.testing.assert_allclose(draw.astype(int), expected, atol=1)
    np.testing.assert_array_equal(colorizer(image, seed=5), first)
    assert (colorizer(image, seed=6) != first).mean() > 0.1


def test_flip_average_does_not_know_left_from_right(colorizer):
    image = picture(64, 64)
    straight, mirrored = colorizer(image, flip_average=True), colorizer(image[:, ::-1], flip_average=True)
    np.testing.assert_allclose(straight.astype(int), mirrored[:, ::-1], atol=1)
    assert np.abs(colorizer(image).astype(int) - colorizer(image[:, ::-1])[:, ::-1]).max() > 2


def test_saturation(colorizer):
    image = picture(40, 40, dtype=np.float32)
    chroma = {s: color.rgb2lab(colorizer(image, saturation=s))[..., 1:] for s in (0.0, 0.25, 0.5)}
    np.testing.assert_allclose(chroma[0.0], 0, atol=0.05)
    np.testing.assert_allclose(chroma[0.5], 2 * chroma[0.25], atol=0.1)


def test_temperature_mixes_the_palette(palette):
    assert palette.has_palette
    image = picture(16, 16, dtype=np.float32)
    likeliest, mixed = palette(image, temperature=0.0), palette(image, temperature=5.0)
    space = dataclasses.replace(palette.space, temperature=5.0)
    _, expected, _ = jax.jit(colorize, static_argnums=(0, 1))(
        space,
        palette.generator,
        palette.variables,
        jnp.asarray((image[None, ..., None] * 255).round().astype(np.uint8).repeat(3, -1)),
    )
    np.testing.assert_allclose(
        color.rgb2lab(mixed)[..., 1:], color.rgb2lab(np.asarray(expected[0], float))[..., 1:], atol=0.5
    )
    assert np.abs(likeliest - mixed).max() > 0.02
    np.testing.assert_array_equal(palette(image), likeliest)


def test_few_shapes_for_many_sizes(colorizer):
    sizes = [(height, width) for height in range(1, 3000, 53) for width in range(1, 3000, 53)]
    plans = [colorizer.shapes.plan(*size) for size in sizes]
    # The shorter side is the network's; the longer one grows by halves of it to 2:1, then by wholes to 4:1.
    sides = (32, 48, 64, 96, 128)
    assert {plan.shape for plan in plans} == {(32, s) for s in sides} | {(s, 32) for s in sides}
    assert sorted(colorizer.shapes.all()) == sorted({plan.shape for plan in plans})
    for (height, width), plan in zip(sizes, plans, strict=True):
        if max(height, width) < 4 * min(height, width):
            assert plan.content[0] / plan.content[1] == pytest.approx(height / width, rel=0.05)


def test_few_programs_for_many_pictures(make_run):
    """Whatever the sizes of what comes, no more is compiled than a bound that is known before."""
    colorizer = Colorizer.restore(make_run())
    rng = np.random.default_rng(0)
    for height, width in rng.integers(1, 400, (60, 2)):
        colorizer(np.zeros((height, width), np.uint8), flip_average=bool(height % 2))
    assert len(list(colorizer.programs)) <= len(rendering.SIZES) + 2 * len(colorizer.shapes.all())
    before = len(list(colorizer.programs))
    colorizer(np.zeros((1, 300_000), np.uint8), saturation=0.5, flip_average=True)
    assert len(list(colorizer.programs)) <= before + 1


@pytest.mark.parametrize('size', [(2, 150_000), (150_000, 2), (1, 1), (547, 613)])
def test_no_picture_costs_much_more_than_its_pixels(size):
    count = size[0] * size[1]
    parts = list(rendering.stretches(count))
    assert [part.start for part, _ in parts[1:]] == [part.stop for part, _ in parts[:-1]]
    assert parts[0][0].start == 0
    assert parts[-1][0].stop == count
    assert all(0 < part.stop - part.start <= size for part, size in parts)
    assert sum(size for _, size in parts) <= count * 8 / 7 + rendering.SIZES[0]


def test_a_picture_may_be_as_narrow_as_it_likes(colorizer):
    """As a strip of a wide one: no pixel knows how many there are beside it."""
    row = picture(1, 9000)
    for strip in (row, row.T):
        result = colorizer(strip)
        assert np.abs(lightness(result) - lightness(strip)).max() < 0.25
    np.testing.assert_allclose(colorizer(row).astype(int)[0], colorizer(np.repeat(row, 2, axis=0))[0], atol=12)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((4, 4), np.int32), 'use uint8, uint16, or floats'),
        (np.zeros((4, 4, 2), np.uint8), r'shape \(4, 4, 2\) is no picture'),
        (np.zeros((0, 4), np.uint8), '4 x 0 pixels'),
        (np.full((4, 4), 2.0), 'floats from 2 to 2 is no picture'),
        (np.full((4, 4), np.nan), 'floats from nan'),
        (Image.new('F', (4, 4)), 'floating-point pixels have no agreed white'),
        (Image.fromarray(np.full((4, 4), 70000, np.int32)), 'pixels below 0 or above 65,535 have no agreed white'),
        (Image.new('L', (0, 4)), '0 x 4 pixels'),
        ('photo.jpg', '^photo.jpg: No such file'),
        (Path(__file__), r'test_colorizer.py: .*not a JPEG'),
        (None, 'no picture'),
    ],
)
def test_what_is_no_picture_is_refused(colorizer, image, message):
    with pytest.raises(UserError, match=message):
        colorizer(image)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'saturation': -1.0}, 'saturation=-1'),
        ({'saturation': float('nan')}, 'saturation=nan'),
        ({'temperature': 0.5}, "the space is 'lab'"),
        ({'vividness': 0.5}, "vividness=0.5: only palettes have one, the space is 'lab'"),
        ({'samples': 0}, 'samples=0'),
        ({'seed': -1}, 'seed=-1'),
    ],
)
def test_wrong_options_are_refused(colorizer, options, message):
    with pytest.raises(UserError, match=message):
        colorizer(picture(8, 8), **options)


def test_a_model_without_dropout_has_no_samples(palette):
    with pytest.raises(UserError, match='no dropout'):
        palette(picture(8, 8), samples=2)
    with pytest.raises(UserError, match='temperature=-1'):
        palette(picture(8, 8), temperature=-1.0)


@pytest.mark.parametrize('name', ['dcgan', 'valid'])
def test_every_generator_takes_any_size(make_run, name):
    colorizer = Colorizer.restore(make_run(name), render_size=30)
    image = picture(70, 45)
    assert np.abs(lightness(colorizer(image)) - lightness(image)).max() < 0.25


def test_render_size(make_run):
    workdir = make_run()
    assert Colorizer.restore(workdir).render_size == 32
    assert Colorizer.restore(workdir, render_size=50).render_size == 56  # halved three times
    for size in (0, 5000):
        with pytest.raises(UserError, match=f'render_size={size} is out of range'):
            Colorizer.restore(workdir, render_size=size)


def test_describe_is_json(colorizer):
    import json

    assert json.loads(json.dumps(colorizer.describe()))['render_size'] == 32


def test_a_photograph_with_unusual_numbers_warns_nobody(colorizer):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for level in (0, 255):
            result = colorizer(np.full((33, 47), level, np.uint8), saturation=4.0)
            assert (result == level).all()  # black and white have no colour
