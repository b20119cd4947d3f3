"""From decoded images to a network's input: resize, centre crop, normalise. As torchvision does it, to the pixel.

Every part of reszoo takes its sizes and constants from here; only an artifact's run.py, which works without reszoo, has
its own copy, and the tests hold it to the same pixels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import UsageError
from ..core.types import Preprocess

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Geometry(NamedTuple):
    """How an image becomes the network's size: resized to (height, width), then cut at (left, top, right, bottom)."""

    height: int
    width: int
    box: tuple[int, int, int, int]

    def is_identity(self, height: int, width: int) -> bool:
        return self == (height, width, (0, 0, width, height))


def geometry(height: int, width: int, preprocess: Preprocess, what: str) -> Geometry:
    """Plan the resize and crop of a (height, width) image; `what` names it in errors."""
    original = f"{height}x{width}"
    if preprocess.resize is not None:
        scale, shorter = preprocess.resize, min(height, width)
        height, width = int(scale * height / shorter), int(scale * width / shorter)
    crop_height, crop_width = (preprocess.crop, preprocess.crop) if preprocess.crop else (height, width)
    wanted = preprocess.input[1:]
    if (crop_height, crop_width) != wanted or crop_height > height or crop_width > width:
        raise UsageError(
            f"{what}: {original} images do not give the {wanted[0]}x{wanted[1]} input of the network"
            f" (resize {preprocess.resize}, crop {preprocess.crop})",
            "Use data of the network's size, or a preprocessing with a resize and a crop that lead there.",
        )
    top, left = round((height - crop_height) / 2), round((width - crop_width) / 2)
    return Geometry(height, width, (left, top, left + crop_width, top + crop_height))


def covering(height: int, width: int, preprocess: Preprocess, what: str) -> Geometry:
    """The same for an image of any size, also where `preprocess` knows no resize.

    Then the image is resized to the least size that covers the network's input, and its centre is cut out.
    """
    if preprocess.resize is not None:
        return geometry(height, width, preprocess, what)
    _, wanted_height, wanted_width = preprocess.input
    if wanted_width * height >= wanted_height * width:
        height, width = int(wanted_width * height / width), wanted_width
    else:
        height, width = wanted_height, int(wanted_height * width / height)
    top, left = round((height - wanted_height) / 2), round((width - wanted_width) / 2)
    return Geometry(height, width, (left, top, left + wanted_width, top + wanted_height))


def fit(image: Image.Image, plan: Geometry, preprocess: Preprocess) -> Image.Image:
    """Resize and crop one image as planned."""
    if image.size != (plan.width, plan.height):
        image = image.resize((plan.width, plan.height), RESAMPLING[preprocess.interpolation])
    return image.crop(plan.box)


def normalise(images: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.float32]:
    """uint8 (n, H, W, C) to float32 (n, C, H, W), contiguous: (x / 255 - mean) / std."""
    channels, height, width = preprocess.input
    if images.dtype != np.uint8 or images.shape[1:] != (height, width, channels):
        raise UsageError(
            f"the images are {images.dtype} {images.shape}, the network takes uint8 (n, {height}, {width}, {channels})",
            "Pass images as `Dataset.batches` yields them.",
        )
    out = np.empty((len(images), channels, height, width), np.float32)
    np.divide(images.transpose(0, 3, 1, 2), np.float32(255), out=out)
    out -= _floats(preprocess.mean)[:, None, None]
    out /= _floats(preprocess.std)[:, None, None]
    return out


def in_steps(preprocess: Preprocess) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean and the standard deviation of each channel in the steps of a pixel, from 0 to 255."""
    scale = np.float32(255)
    return _floats(preprocess.mean) * scale, _floats(preprocess.std) * scale


def scale_and_shift(preprocess: Preprocess) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For graphs: the same as one product and one sum of each raw value, x * scale + shift."""
    _, steps = in_steps(preprocess)
    return np.float32(1) / steps, -_floats(preprocess.mean) / _floats(preprocess.std)


def renormalised(before: Preprocess, after: Preprocess) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """From one normalisation to another: x * scale + shift."""
    std = _floats(after.std)
    return _floats(before.std) / std, (_floats(before.mean) - _floats(after.mean)) / std


def check_channels(channels: int, preprocess: Preprocess, what: str) -> None:
    """Refuse grey images for an RGB network, and the other way round."""
    wanted = preprocess.input[0]
    if channels != wanted:
        raise UsageError(
            f"{what}: {_colour(channels)} images do not fit the network, which takes {_colour(wanted)} ones",
            f"Use a data set of {_colour(wanted)} images, or a network for {_colour(channels)} ones.",
        )


def _floats(values: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def _colour(channels: int) -> str:
    return {1: "grey", 3: "RGB"}.get(channels, f"{channels}-channel")
