"""A file has the same pixels wherever it is read: in training and evaluation, on the command line and served."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from jaxcolor.data.folder import open_folder
from jaxcolor.imaging import arrays, photos

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
COLORS = Image.fromarray(PIXELS)


def profile_of_swapped_primaries() -> bytes:
    """sRGB whose red and blue primaries have changed places: whoever ignores it sees other colours."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
    red, blue = content.index(b'rXYZ'), content.index(b'bXYZ')
    content[red : red + 4], content[blue : blue + 4] = b'bXYZ', b'rXYZ'
    return bytes(content)


def lying() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS = {
    'plain.png': (COLORS, {}),
    'plain.jpg': (COLORS, {'quality': 95}),
    'profile.png': (COLORS, {'icc_profile': profile_of_swapped_primaries()}),
    'profile.jpg': (COLORS, {'icc_profile': profile_of_swapped_primaries(), 'quality': 95}),
    'lying.jpg': (COLORS, {'exif': lying()}),
    'transparent.png': (Image.merge('RGBA', [*COLORS.split(), COLORS.getchannel('G')]), {}),
    'cmyk.jpg': (COLORS.convert('CMYK'), {}),
    'palette.gif': (COLORS.quantize(16), {}),
    'deep.tif': (Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 251), {}),
    'lab.tif': (ImageCms.applyTransform(COLORS, ImageCms.buildTransform(
        ImageCms.createProfile('sRGB'), ImageCms.createProfile('LAB'), 'RGB', 'LAB')), {}),
}  # fmt: skip


@pytest.mark.parametrize('name', KINDS)
def test_all_paths_read_the_same_pixels(name, tmp_path):
    image, options = KINDS[name]
    image.save(tmp_path / name, **options)
    photo = photos.read(tmp_path / name)  # the command line and the server
    want = np.broadcast_to(arrays.eight_bits(photo.pixels), (*photo.pixels.shape[:2], 3))
    if photo.alpha is not None:  # on white
        opacity = photo.alpha[..., None] / 255
        want = np.round(opacity * want + (1 - opacity) * 255).astype(np.uint8)
    folder = open_folder(str(tmp_path), 'train')  # training and evaluation
    np.testing.assert_allclose(np.asarray(folder.decode(folder[0], at_least=48)), want, atol=photo.alpha is not None)


def test_the_profiles_of_this_test_are_followed(tmp_path):
    image, options = KINDS['profile.png']
    image.save(tmp_path / 'profile.png', **options)
    assert np.abs(photos.read(tmp_path / 'profile.png').pixels.astype(int) - PIXELS).max() > 50
