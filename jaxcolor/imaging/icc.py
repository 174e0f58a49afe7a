"""ICC profiles: what a picture's numbers mean, put into sRGB."""

import functools
import io
import struct

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms

_LARGEST = 16 << 20  # bytes; that of a printing press takes 2 MiB
_TOLERANCE = 2  # 8-bit steps: a profile that moves no colour further is sRGB by another name
_Transform = ImageCms.ImageCmsTransform
_KINDS = {'L': 'GRAY', 'RGB': 'RGB ', 'RGBA': 'RGB ', 'CMYK': 'CMYK'}  # mode of the picture: space of the profile


@functools.cache
def srgb() -> bytes:
    """Return a profile of sRGB, 600 bytes, always the same ones."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    made = struct.pack('>6H', 2000, 1, 1, 0, 0, 0)  # otherwise the date of the day
    return profile[:24] + made + profile[36:]


def transform(profile: bytes | None, mode: str, flags: ImageCms.Flags = ImageCms.Flags.NONE) -> _Transform | None:
    """From the colours of a profile to sRGB: relative colorimetric, with black point compensation.

    Args:
      profile: as it was found in a file, of any quality.
      mode: of the pictures to transform: 'L', 'RGB' and 'CMYK' become 'RGB', and 'RGBA' stays that.
      flags: further ones.

    Returns:
      None where there is nothing to do: no profile, a broken one, one for other kinds of pictures, or sRGB.
    """
    if not profile or len(profile) > _LARGEST:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space != _KINDS[mode]:
            return None
        found = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile('sRGB'),
            mode,
            'RGBA' if mode == 'RGBA' else 'RGB',
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION | flags,
        )
        return found if _keeps_white(found, mode) and not _changes_nothing(found, mode) else None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def grey_curve(profile: bytes | None) -> UInt8[np.ndarray, '256'] | None:
    """Return the sRGB value of each of the 256 greys of a profile, be it one of grey or of RGB pictures.

    Returns:
      None where there is nothing to do, as for `transform`, or where the profile's greys have a colour.
    """
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    for mode in ('L', 'RGB'):
        found = transform(profile, mode, ImageCms.Flags.NOOPTIMIZE)  # which would be off by up to 10 in the shadows
        if found:
            curve = np.asarray(found.apply(ramp.convert(mode)))[0]
            return curve[:, 1] if np.ptp(curve, axis=-1).max() <= _TOLERANCE else None
    return None


def _keeps_white(found: _Transform, mode: str) -> bool:
    """Whether white is light and black is darker: a profile that is broken where it counts passes all else."""
    ends = np.array([[0, 255]], np.uint8)
    if mode == 'CMYK':
        image = Image.merge(mode, [Image.fromarray(255 - ends)] * 4)
    else:
        image = Image.fromarray(ends).convert(mode)
    black, white = np.asarray(found.apply(image))[0, :, :3]
    return bool(white.min() > 128 and white.min() > black.max())


def _changes_nothing(found: _Transform, mode: str) -> bool:
    if not mode.startswith('RGB'):
        return False
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    colors = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    before = Image.fromarray(colors).convert(mode)
    difference = np.asarray(found.apply(before)).astype(int) - np.asarray(before)
    return bool(np.abs(difference).max() <= _TOLERANCE)
