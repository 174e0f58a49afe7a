"""JPEG files without their end, against the same files with it."""

import io
import re

import numpy as np
import pytest
import skimage.data
from PIL import Image

from jaxcolor import Colorizer
from jaxcolor.imaging import photos
from jaxcolor.imaging.errors import PhotoError


def encoded(**options):
    file = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(file, 'JPEG', quality=90, **options)
    return file.getvalue()


@pytest.mark.parametrize('subsampling', [0, 2])
@pytest.mark.parametrize('share', [0.001, 0.01, 0.02])
def test_what_is_there_is_read(subsampling, share):
    content = encoded(subsampling=subsampling)
    photo = photos.read(content[: -int(len(content) * share)], cut=True)
    whole = photos.read(content)
    differ = np.flatnonzero((photo.pixels != whole.pixels).any(axis=(1, 2)))
    assert photo.lacking == (512 - differ[0]) / 512
    assert 0 < photo.lacking <= 0.05
    assert whole.lacking == 0
    with pytest.raises(PhotoError, match='truncated'):
        photos.read(content[:-100])


def test_rotated_grey_and_marked():
    exif = Image.Exif()
    exif[0x112] = 6
    content = io.BytesIO()
    Image.fromarray(skimage.data.camera()[:300]).save(content, 'JPEG', exif=exif)
    photo = photos.read(content.getvalue()[:-200], cut=True)
    assert photo.pixels.shape == (512, 300, 1)
    assert photo.lacking > 0


def test_only_the_mark_of_the_end_is_missing():
    content = encoded()
    for cut in (1, 2):
        photo = photos.read(content[:-cut], cut=True)
        assert photo.lacking == 0
        np.testing.assert_array_equal(photo.pixels, photos.read(content).pixels)


def test_every_byte_of_data_counts():
    content = encoded()
    for cut in range(3, 40):
        assert photos.read(content[:-cut], cut=True).lacking > 0, cut


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_more_than_a_little_is_refused(share):
    content = encoded()
    with pytest.raises(PhotoError, match=r'damaged: the file ends too early; \d+ of 512 rows are missing'):
        photos.read(content[: -int(len(content) * share)], cut=True)


def test_one_row_of_blocks_is_all_there_is():
    file = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()[:12]).save(file, 'JPEG', quality=90)
    with pytest.raises(PhotoError, match='12 of 12 rows are missing'):
        photos.read(file.getvalue()[:-300], cut=True)


def test_progressive_files():
    """Without the end of the last scan, which refines the lightness, all is there but a bit."""
    content = encoded(progressive=True)
    scans = [match.start() for match in re.finditer(rb'\xff\xda', content)]
    whole = photos.read(content)
    for length in (len(content) * 98 // 100, scans[-1] + 200):
        photo = photos.read(content[:length], cut=True)
        differ = np.flatnonzero((photo.pixels != whole.pixels).any(axis=(1, 2)))
        assert 0 < (512 - differ[0]) / 512 <= photo.lacking
        assert np.abs(photo.pixels.astype(int) - whole.pixels).mean() < 3
    assert photos.read(content[:-2], cut=True).lacking == 0
    for length in (scans[-1] - 100, scans[-2] + 100, scans[2]):
        with pytest.raises(PhotoError, match='a progressive JPEG that ends too early; whole scans are missing'):
            photos.read(content[:length], cut=True)


def test_a_smaller_jpeg_before_the_scans_does_not_count():
    """A thumbnail has all its scans."""
    content = encoded(progressive=True)
    thumbnail = b'Exif\0\0' + encoded()[:60000]
    content = content[:2] + b'\xff\xe1' + (2 + len(thumbnail)).to_bytes(2) + thumbnail + content[2:]
    cut = content[: content.rindex(b'\xff\xda') - 100]
    with pytest.raises(PhotoError, match='whole scans are missing'):
        photos.read(cut, cut=True)


def test_no_data_at_all_is_as_before():
    content = encoded()
    for length in (2, 30, content.index(b'\xff\xda') + 4):
        with pytest.raises(PhotoError):
            photos.read(content[:length], cut=True)


def test_python_warns(make_run, tmp_path, caplog):
    path = tmp_path / 'cut.jpg'
    path.write_bytes(encoded()[:-600])
    image = Colorizer.restore(make_run())(str(path))
    assert image.size == (512, 512)
    assert caplog.messages == [f'{path}: the file ends too early; the last 3 % are missing']
