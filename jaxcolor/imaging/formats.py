"""From the first bytes of a file to Pillow's plug-in for it, with bounds on what the rest may cost."""

import io
import logging
import re
import struct
import warnings

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImagePalette,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    TiffTags,
    WebPImagePlugin,
)

from jaxcolor.imaging import tiff_pages
from jaxcolor.imaging.errors import PhotoError, TooLargeError, UnsupportedFormatError

# Pillow warns of the oddities of a TIFF, an EXIF or an animation and reads on, which is what is wanted here, or logs
# an error beside raising it. Both are for the whole process, so this is done once, not by each thread for its picture.
warnings.filterwarnings('ignore', category=UserWarning, module=r'PIL\.(Tiff|Png)ImagePlugin$')
logging.getLogger('PIL.TiffImagePlugin').setLevel(logging.CRITICAL)

_MOST_READS = 1 << 19  # a 500 MB PNG in pieces of 8 KiB takes half of that
_MOST_SCANS = 50  # of a progressive JPEG; encoders write about 10
_HEIC_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'hevm', b'hevs', b'mif1', b'msf1')
_START_OF_SCAN = re.compile(rb'\xff\xda\0(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)')


class CountedFile(io.BufferedReader):
    """A file that gives up after so many reads, each of which costs Pillow a microsecond or more in Python."""

    left = _MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file's."""
        self.left -= 1
        if self.left < 0:
            raise PhotoError('it is made of more pieces than a picture needs')
        return super().read(size)


class _TiffFile(TiffImagePlugin.TiffImageFile):
    """One page of a TIFF.

    Without Pillow's own limit, which warns of a scan of 90 megapixels and refuses one of 180.
    """

    def __init__(self, file: CountedFile, page: tiff_pages.Page, others: int):
        """Read the tags of `page`, beside which there are `others`."""
        self._page, self.others = page, others
        super().__init__(file)

    def _open(self) -> None:
        assert self.fp is not None
        head = self.fp.read(16)
        big = b'+' in head[2:4]
        self._misread = big and head.startswith(b'MM')  # Pillow does not see that a big-endian BigTIFF is one
        self.tag_v2 = TiffImagePlugin.ImageFileDirectory_v2(head if big and not self._misread else head[:8])
        self.tag_v2._bigtiff = big
        self._fp, self._frame_pos = self.fp, [self._page.offset]
        self._tag_data_remaining = self.fp.seek(0, io.SEEK_END)
        self._tag_data_limits = [self._tag_data_remaining]
        self.is_animated = False
        self._seek(0)

    def getexif(self) -> Image.Exif:
        if not self._misread:
            return super().getexif()
        tags = Image.Exif()
        tags.update({tag: value for tag, value in self.tag_v2.items() if tag not in TiffTags.TAGS_V2_GROUPS})
        return tags

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.core.new(  # type: ignore[attr-defined]
                self.mode, self._tile_size
            )
        super().load_prepare()


def open_picture(file: CountedFile, most_pixels: int, page: int = 0) -> ImageFile.ImageFile:
    """Read the header of a picture; nothing is decoded yet.

    The plug-ins are called without `PIL.Image.open`, which knows formats beyond those meant here (and starts
    Ghostscript for one of them), and whose limit of pixels is one for the whole process.

    Args:
      file: at its beginning.
      most_pixels: the limit of width times height.
      page: of a TIFF, from 0 on.

    Raises:
      PhotoError: too large, not one of the formats, or made to keep a machine busy.
      Exception: whatever a plug-in raises on a broken header.
    """
    head = file.read(64)
    if not head:
        raise PhotoError('the file is empty')
    plugin = _plugin(head)
    if plugin is WebPImagePlugin.WebPImageFile:
        _check_pixels(_webp_size(head), most_pixels)  # here, since the plug-in begins with memory for all of them
    file.seek(0)
    image = _open_tiff(file, head, page) if plugin is _TiffFile else plugin(file)
    _check_pixels(image.size, most_pixels)
    if image.info.get('progressive'):
        _check_scans(file)
    return image


def _open_tiff(file: CountedFile, head: bytes, number: int) -> _TiffFile:
    pages = tiff_pages.find_pictures(file, head)
    page = pages[number]
    tiff_pages.check(page)
    file.seek(0)
    try:
        image = _TiffFile(file, page, len(pages) - 1)
    except (SyntaxError, KeyError) as error:  # Pillow's, of bits and compressions that it has no name for
        raise page.unsupported() from error
    levels = image.tag_v2.get(TiffImagePlugin.COLORMAP)
    if image.mode in ('P', 'PA') and levels and max(levels) < 256:  # of 8 bits, where the standard has 16
        image.palette = ImagePalette.raw('RGB;L', bytes(levels))
    return image


def count_others(image: Image.Image) -> int:
    """Return how many pictures a file has beside the one that is read: pages of a TIFF, frames of an animation."""
    if isinstance(image, _TiffFile):
        return image.others
    try:
        return getattr(image, 'n_frames', 1) - 1
    except Exception:  # a frame that is broken spoils none before it
        return 0


def _plugin(head: bytes) -> type[ImageFile.ImageFile]:
    if head.startswith(b'\xff\xd8\xff'):
        return JpegImagePlugin.JpegImageFile
    if head.startswith(b'\x89PNG\r\n\x1a\n'):
        return PngImagePlugin.PngImageFile
    if head.startswith((b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')):
        return _TiffFile
    if head.startswith(b'RIFF') and head[8:12] == b'WEBP':
        return WebPImagePlugin.WebPImageFile
    if head.startswith(b'BM'):
        return BmpImagePlugin.BmpImageFile
    if head.startswith((b'GIF87a', b'GIF89a')):
        return GifImagePlugin.GifImageFile
    if head[4:8] == b'ftyp' and head[8:12] in _HEIC_BRANDS:
        return _heic()
    raise UnsupportedFormatError('not a JPEG, PNG, TIFF, WebP, BMP, GIF or HEIC picture')


def _heic() -> type[ImageFile.ImageFile]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise UnsupportedFormatError('HEIC pictures take one more package: pip install pillow-heif') from None
    return HeifImageFile


def _check_pixels(size: tuple[int, int], most_pixels: int) -> None:
    width, height = size
    if width * height > most_pixels:
        raise TooLargeError(f'{width} x {height} pixels are more than the limit of {most_pixels:,}')


def _webp_size(head: bytes) -> tuple[int, int]:
    """Return the size of the canvas (RFC 9649, sections 2.5 to 2.7); (0, 0) for what isn't any of the three kinds."""
    kind, header = head[12:16], head[20:].ljust(10, b'\0')
    if kind == b'VP8X':
        return int.from_bytes(header[4:7], 'little') + 1, int.from_bytes(header[7:10], 'little') + 1
    if kind == b'VP8L':
        bits = int.from_bytes(header[1:5], 'little')
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b'VP8 ':
        width, height = struct.unpack_from('<HH', header, 6)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _check_scans(file: CountedFile) -> None:
    """Each scan of a progressive JPEG is a pass over all pixels, for a few bytes of the file."""
    position = file.tell()
    file.seek(0)
    scans, tail = 0, b''
    while content := file.read(1 << 20):
        scans += len(_START_OF_SCAN.findall(tail + content))
        tail = content[-4:]
    file.seek(position)
    if scans > _MOST_SCANS:
        raise PhotoError(f'a progressive JPEG of {scans} scans')
