"""Palettes learned from real pictures: k-means' own properties, and what a run makes of a palette."""

import json
import logging
import math
from pathlib import Path

import ml_collections
import numpy as np
import pytest
import skimage.color
from helpers.data import TFDS
from PIL import Image

from jaxcolor import config as configs
from jaxcolor.color.palette import Palette
from jaxcolor.color.spaces import build_space
from jaxcolor.data.dataset import Dataset
from jaxcolor.errors import UserError
from jaxcolor.training.palette import learn, resolve


def make_config(source: str = 'bundled', **fields) -> ml_collections.ConfigDict:
    config = configs.default()
    config.data.update(source=source, image_size=16)
    configs.choose(config, 'space', 'palette', **fields)
    config.lock()
    return config


def folder_of(path: Path, *images: np.ndarray) -> str:
    for number, image in enumerate(images):
        Image.fromarray(image).save(path / f'{number}.png')
    return f'folder:{path}'


def flat(*colors: tuple[int, int, int]) -> np.ndarray:
    """A picture 16 pixels square in stripes of equal width, uint8."""
    return np.uint8(colors).repeat(16 // len(colors), axis=0)[None].repeat(16, axis=0)


def assert_learned(palette: Palette, data: ml_collections.ConfigDict, atol: float) -> None:
    """Asserts Lloyd's fixed point over all pixels: what was learned from a sample of them holds for the whole."""
    dataset = Dataset(data)
    pixels = np.concatenate([dataset.train(int(i), 0.5, 0.5).reshape(-1, 3) for i in dataset.kept])
    convert = {'rgb': np.asarray, 'lab': skimage.color.rgb2lab, 'luv': skimage.color.rgb2luv}[palette.basis]
    points = convert(pixels).astype(np.float64)[:, 0 if palette.basis == 'rgb' else 1 :]
    centers = np.array(palette.centers)
    nearest = np.stack([np.square(points - center).sum(axis=-1) for center in centers]).argmin(axis=0)
    means = np.stack([points[nearest == k].mean(axis=0) for k in range(palette.size)])
    np.testing.assert_allclose(means, centers, atol=atol)
    np.testing.assert_allclose(np.bincount(nearest) / len(points), palette.frequencies, atol=0.01)


@pytest.mark.parametrize('basis', ['rgb', 'lab', 'luv'])
def test_centres_are_the_means_of_what_is_nearest_to_them(basis):
    data = make_config().data
    palette = learn(Dataset(data), Palette(size=6, basis=basis), seed=0)
    assert_learned(palette, data, atol=1.0)
    assert list(palette.frequencies) == sorted(palette.frequencies, reverse=True)
    np.testing.assert_array_equal(np.round(palette.centers, 3), palette.centers)


@pytest.mark.skipif(not TFDS.is_dir(), reason='needs CIFAR-10')
def test_horses_have_colours_of_their_own(monkeypatch):
    monkeypatch.setenv('TFDS_DATA_DIR', str(TFDS))
    data = make_config('tfds:cifar10').data
    data.update(labels=('horse',), train_split='train[:4000]')
    palette = learn(Dataset(data), Palette(size=24), seed=0)
    assert_learned(palette, data, atol=2.0)
    data.labels = ('ship',)
    with pytest.raises(AssertionError):
        assert_learned(palette, data, atol=2.0)


def test_colours_that_there_are_are_found(tmp_path):
    red, blue, grey = (200, 10, 20), (30, 40, 220), (128, 128, 128)
    source = folder_of(tmp_path, flat(red, red, red, blue), flat(red, red, blue, grey))
    palette = learn(Dataset(make_config(source).data), Palette(size=3), seed=0)
    assert palette.centers == (red, blue, grey)
    np.testing.assert_allclose(palette.frequencies, [5 / 8, 2 / 8, 1 / 8], atol=0.01)


def test_the_seed_decides():
    data = make_config().data
    one, again, other = (learn(Dataset(data), Palette(size=8, basis='lab'), seed) for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_pictures_that_are_left_out_have_no_say(tmp_path):
    """Unreadable ones, and grey ones that `min_colorfulness` drops."""
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    source = folder_of(tmp_path, flat((90, 90, 90), (160, 160, 160)), flat((200, 10, 20), (30, 40, 220)))
    data = make_config(source).data
    assert len(set(learn(Dataset(data), Palette(size=4), seed=0).centers)) == 4
    data.min_colorfulness = 5.0
    assert {color[0] for color in learn(Dataset(data), Palette(size=2), seed=0).centers} == {200.0, 30.0}


def test_too_few_colours_are_the_users_mistake(tmp_path):
    source = folder_of(tmp_path, flat((200, 10, 20), (30, 40, 220)))
    with pytest.raises(UserError, match=r'space.size is 3, but the training pictures .* only 2 different colours'):
        learn(Dataset(make_config(source).data), Palette(size=3), seed=0)


def test_resolve_fills_in_what_config_json_then_keeps(caplog):
    config = make_config(size=4)
    with caplog.at_level(logging.INFO, 'jaxcolor'):
        resolve(config, Dataset(config.data))
    assert '4 colours learned from 133' in caplog.text
    assert config.is_locked
    palette = build_space(config.space.to_dict())
    assert palette == learn(Dataset(config.data), Palette(size=4), config.seed)
    stored = configs.from_json(configs.to_json(config))
    assert build_space(stored.space.to_dict()) == palette


def test_resolve_takes_what_an_earlier_run_has_learned():
    stored = configs.from_json(
        json.dumps(
            {
                'space': {
                    'name': 'palette',
                    'size': 2,
                    'centers': [[0, 0, 0], [255, 255, 255]],
                    'frequencies': [0.75, 0.25],
                }
            }
        )
    )
    config = make_config(size=2, temperature=0.38)
    resolve(config, Dataset(config.data), stored)
    assert config.space.centers == ((0, 0, 0), (255, 255, 255))
    assert config.space.frequencies == (0.75, 0.25)
    assert config.space.temperature == 0.38
    larger = make_config(size=3)
    resolve(larger, Dataset(larger.data), stored)
    assert len(larger.space.centers) == 3
    assert build_space(larger.space.to_dict()).size == 3


def test_resolve_leaves_alone_what_is_there():
    given = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    config = make_config(size=2, centers=given)
    resolve(config, Dataset(config.data))
    assert config.space.centers == given
    lab = configs.default()
    before = lab.to_dict()
    resolve(lab, Dataset(lab.data))
    assert lab.to_dict() == before


def test_a_grid_has_the_points_that_the_pictures_need(tmp_path):
    """Three flat colours: the points of the grid nearest to them, and how often they are."""
    grey, red, blue = (119, 119, 119), (200, 60, 50), (50, 80, 190)
    source = folder_of(tmp_path, flat(grey, grey, red, blue))
    data = make_config(source).data
    chroma = skimage.color.rgb2lab(np.uint8([[grey, red, blue]]))[0, :, 1:]
    palette = learn(Dataset(data), Palette(basis='lab', spacing=10.0), seed=0)
    assert palette.size == 3
    np.testing.assert_array_equal(palette.centers[0], np.round(chroma[0] / 10) * 10)
    assert {tuple(c) for c in palette.centers} == {tuple(c) for c in np.round(chroma / 10) * 10}
    np.testing.assert_allclose(palette.frequencies, [0.5, 0.25, 0.25], atol=0.01)
    soft = learn(Dataset(data), Palette(basis='lab', spacing=10.0, sigma=5.0), seed=0)
    assert soft.centers[0] == palette.centers[0]
    assert math.isclose(sum(soft.frequencies), 1, abs_tol=1e-3)


def test_a_grid_of_another_run_is_kept(tmp_path):
    source = folder_of(tmp_path, flat((119, 119, 119), (200, 60, 50)))
    stored = make_config(source, basis='lab', spacing=10.0)
    resolve(stored, Dataset(stored.data))
    assert stored.space.size == len(stored.space.centers) == 2
    again, finer = (make_config('bundled', basis='lab', spacing=spacing) for spacing in (10.0, 20.0))
    resolve(again, Dataset(again.data), stored)
    assert again.space == stored.space
    resolve(finer, Dataset(finer.data), stored)
    assert finer.space.size != stored.space.size
