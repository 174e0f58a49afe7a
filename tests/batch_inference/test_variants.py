"""`jaxcolor colorize --hints` and `--variants`: what is written, and what is refused rather than ignored."""

import json

import numpy as np
import pytest
from helpers.hinted import obedient
from PIL import Image

from jaxcolor import Colorizer, cli
from jaxcolor.batch_inference import contact_sheet
from jaxcolor.inference import variants

BLUE = '#5a6aaa'


@pytest.fixture(scope='module')
def colorizer():
    return obedient(64)


@pytest.fixture
def colorize(monkeypatch, tmp_path, colorizer):
    """Runs the command with that model: options -> exit status; results are in `out`, hints in `hints.json`."""
    monkeypatch.setattr(Colorizer, 'restore', lambda *_, **__: colorizer)

    def run(*arguments, hints=None):
        if hints is not None:
            (tmp_path / 'hints.json').write_text(json.dumps(hints))
            arguments = *arguments, '--hints', tmp_path / 'hints.json'
        line = ['colorize', '--output', tmp_path / 'out', tmp_path / 'scans', *arguments]
        return cli.main([str(argument) for argument in line])

    return run


@pytest.fixture
def scans(tmp_path):
    """Two pictures of one name in two folders, and one of another."""
    names = ('a.png', 'sub/a.png', 'b.png')
    for name in names:
        path = tmp_path / 'scans' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30), 127, np.uint8)).save(path)
    return names


def read(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def blueness(picture):
    return picture[..., 2] - picture[..., 0]


def test_hints_are_those_of_their_picture(colorize, scans, tmp_path):
    assert colorize(hints={'b.png': [[3, 4, BLUE]], 'sub/a.png': [[27, 15, BLUE]]}) == 0
    plain, other, b = (read(tmp_path / 'out' / name) for name in scans)
    assert blueness(b)[4, 3] > blueness(plain)[4, 3] + 20
    assert blueness(other)[15, 27] > blueness(plain)[15, 27] + 20
    expected = obedient(64)(np.full((20, 30), 127, np.uint8))
    np.testing.assert_array_equal(plain, expected)


@pytest.mark.parametrize(
    ('hints', 'message'),
    [
        ({'phto.png': []}, "--hints: 'phto.png' is none of the pictures; use a name such as"),
        ({'a.png': [], 'sub/a.png': [], 'c.png': [[1, 2, BLUE]]}, "--hints: 'c.png' is none of the pictures"),
        ({'sub/b.png': []}, "--hints: 'sub/b.png' is none of the pictures"),
        ({'b.png': [[3, 4, 'blue']]}, 'hints.json, b.png: hints[0]='),
        ({'b.png': [[3, 4, BLUE]] * 10_000}, 'hints.json, b.png: hints=10,000 points are too many; use 1,000 or fewer'),
        ([[3, 4, BLUE]], 'holds no pictures by their names'),
    ],
)
def test_a_file_of_hints_that_is_wrong_colours_nothing(colorize, scans, tmp_path, capsys, hints, message):
    assert colorize(hints=hints) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_name_in_two_folders_has_to_be_told_apart(colorize, tmp_path, capsys, scans):
    (tmp_path / 'scans' / 'a.png').rename(tmp_path / 'scans' / 'sub2.png')
    (tmp_path / 'scans' / 'other').mkdir()
    Image.new('L', (30, 20), 127).save(tmp_path / 'scans' / 'other' / 'a.png')
    assert colorize(hints={'a.png': [[3, 4, BLUE]]}) == 1
    assert "'a.png' is the name of 2 of the pictures; use a name such as 'other/a.png'" in capsys.readouterr().err


def test_a_hint_outside_is_the_failure_of_its_picture(colorize, scans, tmp_path, capsys):
    assert colorize(hints={'b.png': [[30, 4, BLUE]]}) == 1
    error = capsys.readouterr().err
    assert f"b.png: hints[0]=[30.0, 4.0, '{BLUE}'] is outside the picture of 30 x 20 pixels; use x from 0 to" in error
    assert (tmp_path / 'out' / 'a.png').exists()
    assert not (tmp_path / 'out' / 'b.png').exists()


def test_a_model_that_takes_none_is_said_before_anything_is_coloured(colorize, scans, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Colorizer, 'restore', lambda *_, **__: obedient(hints=False))
    assert colorize(hints={'b.png': [[3, 4, BLUE]]}) == 1
    assert 'takes none; leave them out' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_variants_and_their_contact_sheet(colorize, scans, tmp_path, colorizer):
    assert colorize('--variants', hints={'b.png': [[3, 4, BLUE]]}) == 0
    had = list(variants.of(colorizer))
    names = {f'{stem}-{mark}.png' for stem in 'ab' for mark in (*had, 'variants')}
    assert {path.name for path in (tmp_path / 'out').iterdir()} == names | {'sub'}
    warm, cool = (read(tmp_path / 'out' / f'a-{name}.png') for name in ('warm', 'cool'))
    assert blueness(cool).mean() > blueness(warm).mean() + 20
    for name in had:  # a hint is what is seen in each
        found = read(tmp_path / 'out' / f'b-{name}.png')[4, 3]
        np.testing.assert_allclose(found - found.mean(), [-29, -13, 42], atol=25)
    assert read(tmp_path / 'out' / 'a-variants.png').shape == (2 * (20 + 36) + 8, 3 * 38 + 8, 3)
    stamp = (tmp_path / 'out' / 'a-warm.png').stat().st_mtime_ns
    assert colorize('--variants') == 0  # goes on, and finds nothing left
    assert (tmp_path / 'out' / 'a-warm.png').stat().st_mtime_ns == stamp


def test_a_tiff_of_two_pages_has_hints_on_its_first(colorize, tmp_path, capsys):
    (tmp_path / 'scans').mkdir()
    pages = [Image.new('L', (30, 20), 127), Image.new('L', (24, 20), 127)]
    pages[0].save(tmp_path / 'scans' / 'x.tif', save_all=True, append_images=pages[1:])
    assert colorize('--variants', hints={'x.tif': [[28, 4, BLUE]]}) == 0
    assert 'the hints are those of the first of 2 pages' in capsys.readouterr().err
    with Image.open(tmp_path / 'out' / 'x-default.tif') as image:
        first = np.asarray(image).astype(int)
        assert blueness(first)[4, 28] > blueness(first)[15, 2] + 20
        image.seek(1)
        assert image.size == (24, 20)
    with Image.open(tmp_path / 'out' / 'x-variants.tif') as image:
        assert image.n_frames == 2


@pytest.mark.parametrize('option', ['--samples=2', '--vividness=0.1', '--warmth=0.5', '--saturation=2', '--gray-test'])
def test_variants_go_with_no_option_that_they_have(colorize, scans, capsys, option):
    assert colorize('--variants', option) == 1
    assert f'--variants does not go with {option.split("=")[0]}' in capsys.readouterr().err


def test_warmth(colorize, scans, tmp_path):
    assert colorize('--warmth', '-1') == 0
    np.testing.assert_array_equal(
        read(tmp_path / 'out' / 'a.png'), obedient(64)(np.full((20, 30), 127, np.uint8), warmth=-1.0)
    )


def test_a_contact_sheet_is_small_whatever_the_pictures():
    deep = np.full((3000, 1000, 3), 2**15, np.uint16)
    sheet = contact_sheet.draw(['one', 'two', 'three', 'four'], [deep] * 4)
    assert sheet.shape == (2 * (480 + 36) + 8, 3 * (160 + 8) + 8, 3)
    assert sheet[8, 8].tolist() == [128, 128, 128]
    assert sheet[-10, -10].tolist() == [255, 255, 255]
