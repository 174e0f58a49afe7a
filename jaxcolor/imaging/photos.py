"""A photograph's file <-> upright sRGB pixels, and what else the file says of the photograph."""

import contextlib
import dataclasses
import io
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from jaxcolor.imaging import arrays, captions, cut_jpeg, decoding, exif, formats, icc, png, tiff, tiff_file
from jaxcolor.imaging.captions import Captions
from jaxcolor.imaging.errors import PhotoError as PhotoError  # which readers of photographs look for here
from jaxcolor.imaging.errors import TooLargeError

READABLE = frozenset(
    (
        *('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo', '.png', '.tif', '.tiff', '.webp', '.bmp', '.gif'),
        *('.heic', '.heif', '.hif', '.avif', '.jp2', '.j2k', '.j2c', '.jpf', '.jpx', '.jxl'),
        *('.ppm', '.pgm', '.pbm', '.pnm', '.tga'),
    )
)
"""Suffixes of the files that `read` is for; it goes by what a file holds, not by its name."""

WRITABLE = {
    '.jpg': 'JPEG',
    '.jpeg': 'JPEG',
    '.jpe': 'JPEG',
    '.jfif': 'JPEG',
    '.png': 'PNG',
    '.tif': 'TIFF',
    '.tiff': 'TIFF',
    '.webp': 'WEBP',
    '.bmp': 'BMP',
}
"""Suffix -> the format that `encode` writes for it."""

_LONGEST_SIDE = {'JPEG': 65500, 'WEBP': 16383}
_LONGEST_EXIF = 65533 - len(b'Exif\0\0')  # bytes, in JPEG

_Pixels = UInt8[np.ndarray, 'h w c'] | UInt16[np.ndarray, 'h w 1']
_Colored = UInt8[np.ndarray, 'h w 3'] | UInt16[np.ndarray, 'h w 3']

# EXIF 2.32, section 4.6.4 A: how the rows and columns that are stored are meant to be seen.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a file may cost: its size in bytes, and width times height."""

    bytes: int = 512 * 2**20
    pixels: int = 250_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class Photo:
    """A photograph as it is seen: upright, in sRGB."""

    pixels: _Pixels  # [h, w, c]; c: 1 for grey files, 3 for others
    alpha: UInt8[np.ndarray, 'h w'] | None  # 255 where nothing shines through
    format: str  # Pillow's name of the file's format: 'JPEG', 'PNG', …
    exif: bytes | None  # from the TIFF header on; says upright and sRGB, and has no thumbnail
    dpi: tuple[float, float] | None  # pixels per inch across and down
    captions: Captions = captions.NONE
    others: int = 0  # pictures that the file has beside this one
    lacking: float = 0.0  # the share of the picture, at its end, that lacks something in the file: grey, or coarse


def read(source: str | Path | bytes, limits: Limits = Limits(), *, page: int = 0, cut: bool = False) -> Photo:
    """Read a photograph: JPEG, PNG, TIFF, WebP, BMP, GIF, AVIF, JPEG 2000, PPM, TGA; HEIC and JPEG XL with an extra.

    Grey of 16 bits stays that (12 are scaled up to it), colours of 16 bits become 8. Palettes, CMYK, YCbCr and
    Lab become RGB. ICC profiles are followed, unless they are broken. Of several pictures in a file it is the first,
    and `others` says how many more there are; a smaller copy of another in a TIFF is neither read nor counted. The
    content tells the format, not the name. May be called by many threads at once.

    Args:
      source: a path, or the content of a file.
      limits: what is beyond them is refused before it is read or decoded.
      page: of a TIFF, from 0 on.
      cut: whether a JPEG is read of which a little is missing at the end (see `cut_jpeg.read`); `lacking` says it.

    Raises:
      PhotoError: whatever is the matter with the file.
    """
    with _explained(source), _open(source, limits.bytes) as file:
        image: Image.Image = formats.open_picture(file, limits.pixels, page)
        lacking = 0.0
        try:
            image.load()
        except OSError:
            if not cut or image.format != 'JPEG':
                raise
            image, lacking = cut_jpeg.read(file)
        return dataclasses.replace(_photo(image), others=formats.count_others(image), lacking=lacking)


def read_rgb(source: str | Path | bytes, at_least: int = 2**31 - 1, limits: Limits = Limits()) -> Image.Image:
    """Read a picture as networks take it: the pixels of `read`, in 8 bits and RGB, on white where they are transparent.

    Args:
      source: as for `read`, and so are `limits` and the formats.
      at_least: the shorter side that is wanted, in pixels. A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size while
        that leaves no side shorter than this.

    Returns:
      A picture of mode 'RGB'.

    Raises:
      PhotoError: whatever is the matter with the file.
    """
    with _explained(source), _open(source, limits.bytes) as file:
        image = formats.open_picture(file, limits.pixels)
        image.draft('RGB', (at_least, at_least))
        if _is_plain(image):  # most are, and arrays would take as long as decoding a small one
            return image.convert('RGB')
        photo = _photo(image)
        pixels = np.broadcast_to(arrays.eight_bits(photo.pixels), (*photo.pixels.shape[:2], 3))
        return _on_white(Image.fromarray(pixels), photo.alpha)


def from_pillow(image: Image.Image) -> Photo:
    """Return the same of a picture that Pillow has opened or made; see `read`.

    Raises:
      PhotoError: whatever is the matter with it.
    """
    with _explained(getattr(image, 'filename', '') or b''):
        return _photo(tiff_file.corrected(image) if isinstance(image, TiffImagePlugin.TiffImageFile) else image)


def percent(share: float) -> str:
    """Return a share for people: `7 %`; the smallest are rounded up."""
    return f'{max(1, round(100 * share))} %'


def _is_plain(image: ImageFile.ImageFile) -> bool:
    """Whether the decoded pixels are upright sRGB as they are, or grey."""
    if image.mode not in ('L', 'RGB') or {'icc_profile', 'transparency'} & image.info.keys():
        return False
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    except Exception:  # of a broken camera's EXIF, which `_photo` does without
        return False


@contextlib.contextmanager
def _explained(source: str | Path | bytes) -> Iterator[None]:
    name = '' if isinstance(source, bytes) else f'{source}: '
    try:
        yield
    except Exception as error:  # Pillow's plug-ins raise nearly everything on hostile bytes
        raise _photo_error(name, error) from error


def _open(source: str | Path | bytes, most_bytes: int) -> formats.CountedFile:
    if isinstance(source, bytes):
        size = len(source)
    else:
        status = Path(source).stat()
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):  # to open a pipe could take forever
            raise PhotoError('not a file')
    if size > most_bytes:
        raise TooLargeError(f'{size:,} bytes are more than the limit of {most_bytes:,}')
    return formats.CountedFile(io.BytesIO(source) if isinstance(source, bytes) else io.FileIO(source))


def _photo(image: Image.Image) -> Photo:
    image.load()
    orientation, notes = _exif(image)
    pixels, alpha = decoding.arrays(image)
    dpi = _dpi(image)
    if orientation in _UPRIGHT:
        upright = _UPRIGHT[orientation]
        pixels = np.ascontiguousarray(upright(pixels))
        alpha = None if alpha is None else np.ascontiguousarray(upright(alpha))
        if dpi and orientation >= 5:  # lying on its side
            dpi = dpi[::-1]
    return Photo(pixels, alpha, str(image.format), notes, dpi, captions.read(image))


def _exif(image: Image.Image) -> tuple[int, bytes | None]:
    """Return the orientation that is left to be applied (Pillow turns TIFF, pillow-heif HEIC), and what to keep."""
    try:
        tags = image.getexif()
        orientation = tags.get(ExifTags.Base.Orientation, 1)
        notes = exif.from_tiff(tags) if image.format == 'TIFF' else exif.normalized(image.info.get('exif', b''))
        return orientation, notes
    except Exception:  # a picture is worth more than what a broken camera said of it
        return 1, None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(dots) for dots in image.info['dpi'])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    # Pillow says 1 of a TIFF that says nothing; JPEG has 16 bits for it.
    return (across, down) if 1 < across <= 65535 and 1 < down <= 65535 else None


def encode(photo: Photo, colored: _Colored, format: str, *, quality: int = 95) -> bytes:  # noqa: A002
    """Write a coloured photograph, with the opacity, EXIF, captions and resolution of the one that it was made from.

    It is marked as sRGB. JPEG and BMP, which have no opacity, show it on white paper. JPEG keeps the chroma at full
    resolution: it is what was made here.

    Args:
      photo: where the picture comes from.
      colored: in sRGB, as high and wide as the photo. 16 bits stay that in PNG and TIFF and become 8 in the others.
      format: one of the values of `WRITABLE`.
      quality: of JPEG and WebP: 1 to 100.

    Raises:
      PhotoError: no such format, or a picture that it cannot hold.
    """
    height, width = colored.shape[:2]
    if format not in WRITABLE.values():
        raise PhotoError(f'{format}: pictures are written as {", ".join(dict.fromkeys(WRITABLE.values()))}')
    if max(height, width) > _LONGEST_SIDE.get(format, 2**31 - 1):
        limit = _LONGEST_SIDE[format]
        raise PhotoError(f'{width} x {height} pixels: {format} holds at most {limit} a side; PNG or TIFF hold more')
    if format == 'TIFF':
        encoded = io.BytesIO()
        add_page(tiff.Writer(encoded), photo, colored)
        return encoded.getvalue()
    try:
        alpha = photo.alpha
        if format == 'PNG':
            marks: dict[str, Any] = {'icc_profile': icc.srgb(), 'exif': photo.exif, 'dpi': photo.dpi}
            return png.encode(colored, alpha, captions=photo.captions, **marks)
        file = io.BytesIO()
        _to_pillow(colored, alpha, format).save(file, format, **_options(photo, format, quality))
        return file.getvalue()
    except Exception as error:
        raise _photo_error(f'cannot be written as {format}: ', error) from error


def add_page(writer: tiff.Writer, photo: Photo, colored: _Colored) -> None:
    """Write a coloured photograph as the next page of a TIFF, with what `encode` keeps.

    Raises:
      PhotoError: a TIFF cannot hold it.
      OSError: the disk refuses.
    """
    marks: dict[str, Any] = {'icc_profile': icc.srgb(), 'dpi': photo.dpi}
    try:
        writer.add(colored, photo.alpha, tags=exif.for_tiff(photo.exif), captions=photo.captions, **marks)
    except OSError:
        raise
    except Exception as error:
        raise _photo_error('cannot be written as TIFF: ', error) from error


def _to_pillow(colored: _Colored, alpha: UInt8[np.ndarray, 'h w'] | None, kind: str) -> Image.Image:
    image = Image.fromarray(arrays.eight_bits(colored))
    if alpha is None:
        return image
    if kind in ('JPEG', 'BMP'):
        return _on_white(image, alpha)
    image.putalpha(Image.fromarray(alpha))
    return image


def _on_white(image: Image.Image, alpha: UInt8[np.ndarray, 'h w'] | None) -> Image.Image:
    """Return a transparent picture on paper, for what shows through it is arbitrary."""
    if alpha is None:
        return image
    paper = Image.new('RGB', image.size, 'white')
    paper.paste(image, mask=Image.fromarray(alpha))
    return paper


def _options(photo: Photo, kind: str, quality: int) -> dict[str, Any]:
    """Return what Pillow's `save` is told beside the pixels."""
    options: dict[str, Any] = {'dpi': photo.dpi} if photo.dpi else {}
    if kind == 'BMP':
        return options
    options['icc_profile'] = icc.srgb()
    if photo.exif and len(photo.exif) <= _LONGEST_EXIF:
        options['exif'] = b'Exif\0\0' + photo.exif
    if kind == 'JPEG':
        options |= {'subsampling': 0, 'extra': photo.captions.jpeg_segments()}
    elif photo.captions.xmp:
        options['xmp'] = photo.captions.xmp
    return options | {'quality': quality}


def _photo_error(prefix: str, error: Exception) -> PhotoError:
    kind, reason = PhotoError, f'damaged: {str(error)[:200] or type(error).__name__}'
    if isinstance(error, PhotoError):
        kind, reason = type(error), str(error)
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    elif isinstance(error, Image.DecompressionBombError):  # of WebP and GIF
        kind, reason = TooLargeError, 'more pixels than Pillow decodes of this format'
    elif isinstance(error, MemoryError):
        kind, reason = TooLargeError, 'takes more memory than there is'
    return kind(''.join(letter if letter.isprintable() else ' ' for letter in prefix + reason))
