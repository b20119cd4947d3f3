"""Image files from outside: what is accepted, and the one rule by which they become pixels.

The rule, which `DatasetInfo.decoding` numbers: the first frame; turned upright as its EXIF orientation says; of 16-bit
grey the high byte; grey or RGB as the network asks, without transparency.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..core.errors import UsageError
from .pixels import limit

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".webp", ".gif", ".tif", ".tiff"})
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")
NAMES = "PNG, JPEG, BMP, WebP, GIF or TIFF"
MODES = {1: "L", 3: "RGB"}  # by channels
GREY16_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
GREY_MODES = frozenset({"1", "L", "LA", *GREY16_MODES})
DEEP_MODES = frozenset({"I", "F"})  # 32 bits a pixel, whose range nobody knows
ORIENTATION = 0x0112  # of EXIF; from 5 on, height and width change places
MAX_FILE_BYTES = 64 << 20

Opener = Callable[[], IO[bytes]]


class Header(NamedTuple):
    """What an image file says of itself before it is decoded. The size is that of the image that `decode` gives."""

    height: int
    width: int
    grey: bool


def read_header(open_file: Opener, where: str, *, upright: bool = True, max_pixels: int | None = None) -> Header:
    """Read size and mode, and refuse what must not be decoded. `where` names the file in errors.

    How many pixels there are is for `check_pixels`; `max_pixels` is for formats that Pillow itself checks here.
    """
    with named(where), limit.at_least(max_pixels), open_file() as file, _recognised(file) as image:
        _check_depth(image, where)
        width, height = image.size
        if upright and width != height and image.getexif().get(ORIENTATION, 1) >= 5:
            width, height = height, width
        return Header(height, width, image.mode in GREY_MODES)


def _check_depth(image: Image.Image, where: str) -> None:
    if image.mode in DEEP_MODES:
        raise UsageError(f"{where} has 32 bits per channel", "Convert it to 8 or 16 bits per channel.")


def _recognised(file: IO[bytes]) -> Image.Image:
    """As `Image.open`, but without its check, which is of the process's limit and does not tell the size."""
    prefix = file.read(16)
    for kind in FORMATS:
        if kind not in Image.OPEN:
            Image.init()
        read_first, accepts = Image.OPEN[kind]
        if accepts is None or accepts(prefix) is True:
            file.seek(0)
            return read_first(file, "")
    raise UnidentifiedImageError


def check_pixels(header: Header, where: str, most: int | None = None, fix: str = "Shrink it.") -> None:
    """Refuse an image of more pixels than `most`; None is Pillow's own limit."""
    pixels, most = header.height * header.width, most or limit.own
    if most is not None and pixels > most:
        size = f"{pixels:,} pixels ({header.width}x{header.height})"
        raise UsageError(f"{where} has {size}, and the limit is {most:,}, against files that fill the memory", fix)


def opener(path: Path) -> Opener:
    return lambda: path.open("rb")


def check_plain(path: Path) -> None:
    """Refuse what would be waited for, or is not there: a pipe, a socket, a link to nothing."""
    if not path.is_file():
        raise UsageError(f"{path} is a broken link or no plain file", "Remove it.")


def read(open_file: Opener, where: str) -> bytes:
    """The whole file; a zip compares its checksum only when it is read to the end."""
    with named(where), open_file() as file:
        return file.read()


def decode(
    content: bytes,
    where: str,
    channels: int,
    *,
    upright: bool = True,
    shrink: int = 1,
    max_pixels: int | None = None,
) -> Image.Image:
    """Decode a whole file to grey (1 channel) or RGB (3).

    Args:
        content: The file's bytes.
        where: Names the file in errors.
        channels: 1 or 3.
        upright: Heed its EXIF orientation.
        shrink: 2, 4 or 8 decodes a JPEG at that fraction of its size, which is faster; other files stay whole.
        max_pixels: Lets a picture through that is above Pillow's limit.
    """
    with (
        named(where),
        limit.at_least(max_pixels),
        Image.open(BytesIO(content), formats=FORMATS) as image,
    ):
        if shrink > 1:
            image.draft(None, (image.width // shrink, image.height // shrink))
        return plain(ImageOps.exif_transpose(image) if upright else image, channels)


def plain(image: Image.Image, channels: int, where: str = "the image") -> Image.Image:
    """Grey (1 channel) or RGB (3), 8 bits each, of any mode but those of 32 bits: `where` names it in the error."""
    _check_depth(image, where)
    if image.mode in GREY16_MODES:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif "transparency" in image.info:  # Pillow warns when it drops that of a palette, but not an alpha channel
        image = image.convert("RGBA")
    return image.convert(MODES[channels])


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """uint8 (H, W, C)."""
    return np.asarray(image).reshape(image.height, image.width, -1)


@contextmanager
def named(where: str) -> Iterator[None]:
    """Say which file it is that cannot be read."""
    try:
        yield
    except UsageError:
        raise
    except Image.DecompressionBombError as error:
        raise UsageError(f"{where}: {error}", "Shrink it.") from error
    except UnidentifiedImageError as error:
        raise UsageError(f"{where} is not a {NAMES} image", "Mend or remove it.") from error
    except Exception as error:  # decoders of foreign bytes raise nearly anything
        raise UsageError(f"{where} cannot be read: {error}", "Mend or remove it.") from error
