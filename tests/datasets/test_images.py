"""How image files become pixels: the same rule for data sets, predictions and PyTorch's data loaders."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reszoo import datasets
from reszoo.core.types import Preprocess
from reszoo.datasets.images import decode
from reszoo.datasets.info import home
from reszoo.datasets.transforms import Transforms
from reszoo.workflows.pictures import pictures

ORIENTATIONS = {  # what a camera stores of an upright picture, by the number that says how to turn it back
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
UPRIGHT = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
AS_IT_IS = Preprocess(mean=(0.0,) * 3, std=(1.0,) * 3, input=(3, 24, 40))


def encoded(pixels: NDArray[np.uint8 | np.uint16], kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, **options)
    return file.getvalue()


def turned(number: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = number
    return encoded(ORIENTATIONS[number](UPRIGHT), exif=exif)


@pytest.mark.parametrize("number", ORIENTATIONS)
def test_a_picture_stands_upright_wherever_it_is_read(number: int, tree, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(turned(number))
    np.testing.assert_array_equal(np.asarray(decode(turned(number), "photo", 3)), UPRIGHT)
    for given in (str(path), Image.open(path)):
        (picture,) = pictures(given)
        np.testing.assert_array_equal(np.asarray(picture.open(3)), UPRIGHT)
    pixels = Transforms(AS_IT_IS)(Image.open(path)).numpy()
    np.testing.assert_array_equal(np.rint(pixels * 255).astype(np.uint8), UPRIGHT.transpose(2, 0, 1))
    info = datasets.add("photos-1", [tree("photos", {f"{label}/1.png": turned(number) for label in "ab"})])
    assert info.image == UPRIGHT.shape
    np.testing.assert_array_equal(datasets.load("photos-1", "trainval").images[0], UPRIGHT)


def test_files_of_a_data_set_that_was_made_by_the_older_rule_stay_as_they_were(tree) -> None:
    large = np.tile(UPRIGHT, (8, 8, 1))
    exif = Image.Exif()
    exif[0x0112] = 3
    files = {f"{label}/{n}.png": encoded(large, exif=exif) for label in "ab" for n in range(2)}
    datasets.add("large", [tree("large", files)])
    preprocess = Preprocess(mean=(0.0,) * 3, std=(1.0,) * 3, input=(3, *large.shape[:2]))

    def first() -> NDArray[np.uint8]:
        images, _ = next(datasets.load("large", "trainval").batches(preprocess, 1))
        return images[0]

    np.testing.assert_array_equal(first(), np.rot90(large, 2))
    document = home("large") / "dataset.json"
    older = {name: value for name, value in json.loads(document.read_text()).items() if name != "decoding"}
    document.write_text(json.dumps(older))
    np.testing.assert_array_equal(first(), large)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_of_16_bit_grey_the_high_byte_is_taken(kind: str) -> None:
    deep = np.arange(0, 65536, 257 * 4, np.uint16).reshape(8, 8) + 255
    expected = deep >> 8
    np.testing.assert_array_equal(np.asarray(decode(encoded(deep, kind), "deep", 1)), expected)
    np.testing.assert_array_equal(np.asarray(decode(encoded(deep, kind), "deep", 3))[..., 1], expected)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("black", "white")]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(np.asarray(decode(file.getvalue(), "film", 3)), np.zeros((8, 8, 3)))


FEW = UPRIGHT // 128 * 255  # eight colours, which a palette holds exactly


def opaque(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def palette(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).quantize(8).save(file, "PNG")
    return file.getvalue()


def of_16_bits(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of 16 bits a colour, which Pillow reads and does not write."""
    rows = (pixels.astype(np.uint16) * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", *pixels.shape[1::-1], 16, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(raw), b"IEND": b""}
    made = (len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4) for kind, body in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        pytest.param(FEW, palette(FEW), id="palette"),
        pytest.param(UPRIGHT, encoded(opaque(UPRIGHT)), id="opaque"),
        pytest.param(UPRIGHT, encoded(UPRIGHT, "BMP"), id="BMP"),
        pytest.param(UPRIGHT, encoded(UPRIGHT, "TIFF"), id="TIFF"),
        pytest.param(UPRIGHT, encoded(UPRIGHT, "WEBP", lossless=True), id="WebP"),
        pytest.param(FEW, encoded(FEW, "GIF"), id="GIF"),
        pytest.param(UPRIGHT, of_16_bits(UPRIGHT), id="16 bits a colour"),
    ],
)
def test_what_loses_nothing_gives_every_pixel(expected: NDArray[np.uint8], content: bytes) -> None:
    np.testing.assert_array_equal(np.asarray(decode(content, "picture", 3)), expected)
