"""`--gray-test`: what the command prints and writes is what scikit-image says of the files that it wrote."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.metrics
from PIL import Image

from jaxcolor import cli
from jaxcolor.batch_inference import gray_test

SIZES = {'a': (64, 64), 'b/c': (70, 90)}  # heights and widths; what is compared is a square of 64


pytestmark = pytest.mark.usefixtures('restored_once')


@pytest.fixture
def photos(tmp_path):
    """Parts of a photograph, one with opacity, as PNG."""
    astronaut = skimage.data.astronaut()
    for number, (name, (height, width)) in enumerate(SIZES.items()):
        path = tmp_path / 'photos' / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        part = astronaut[40 * number :][:height, 150 : 150 + width]
        if name == 'b/c':
            part = np.dstack([part, np.full((height, width), 200, np.uint8)])
        Image.fromarray(part).save(path)
    return tmp_path / 'photos'


def colorize(make_run, folder, *arguments):
    return cli.main(
        [
            'colorize',
            str(folder),
            '--model',
            str(make_run()),
            '--output',
            str(tmp_out(folder)),
            '--gray-test',
            *arguments,
        ]
    )


def tmp_out(path):
    return (path if path.is_dir() else path.parent).parent / 'out'


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB'))


def lines(folder):
    return {line['name']: line for line in map(json.loads, (folder / 'scores.jsonl').read_text().splitlines())}


def square(image):
    top, left = ((length - 64 + 1) // 2 for length in image.shape[:2])
    return image[top : top + 64, left : left + 64] / 255


def scikit_image(result, truth):
    return {
        'mae': np.abs(result - truth).mean(),
        'psnr': skimage.metrics.peak_signal_noise_ratio(truth, result, data_range=1),
        'ssim': skimage.metrics.structural_similarity(
            truth, result, gaussian_weights=True, use_sample_covariance=False, data_range=1, channel_axis=-1
        ),
        'delta_e': skimage.color.deltaE_ciede2000(skimage.color.rgb2lab(truth), skimage.color.rgb2lab(result)).mean(),
    }


def colorfulness(image):
    """Hasler and Suesstrunk's M3."""
    red, green, blue = 255 * np.moveaxis(image, -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    return np.hypot(*opponents.std((1, 2))) + 0.3 * np.hypot(*opponents.mean((1, 2)))


def test_scores_are_those_of_the_written_files(make_run, photos, capsys):
    assert colorize(make_run, photos) == 0
    scores = lines(photos.parent / 'out')
    assert set(scores) == {f'{name}.png' for name in SIZES}
    for name in SIZES:
        truth = read(photos / f'{name}.png')
        lightness = skimage.color.rgb2lab(truth)[..., :1] * [1, 0, 0]
        grey = np.round(skimage.color.lab2rgb(lightness) * 255)
        truth, grey, result = (square(image) for image in (truth, grey, read(photos.parent / 'out' / f'{name}.png')))
        expected = scikit_image(result, truth)
        expected |= {f'grey_{metric}': value for metric, value in scikit_image(grey, truth).items()}
        expected |= {'colorfulness': colorfulness(result), 'true_colorfulness': colorfulness(truth)}
        assert scores[f'{name}.png'].pop('name') == f'{name}.png'
        assert scores[f'{name}.png'] == pytest.approx(expected, rel=2e-3, abs=2e-4)
    printed = capsys.readouterr().out
    assert printed.startswith('2 test pictures\n')
    for title, metric in (('PSNR', 'psnr'), ('SSIM', 'ssim'), ('Delta E', 'delta_e')):
        ours, grey = (np.mean([line[prefix + metric] for line in scores.values()]) for prefix in ('', 'grey_'))
        (row,) = (line for line in printed.splitlines() if line.startswith(title))
        assert [float(word) for word in row[len(title) :].split()[:2]] == pytest.approx([ours, grey], abs=6e-4)
    assert 'the true pictures' in printed


def test_what_is_coloured_is_grey(make_run, photos):
    """The comparison shows the picture greyed, coloured and as it is, from left to right."""
    assert colorize(make_run, photos, '--compare', '--saturation', '2') == 0
    truth = read(photos / 'a.png')
    shown = np.split(read(photos.parent / 'out' / 'a-compare.png'), 3, axis=1)
    assert (shown[0] == shown[0][..., :1]).all()
    lightness = [skimage.color.rgb2lab(image)[..., 0] for image in (shown[0], truth)]
    np.testing.assert_allclose(*lightness, atol=0.25)  # half an 8-bit step
    np.testing.assert_array_equal(shown[1], read(photos.parent / 'out' / 'a.png'))
    np.testing.assert_array_equal(shown[2], truth)


def test_scores_that_can_not_be_written(make_run, photos, capsys):
    tmp_out(photos).write_bytes(b'')
    assert colorize(make_run, photos) == 1
    assert 'can not be written' in capsys.readouterr().err


def test_grey_pictures_have_no_truth(make_run, photos, capsys):
    Image.new('L', (40, 40), 99).save(photos / 'grey.png')
    assert colorize(make_run, photos) == 1
    out, err = capsys.readouterr()
    assert f'failed: {photos}/grey.png: it is grey already' in err
    assert out.startswith('2 test pictures\n')
    assert '2 coloured; 1 failed; ' in out


def test_scores_outlive_an_interruption(make_run, photos, capsys):
    """A picture is done when it has been written and scored; a line that was cut short doesn't count."""
    assert colorize(make_run, photos) == 0
    whole, table = lines(photos.parent / 'out'), capsys.readouterr().out.split('\n\n')[0]
    path = photos.parent / 'out' / 'scores.jsonl'
    path.write_text(path.read_text()[:-9])
    assert colorize(make_run, photos) == 0
    assert lines(photos.parent / 'out') == whole
    out = capsys.readouterr().out
    assert out.split('\n\n')[0] == table
    assert '1 coloured; 1 skipped, already there; --overwrite colours again' in out
    assert colorize(make_run, photos) == 0
    assert capsys.readouterr().out == f'{table}\n\n0 coloured; 2 skipped, already there; --overwrite colours again\n'


def test_several_colourings_score_their_mean(make_run, photos):
    assert colorize(make_run, photos / 'a.png', '--samples', '2') == 0
    score = lines(photos.parent / 'out')['a.png']['mae']
    truth = read(photos / 'a.png') / 255.0
    each = [np.abs(read(photos.parent / 'out' / f'a-{number}.png') / 255.0 - truth).mean() for number in (1, 2)]
    assert each[0] != each[1]
    assert score == pytest.approx(np.mean(each), rel=1e-4)


def test_large_pictures_are_compared_at_512_pixels():
    image = skimage.data.astronaut()[:500]
    assert gray_test.centre(image[:200]).shape == (192, 192, 3)
    large = np.asarray(Image.fromarray(image).resize((1600, 1563)))
    assert gray_test.centre(large).shape == (512, 512, 3)
    assert gray_test.centre(large[:5]).shape == (5, 5, 3)


def test_the_metrics_are_an_extra():
    """Without them the command says what to install, before it does anything."""
    imports = 'import sys; sys.modules["dm_pix"] = None; from jaxcolor.batch_inference import gray_test'
    script = f'{imports}; gray_test.make_score()'
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=False)
    assert re.search(r"--gray-test needs dm_pix, which .*; pip install 'jaxcolor\[train\]'", done.stderr)
