"""Colour hints: what is one, where it lies on the network's grid, and that nothing changes where there is none."""

import json

import jax
import numpy as np
import pytest
from helpers.hinted import obedient
from skimage import color

from jaxcolor.color.hints import SCALE
from jaxcolor.errors import UserError
from jaxcolor.inference import hints, network
from jaxcolor.inference.hints import Hint
from jaxcolor.inference.network import Plan
from jaxcolor.inference.options import Options
from jaxcolor.inference.programs import NetworkProgram


@pytest.fixture(scope='module')
def colorizer():
    return obedient(64)


def chroma(text):
    rgb = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return color.rgb2lab(np.array(rgb)[None, None])[0, 0, 1:]


def test_parse():
    assert hints.parse([[1, 2.5, '#AAbb01'], (np.float32(3), np.int64(4), '#000000')]) == (
        Hint(1.0, 2.5, '#aabb01'),
        Hint(3.0, 4.0, '#000000'),
    )
    assert hints.parse([]) == ()


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (None, 'hints=None is no list of points; use '),
        ('[1, 2]', 'is no list of points'),
        ({'x': 1}, 'is no list of points'),
        ([[1, 2]], r'hints\[0\]=\[1, 2\] is no point; use'),
        ([[1, 2, '#000000'], 7], r'hints\[1\]=7 is no point; use'),
        ([['1', 2, '#000000']], 'has no place'),
        ([[True, 2, '#000000']], 'has no place'),
        ([[float('nan'), 2, '#000000']], 'has no place'),
        ([[10**400, 2, '#000000']], 'has no place'),
        ([[1, 2, 'red']], 'has no colour; use .* two hexadecimal digits'),
        ([[1, 2, '#12345']], 'has no colour'),
        ([[1, 2, '#1234567']], 'has no colour'),
        ([[1, 2, '#१23456']], 'has no colour'),
        ([[1, 2, 255]], 'has no colour'),
        ([[1, 2, '#000000']] * 10_000, 'hints=10,000 points are too many; use 1,000 or fewer'),
        ([[[[[[[[1]]]]]]] * 500, 2, '#000000'], 'is no point'),
    ],
)
def test_what_is_no_hint_is_one_line(value, message):
    with pytest.raises(UserError, match=message) as error:
        hints.parse(value)
    assert len(str(error.value)) < 400
    assert '\n' not in str(error.value)


def test_a_file_of_hints(tmp_path):
    path = tmp_path / 'hints.json'
    path.write_text(json.dumps({'a.jpg': [[1, 2, '#102030']], 'b.jpg': []}))
    assert hints.read(path) == {'a.jpg': (Hint(1, 2, '#102030'),), 'b.jpg': ()}
    for text, message in [
        ('{', 'hints.json is no JSON'),
        ('[' * 100_000, 'hints.json is no JSON'),
        ('[[1, 2, "#102030"]]', 'holds no pictures by their names'),
        ('{"a.jpg": [[1, 2]]}', r'hints.json, a.jpg: hints\[0\]=\[1, 2\] is no point'),
    ]:
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            hints.read(path)
    with pytest.raises(UserError, match='No such file'):
        hints.read(tmp_path / 'none.json')


def test_the_place_of_a_hint_on_the_grid():
    """By hand: a picture of 100 x 200 pixels becomes 16 x 32 without padding; a patch is 25 pixels wide."""
    copy = network.small_copy(np.zeros((100, 200, 1), np.uint8), Plan((16, 32), (16, 32), True))
    grid = hints.draw([Hint(0, 0, '#8a5a3c'), Hint(199.9, 99, '#2040c0'), Hint(26, 70, '#00ff00')], 100, 200, copy)
    assert grid.shape == (4, 8, 3)
    assert np.argwhere(grid[..., 2]).tolist() == [[0, 0], [2, 1], [3, 7]]
    for place, text in (((0, 0), '#8a5a3c'), ((3, 7), '#2040c0'), ((2, 1), '#00ff00')):
        np.testing.assert_allclose(grid[place][:2] * SCALE, chroma(text), atol=0.02)
    assert not hints.draw([], 100, 200, copy).any()


def test_what_is_mirrored_beyond_the_end_has_its_hints_mirrored():
    """As the pixels are: a picture whose left half is red has hints where the small copy is red, and nowhere else."""
    plan = Plan((16, 20), (16, 32), True)
    pixels = np.zeros((160, 200, 3), np.uint8)
    pixels[:, 100:180, 0] = 255
    copy = network.small_copy(pixels, plan)
    for x in range(5, 200, 10):
        grid = hints.draw([Hint(x, 80, '#ff0000')], 160, 200, copy)
        cells = {(row, column) for row, column in np.argwhere(grid[..., 2])}
        row, column = hints.locate(Hint(x, 80, '#ff0000'), 160, 200, plan)
        assert column == x // 10
        assert cells == {(2, column // 4), *({(2, (39 - column) // 4)} if column >= 8 else ())}
        assert copy.pixels[row, column, 0] == copy.pixels[row, min(39 - column, 31), 0] or column < 8


def test_of_two_in_a_patch_the_last_counts():
    copy = network.small_copy(np.zeros((160, 160, 1), np.uint8), Plan((16, 16), (16, 16), True))
    grid = hints.draw([Hint(1, 1, '#ff0000'), Hint(2, 2, '#0000ff')], 160, 160, copy)
    np.testing.assert_allclose(grid[0, 0, :2] * SCALE, chroma('#0000ff'), atol=0.02)


def test_without_hints_the_program_is_the_one_without_their_inputs(colorizer):
    """Bit-equal: the same module, without an input or an output that hints have."""
    image = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)
    fresh = obedient()
    plain = fresh(image)
    assert {p.hints for p in fresh.programs if isinstance(p, NetworkProgram)} == {False}
    fresh(image, hints=[(3, 3, '#ff0000')])
    for nothing in (None, [], ()):
        np.testing.assert_array_equal(fresh(image, hints=nothing), plain)
    both = fresh([image, image], hints=[[], [(3, 3, '#ff0000')]])
    np.testing.assert_array_equal(both[0], plain)
    assert (both[1] != plain).any()
    (copy,) = fresh.small_copies(image[..., None], Options())
    flags = np.zeros(1, bool)
    numbers = (np.float32(1), np.float32(0))
    options = {'generator': fresh.generator, 'space': fresh.space, 'rows': 4 * 16**2}
    lowered = network.predict.lower(fresh.variables, copy.pixels[None], flags, flags, None, *numbers, None, **options)
    assert len(jax.tree.leaves(lowered.in_avals)) == len(jax.tree.leaves(fresh.variables)) + 5


def far(result, plain):
    """How far each pixel's colour is from that without hints."""
    return np.linalg.norm(color.rgb2lab(result)[..., 1:] - color.rgb2lab(plain)[..., 1:], axis=-1)


@pytest.mark.parametrize('options', [{}, {'saturation': 0.5}, {'warmth': 1.0}, {'saturation': 1.4, 'warmth': -0.7}])
@pytest.mark.parametrize('shape', [(64, 64), (190, 130), (130, 261)])
def test_a_hint_is_what_is_seen_at_its_place(colorizer, shape, options):
    """Through the plan, padding, saturation and warmth; and hardly anything changes far from it."""
    image = np.full(shape, 0.5, np.float32)
    x, y, wanted = int(0.85 * shape[1]), int(0.2 * shape[0]), '#9a6a5c'
    patch = 4 * min(shape) / 64  # the guided filter blurs over 9 pixels of the small copy: so those around it as well
    around = [(x + patch * dx, y + patch * dy, wanted) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    result, plain = colorizer(image, hints=around, **options), colorizer(image, **options)
    assert colorizer.shapes.plan(*shape).filtered == (shape != (64, 64))
    np.testing.assert_allclose(color.rgb2lab(result)[y, x, 1:], chroma(wanted), atol=1)
    changed = far(result, plain)
    assert changed[y, x] > 5
    assert changed[-1, 0] < 0.5


def test_the_mirror_image_has_the_hints_mirrored(colorizer):
    image = np.full((64, 64), 0.5, np.float32)
    given, mirrored = [(8, 20, '#9a6a5c')], [(55, 20, '#9a6a5c')]
    result = colorizer(image, hints=given, flip_average=True)
    np.testing.assert_allclose(result, colorizer(image, hints=mirrored, flip_average=True)[:, ::-1], atol=1e-5)
    np.testing.assert_allclose(color.rgb2lab(result)[20, 8, 1:], chroma('#9a6a5c'), atol=1)


def test_hints_go_with_samples():
    colorizer = obedient(64, noise=0.1)
    image = np.full((64, 64), 0.5, np.float32)
    draws = colorizer(image, samples=2, hints=[(8, 20, '#9a6a5c')])
    assert (draws[0] != draws[1]).any()
    np.testing.assert_allclose(color.rgb2lab(draws[0])[20, 8, 1:], chroma('#9a6a5c'), atol=1)


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (
            [(16, 0, '#000000')],
            r'hints\[0\]=.* is outside the picture of 16 x 12 pixels; use x from 0 to 15',
        ),
        ([(0, 0, '#000000'), (0, -0.1, '#000000')], r'hints\[1\].* y from 0 to 11'),
        ([(0, 0, '#000000')] * 1001, 'hints=1,001 points are too many'),
    ],
)
def test_hints_that_a_picture_can_not_have(colorizer, given, message):
    with pytest.raises(UserError, match=message):
        colorizer(np.zeros((12, 16), np.uint8), hints=given)
    with pytest.raises(UserError, match='no list for each of 2 pictures'):
        colorizer([np.zeros((12, 16), np.uint8)] * 2, hints=[[]])


def test_a_model_without_hints_says_so():
    colorizer = obedient(hints=False)
    assert not colorizer.takes_hints
    with pytest.raises(UserError, match=r'generator\.name=.* takes none; leave them out'):
        colorizer(np.zeros((12, 16), np.uint8), hints=[(0, 0, '#000000')])
    with pytest.raises(UserError, match='likely_colors: only palettes'):
        colorizer.likely_colors(np.zeros((12, 16), np.uint8), 0, 0)
