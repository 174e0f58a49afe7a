import pathlib

import numpy as np
import pytest
from etils import epath
from PIL import Image

from jaxcolor.evaluation import figures

BLUE, GREY = (0x00, 0x72, 0xB2), (0x77, 0x77, 0x77)


def pictures(size: int, count: int = 3) -> list[np.ndarray]:
    """Three sets of `count` pictures of noise, uint8."""
    return list(np.random.default_rng(0).integers(0, 200, (3, count, size, size, 3), dtype=np.uint8))


def losses(steps: int) -> list[dict[str, float]]:
    names = ['generator_loss', 'reconstruction', 'adversarial']
    names += ['discriminator_loss', 'discriminator_real', 'discriminator_fake', 'images_per_second']
    values = np.random.default_rng(0).uniform(0.5, 1, (steps, len(names)))
    return [{'step': 10 * (i + 1)} | dict(zip(names, row, strict=True)) for i, row in enumerate(values)]


def evaluations(count: int) -> list[dict[str, float]]:
    baselines = {'grey_psnr': 23.0, 'grey_delta_e': 10.0}
    return [
        {'step': 100 * (i + 1), 'psnr': 22.0 + i, 'delta_e': 11.0 - i, 'mae': 0.1, **baselines} for i in range(count)
    ]


def draw(history, path: pathlib.Path) -> np.ndarray:
    figures.loss_curves(history, path)
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB'))


def count(image: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((image == np.uint8(color)).all(axis=-1).sum())


@pytest.mark.parametrize(('size', 'factor'), [(8, 16), (32, 4), (48, 3), (128, 1), (160, 1)])
def test_grid_holds_every_picture_whole(size, factor):
    grid = np.asarray(figures.sample_grid(*pictures(size)))
    side = size * factor
    left = grid.shape[1] - 3 * (side + 4)
    for i, row in enumerate(pictures(size)):
        for j, picture in enumerate(row):
            top, start = 4 + i * (side + 4), left + j * (side + 4)
            shown = grid[top : top + side, start : start + side]
            np.testing.assert_array_equal(shown, np.kron(picture, np.ones((factor, factor, 1), np.uint8)))
            assert (grid[top - 4 : top, start : start + side] == 255).all()
    assert (grid[:, left - 4 : left] == 255).all()


@pytest.mark.parametrize('size', [8, 32, 48, 128, 160])
def test_a_grid_is_read_as_it_was_drawn(size):
    drawn = dict(zip(('grey', 'generated', 'true'), pictures(size), strict=True))
    read = figures.read_sample_grid(figures.sample_grid(*drawn.values()), size)
    for name, row in drawn.items():
        np.testing.assert_array_equal(read[name], row)
    with pytest.raises(ValueError, match='are no grid of pictures of 20 px'):
        figures.read_sample_grid(figures.sample_grid(*drawn.values()), 20)


def test_grid_goes_on_below():
    rows = dict(zip('ab', np.random.default_rng(0).integers(0, 200, (2, 5, 128, 128, 3), dtype=np.uint8), strict=True))
    grid = np.asarray(figures.picture_grid(rows, columns=3))
    left, band = grid.shape[1] - 3 * 132, 2 * 132 + 4
    assert len(grid) == 2 * band
    for j in range(5):
        for i, row in enumerate(rows.values()):
            top, start = j // 3 * band + 4 + i * 132, left + j % 3 * 132
            np.testing.assert_array_equal(grid[top : top + 128, start : start + 128], row[j])


def test_grid_labels_each_row():
    grid = np.asarray(figures.sample_grid(*pictures(32)))
    for i in range(3):
        label = grid[4 + i * 132 : 132 + i * 132, : grid.shape[1] - 3 * 132 - 4]
        assert count(label, (0x33, 0x33, 0x33)) > 10


def test_grid_takes_pictures_that_are_not_square():
    grid = figures.sample_grid(*np.zeros((3, 2, 10, 20, 3), np.uint8))
    assert grid.height == 4 + 3 * (70 + 4)


def test_grid_rounds_and_clips_floats():
    as_bytes = pictures(32)
    as_floats = [row.astype(np.float32) / 255 for row in as_bytes]
    np.testing.assert_array_equal(figures.sample_grid(*as_floats), figures.sample_grid(*as_bytes))
    beyond = np.asarray(figures.sample_grid(*np.full((3, 1, 32, 32, 3), 1.5)))
    assert (beyond[:, -100:] == 255).all()


def test_curves_have_a_panel_for_what_there_is(tmp_path):
    all_four = draw(losses(100) + evaluations(3), tmp_path / 'a.png')
    two = draw(losses(100), tmp_path / 'b.png')
    alone = [{k: v for k, v in record.items() if 'discriminator' not in k} for record in losses(100)]
    one = draw(alone, tmp_path / 'c.png')
    three = draw(alone + evaluations(3), tmp_path / 'd.png')
    height, width = one.shape[:2]
    assert two.shape[:2] == (height, 2 * width)
    assert three.shape[:2] == (height, 3 * width)
    assert all_four.shape[:2] == (2 * height, 2 * width)
    for image in (all_four, two, one, three):
        for start in range(0, image.shape[1], width):
            assert count(image[:height, start : start + width], BLUE) > 100


def test_one_point_is_seen_and_so_is_its_floor(tmp_path):
    with_floor = draw(evaluations(1), tmp_path / 'a.png')
    bare = draw([{'step': 100, 'psnr': 22.0, 'delta_e': 11.0}], tmp_path / 'b.png')
    assert count(with_floor, BLUE) > 50
    assert count(with_floor, GREY) > count(bare, GREY) + 100
    assert count(draw(losses(1), tmp_path / 'c.png'), BLUE) > 50


def test_curves_of_nothing_are_still_a_picture(tmp_path):
    assert draw([], tmp_path / 'curves.png').size


def test_order_and_values_that_are_not_finite_do_not_matter(tmp_path):
    history = losses(60) + evaluations(2)
    broken = [{'step': 55, 'generator_loss': float('nan'), 'discriminator_loss': float('inf')}]
    shuffled = [*history, *broken]
    np.random.default_rng(0).shuffle(shuffled)
    np.testing.assert_array_equal(draw(shuffled, tmp_path / 'a.png'), draw(history, tmp_path / 'b.png'))


def test_losses_below_zero_are_drawn(tmp_path):
    history = [{'step': i, 'generator_loss': 1.0, 'adversarial': -30.0} for i in range(5)]
    assert count(draw(history, tmp_path / 'a.png'), BLUE) > 100


def test_smoothing_keeps_a_level_and_halves_the_noise():
    np.testing.assert_allclose(figures.smooth(np.full(100, 7.0)), 7.0)
    noise = np.random.default_rng(0).standard_normal(400)
    assert figures.smooth(noise).std() < 0.5 * noise.std()
    assert len(figures.smooth(noise)) == 400
    np.testing.assert_array_equal(figures.smooth(noise[:20]), noise[:20])


@pytest.mark.parametrize('kind', [str, pathlib.Path, epath.Path])
def test_png_replaces_the_old_one_and_leaves_nothing_else(tmp_path, kind):
    path = tmp_path / 'samples' / '10.png'
    for color in ('red', 'blue'):
        figures.write_png(Image.new('RGB', (4, 4), color), kind(path))
    figures.loss_curves(losses(2), kind(tmp_path / 'samples' / 'curves.png'))
    assert sorted(p.name for p in path.parent.iterdir()) == ['10.png', 'curves.png']
    with Image.open(path) as image:
        assert image.format == 'PNG'
        assert image.getpixel((0, 0)) == (0, 0, 255)


def test_a_failed_write_leaves_the_old_picture(tmp_path):
    path = tmp_path / 'curves.png'
    figures.loss_curves(losses(2), path)
    before = path.read_bytes()
    (tmp_path / '.curves.png.tmp').mkdir()  # so that the new one can't be written
    with pytest.raises(OSError, match=r'\.curves\.png\.tmp'):
        figures.loss_curves(losses(3), path)
    assert path.read_bytes() == before
