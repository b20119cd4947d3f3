"""Image files from outside: what is accepted, and the one way they are opened."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..core.errors import UsageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
MODES = {1: "L", 3: "RGB"}  # by channels
GREY_MODES = frozenset({"1", "L", "LA"})
DEEP_MODES = ("I", "F")  # more than 8 bits a channel: "I;16", "F", ...
MAX_FILE_BYTES = 64 << 20

Opener = Callable[[], IO[bytes]]


class Header(NamedTuple):
    """What an image file says of itself before it is decoded."""

    height: int
    width: int
    grey: bool


def read_header(open_file: Opener, where: str) -> Header:
    """Read size and mode, and refuse what must not be decoded. `where` names the file in errors."""
    with _named(where), open_file() as file, Image.open(file, formats=FORMATS) as image:
        if image.mode.startswith(DEEP_MODES):
            raise UsageError(f"{where} has more than 8 bits per channel", "Convert it to 8 bits per channel.")
        return Header(image.height, image.width, image.mode in GREY_MODES)


def opener(path: Path) -> Opener:
    return lambda: path.open("rb")


def check_plain(path: Path) -> None:
    """Refuse what would be waited for, or is not there: a pipe, a socket, a link to nothing."""
    if not path.is_file():
        raise UsageError(f"{path} is a broken link or no plain file", "Remove it.")


def read(open_file: Opener, where: str) -> bytes:
    """The whole file; a zip compares its checksum only when it is read to the end."""
    with _named(where), open_file() as file:
        return file.read()


def decode(content: bytes, where: str, channels: int) -> Image.Image:
    """Decode a whole file to grey (1 channel) or RGB (3)."""
    with _named(where), Image.open(BytesIO(content), formats=FORMATS) as image:
        # Pillow warns when it drops a palette's transparency, and says nothing when it drops an alpha channel.
        plain = image.convert("RGBA") if "transparency" in image.info else image
        return plain.convert(MODES[channels])


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """uint8 (H, W, C)."""
    return np.asarray(image).reshape(image.height, image.width, -1)


@contextmanager
def bombs_refused() -> Iterator[None]:
    """Make Pillow refuse an image above its pixel limit, of which it only warns up to twice that size."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Say which file it is that cannot be read."""
    try:
        yield
    except UsageError:
        raise
    except UnidentifiedImageError as error:
        raise UsageError(f"{where} is not a PNG, JPEG, BMP or WebP image", "Mend or remove it.") from error
    except Exception as error:  # decoders of foreign bytes raise nearly anything
        raise UsageError(f"{where} cannot be read: {error}", "Mend or remove it.") from error
