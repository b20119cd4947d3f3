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


def crops(n: int, preprocess: Preprocess, seed: int) -> NDArray[np.uint8]:
    """uint8 (n, H, W, C) at the network's input size: `n` random crops of varied scale, half of them mirrored."""
    channels, height, width = preprocess.input
    if channels not in MODES:
        check_channels(3, preprocess, "photos")
    photographs = [Image.open(PICTURES / name).convert(MODES[channels]) for name in PHOTOGRAPHS]
    random = np.random.default_rng(seed)
    return np.stack([_crop(photographs[random.integers(len(photographs))], (width, height), random) for _ in range(n)])


def _crop(photograph: Image.Image, size: tuple[int, int], random: np.random.Generator) -> NDArray[np.uint8]:
    scale = random.uniform(*SCALES) * min(photograph.width / size[0], photograph.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    left, top = random.uniform(0, photograph.width - width), random.uniform(0, photograph.height - height)
    box = (left, top, left + width, top + height)
    crop = photograph.resize(size, Image.Resampling.BICUBIC, box=box)
    return to_array(crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else crop)
