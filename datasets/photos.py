"""Real pictures for a model whose own data set is not here: crops of two photographs that come with reszoo."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.types import Preprocess
from .builtin import PICTURES
from .images import MODES, to_array
from .preprocess import check_channels

PHOTOGRAPHS = ("china.jpg", "flower.jpg")
SCALES = (0.2, 1.0)  # of the largest crop that fits the photograph
SHORTEST = 24  # pixels of a picture's side


def crops(n: int, preprocess: Preprocess, seed: int) -> NDArray[np.uint8]:
    """uint8 (n, H, W, C) at the network's input size: `n` random crops of varied scale, half of them mirrored."""
    _, height, width = preprocess.input
    photographs, random = _photographs(preprocess), np.random.default_rng(seed)
    return np.stack([_crop(photographs[random.integers(len(photographs))], (width, height), random) for _ in range(n)])


def pictures(n: int, preprocess: Preprocess, seed: int, *, tallest: float = 2.0) -> list[Image.Image]:
    """`n` random parts of them, of any size, grey or RGB as the network is, at most `tallest` times as high as wide.

    Pillow 13 resizes what is more than twice as high as wide in another order of steps than older ones.
    """
    photographs, random = _photographs(preprocess), np.random.default_rng(seed)
    return [_part(photographs[random.integers(len(photographs))], random, tallest) for _ in range(n)]


def _photographs(preprocess: Preprocess) -> list[Image.Image]:
    channels = preprocess.input[0]
    if channels not in MODES:
        check_channels(3, preprocess, "photos")
    return [Image.open(PICTURES / name).convert(MODES[channels]) for name in PHOTOGRAPHS]


def _part(photograph: Image.Image, random: np.random.Generator, tallest: float) -> Image.Image:
    width, height = (int(random.integers(SHORTEST, side + 1)) for side in photograph.size)
    height = min(height, int(tallest * width))
    left, top = int(random.integers(photograph.width - width + 1)), int(random.integers(photograph.height - height + 1))
    return photograph.crop((left, top, left + width, top + height))


def _crop(photograph: Image.Image, size: tuple[int, int], random: np.random.Generator) -> NDArray[np.uint8]:
    scale = random.uniform(*SCALES) * min(photograph.width / size[0], photograph.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    left, top = random.uniform(0, photograph.width - width), random.uniform(0, photograph.height - height)
    box = (left, top, left + width, top + height)
    crop = photograph.resize(size, Image.Resampling.BICUBIC, box=box)
    return to_array(crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else crop)
