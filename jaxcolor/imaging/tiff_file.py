"""One page of a TIFF, opened: by Pillow, or with the pixels of another decoder."""

import contextlib
import ctypes
import io
from typing import Any

from PIL import Image, ImagePalette, TiffTags
from PIL import TiffImagePlugin as Tiff

from jaxcolor.imaging import tiff_other, tiff_pages
from jaxcolor.imaging.errors import UnsupportedFormatError


def _silence_libtiff() -> None:
    """Have libtiff print nothing: an error is raised as well, and a warning does not say of which file it is."""
    with contextlib.suppress(AttributeError, OSError):  # where its symbols can't be reached
        library = ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]
        for name in ('TIFFSetErrorHandler', 'TIFFSetWarningHandler'):
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


_silence_libtiff()


class TiffFile(Tiff.TiffImageFile):
    """One page of a TIFF.

    Without Pillow's own limit, which warns of a scan of 90 megapixels and refuses one of 180.
    """

    def __init__(self, file: io.BufferedReader, page: tiff_pages.Page, others: int):
        """Read the tags of `page`, beside which there are `others`."""
        self._page, self.others = page, others
        super().__init__(file)

    def _open(self) -> None:
        assert self.fp is not None
        head = self.fp.read(16)
        big = b'+' in head[2:4]
        self._misread = big and head.startswith(b'MM')  # Pillow does not see that a big-endian BigTIFF is one
        self.tag_v2 = Tiff.ImageFileDirectory_v2(head if big and not self._misread else head[:8])
        self.tag_v2._bigtiff = big
        self._fp, self._frame_pos = self.fp, [self._page.offset]
        self._tag_data_remaining = self.fp.seek(0, io.SEEK_END)
        self._tag_data_limits = [self._tag_data_remaining]
        self.is_animated = False
        self._seek(0)

    def getexif(self) -> Image.Exif:
        """As any picture's."""
        if not self._misread:
            return super().getexif()
        tags = Image.Exif()
        tags.update({tag: value for tag, value in self.tag_v2.items() if tag not in TiffTags.TAGS_V2_GROUPS})
        return tags

    def load_prepare(self) -> None:
        """As Pillow's own, but for the limit."""
        if self._im is None:
            self.im = Image.core.new(  # type: ignore[attr-defined]
                self.mode, self._tile_size
            )
        super().load_prepare()


class OtherTiffFile(TiffFile):
    """A page whose pixels `tiff_other` decodes; its tags, notes and orientation are Pillow's."""

    def _setup(self) -> None:
        tags = self.tag_v2
        self._size = self._tile_size = tags[Tiff.IMAGEWIDTH], tags[Tiff.IMAGELENGTH]
        self._mode, self.tile = 'L', []
        if Tiff.ICCPROFILE in tags:
            self.info['icc_profile'] = tags[Tiff.ICCPROFILE]
        if tags.get(Tiff.RESOLUTION_UNIT, 2) in (2, 3) and Tiff.X_RESOLUTION in tags:
            inches = 2.54 if tags.get(Tiff.RESOLUTION_UNIT) == 3 else 1
            across = tags[Tiff.X_RESOLUTION]
            self.info['dpi'] = across * inches, tags.get(Tiff.Y_RESOLUTION, across) * inches

    def load(self) -> Any:
        """Decode the pixels, once."""
        if self._im is None:
            assert self.fp is not None
            decoded = tiff_other.decode(self.fp, self._page.offset, self.size)  # type: ignore[arg-type]
            self.im, self._mode = decoded.im, decoded.mode
            # What `decoding` would do on account of them is done.
            self.tag_v2[Tiff.PHOTOMETRIC_INTERPRETATION] = tiff_other.BLACK_IS_ZERO
            self.tag_v2[Tiff.BITSPERSAMPLE] = 16
            self.load_end()
        return Image.Image.load(self)


def open_page(file: io.BufferedReader, head: bytes, number: int) -> TiffFile:
    """Read the tags of a page.

    Args:
      file: the whole TIFF.
      head: its first 64 bytes.
      number: of the page, from 0 on.

    Raises:
      PhotoError: damaged, or of a kind that nobody here reads.
      Exception: whatever Pillow raises on a broken directory.
    """
    pages = tiff_pages.find_pictures(file, head)
    page = pages[number]
    tiff_pages.check(page)
    file.seek(0)
    if not page.is_read:
        return _open_other(file, page, len(pages) - 1)
    try:
        image = TiffFile(file, page, len(pages) - 1)
    except (SyntaxError, KeyError):  # Pillow's, of bits and compressions that it has no name for
        return _open_other(file, page, len(pages) - 1)
    if levels := _levels_of_bytes(image):
        image.palette = ImagePalette.raw('RGB;L', levels)
    return image


def corrected(image: Tiff.TiffImageFile) -> Image.Image:
    """Return a page that Pillow has opened with the pixels that are in the file.

    Raises:
      UnsupportedFormatError: Pillow reads them wrongly, or those of a smaller copy that nobody has asked for.
    """
    page = tiff_pages.of_tags(image.tag_v2)
    if not page.whole and image.tell() == 0:  # another page is one that somebody has chosen
        size = f'{image.width} x {image.height} pixels'
        raise UnsupportedFormatError(
            f'Pillow has opened a smaller copy of the picture, {size}; give the path of the file'
        )
    if not page.is_read:
        raise page.unsupported('give its path, and not what Pillow makes of it')
    levels = _levels_of_bytes(image)
    if not levels:
        return image
    copy = image.copy()
    copy.putpalette(levels, 'RGB;L')
    copy.format = image.format
    return copy


def _levels_of_bytes(image: Tiff.TiffImageFile) -> bytes | None:
    """Return a colour map of 8 bits, where the standard has 16; None if it is none."""
    levels = image.tag_v2.get(Tiff.COLORMAP)
    return bytes(levels) if image.mode in ('P', 'PA') and levels and max(levels) < 256 else None


def _open_other(file: io.BufferedReader, page: tiff_pages.Page, others: int) -> OtherTiffFile:
    if not page.is_read_by_others:
        raise page.unsupported()
    if not tiff_other.is_installed():
        raise page.unsupported('pip install "jaxcolor[formats]" reads it')
    file.seek(0)
    return OtherTiffFile(file, page, others)
