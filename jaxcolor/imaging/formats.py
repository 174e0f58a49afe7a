"""A picture's file opened by Pillow's plug-in for it, with bounds on what the rest may cost."""

import io
import logging
import re
import warnings

from PIL import Image, ImageFile, JpegImagePlugin, TiffImagePlugin

from jaxcolor.imaging import plugins, tiff_file
from jaxcolor.imaging.errors import PhotoError, TooLargeError

# Pillow warns of the oddities of a TIFF, an EXIF or an animation and reads on, which is what is wanted here, or logs
# an error beside raising it. Both are for the whole process, so this is done once, not by each thread for its picture.
warnings.filterwarnings('ignore', category=UserWarning, module=r'PIL\.(Tiff|Png)ImagePlugin$')
logging.getLogger('PIL.TiffImagePlugin').setLevel(logging.CRITICAL)

_MOST_READS = 1 << 19  # a 500 MB PNG in pieces of 8 KiB takes half of that
_BEGINNING = 1 << 16  # bytes
_MOST_SCANS = 50  # of a progressive JPEG; encoders write about 10
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
    plugin = plugins.find(head)
    file.seek(0)
    if size := plugins.size_before(head, file.read(_BEGINNING)):
        _check_pixels(size, most_pixels)
    file.seek(0)
    image = tiff_file.open_page(file, head, page) if plugin is TiffImagePlugin.TiffImageFile else plugin(file)
    _check_pixels(image.size, most_pixels)
    if image.info.get('progressive'):
        _check_scans(file)
    return image


def count_others(image: Image.Image) -> int:
    """Return how many pictures a file has beside the one that is read: pages of a TIFF, frames of an animation."""
    if isinstance(image, tiff_file.TiffFile):
        return image.others
    try:
        if isinstance(image, JpegImagePlugin.JpegImageFile):  # CIPA DC-007; previews and gain maps are no pictures
            parts = (image._getmp() or {}).get(0xB002, ())
            return sum(part['Attribute']['MPType'].startswith('Multi-Frame') for part in parts[1:])
        return getattr(image, 'n_frames', 1) - 1
    except Exception:  # a frame that is broken spoils none before it
        return 0


def _check_pixels(size: tuple[int, int], most_pixels: int) -> None:
    width, height = size
    if width * height > most_pixels:
        raise TooLargeError(f'{width} x {height} pixels are more than the limit of {most_pixels:,}')


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
