"""Augmentation of whole batches where the data lies. What is random is drawn first, from the step's own generator.

Images are uint8 (n, H, W, C) until `Normalise` makes them float32 (n, C, H, W) in channels_last order.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ..core.errors import UsageError
from ..core.types import Interpolation, Preprocess
from ..datasets.preprocess import in_steps
from .recipe import Recipe


def pad(images: Tensor, padding: int, mode: str, preprocess: Preprocess) -> Tensor:
    """(n, H, W, C) -> (n, H + 2 padding, W + 2 padding, C)."""
    n, height, width, channels = images.shape
    if padding >= min(height, width):
        raise UsageError(
            f"padding={padding} is as much as the images have: they are {width}x{height}",
            f"Give less, such as padding={min(height, width) // 8}.",
        )
    if mode == "reflect":
        rows, columns = (_reflected(length, padding).to(images.device) for length in (height, width))
        return images[:, rows][:, :, columns]
    out = (
        mean_colour(preprocess)
        .to(images.device)
        .expand(n, height + 2 * padding, width + 2 * padding, channels)
        .contiguous()
    )
    out[:, padding : padding + height, padding : padding + width] = images
    return out


def mean_colour(preprocess: Preprocess) -> Tensor:
    """uint8 (C,)"""
    return torch.tensor([round(255 * m) for m in preprocess.mean], dtype=torch.uint8)


def _reflected(length: int, padding: int) -> Tensor:
    """Positions 0 to `length` - 1 with their mirror images on both sides: 2 1 0 1 2 3 2 1."""
    return (length - 1) - ((length - 1) - torch.arange(-padding, length + padding).abs()).abs()


class Draws(NamedTuple):
    """What is random about n images but their mixing, each (n, 1) on the CPU.

    top, left    of the crop in the padded image
    mirrored     whether it is; None: no image is
    row, column  the middle of the blank square in an image of full size; None: there is none
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor | None
    row: Tensor | None
    column: Tensor | None

    def of(self, chosen: Tensor) -> "Draws":
        """Those of some of the images."""
        mirrored, row, column = (None if each is None else each[chosen] for each in self[2:])
        return Draws(self.top[chosen], self.left[chosen], mirrored, row, column)


def draw(n: int, spare: tuple[int, int], full: tuple[int, int], recipe: Recipe, random: Generator) -> Draws:
    """For `n` images of the network's size `full`, whose crops may move by `spare` pixels down and to the right."""
    top, left = (torch.randint(pixels + 1, (n, 1), generator=random) for pixels in spare)
    mirrored = torch.rand(n, 1, generator=random) < 0.5 if recipe.flip else None
    row, column = (torch.randint(side, (n, 1), generator=random) if recipe.cutout else None for side in full)
    return Draws(top, left, mirrored, row, column)


def crop_and_flip(padded: Tensor, chosen: Tensor, size: tuple[int, int], draws: Draws) -> Tensor:
    """Cut `size` out of `padded[chosen]` and mirror what is to be: one gather for everything.

    padded (N, H', W', C), chosen (n,) -> (n, height, width, C)
    """
    height, width = size
    rows, columns = draws.top + torch.arange(height), draws.left + torch.arange(width)  # (n, height), (n, width)
    if draws.mirrored is not None:
        columns = torch.where(draws.mirrored, columns.flip(1), columns)
    rows, columns = (index.to(padded.device, non_blocking=True) for index in (rows, columns))
    return padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]


def largest_crop(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the largest part of an image of this size that has the proportions of `wanted`."""
    scale = min(have / want for have, want in zip(size, wanted, strict=True))
    return round(scale * wanted[0]), round(scale * wanted[1])


def resize(images: Tensor, size: tuple[int, int], interpolation: Interpolation) -> Tensor:
    """uint8 (n, h, w, C) -> float32 (n, H, W, C) of this size; of that size already, they stay uint8."""
    if images.shape[1:3] == size:
        return images
    planes = images.permute(0, 3, 1, 2).float()
    resized = F.interpolate(planes, size, mode=interpolation, antialias=True)
    return resized.clamp(0, 255).permute(0, 2, 3, 1)


class Normalise:
    """From 0 to 255 (n, H, W, C) -> float32 (n, C, H, W): (x / 255 - mean) / std, with the constants on the device."""

    def __init__(self, preprocess: Preprocess, device: torch.device) -> None:
        self.mean, self.std = (torch.from_numpy(values).to(device) for values in in_steps(preprocess))

    def __call__(self, images: Tensor) -> Tensor:
        return ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)


def blank(draws: Draws, side: int, full: tuple[int, int], size: tuple[int, int]) -> Tensor | None:
    """Where images of this size are blank by cutout (DeVries & Taylor 2017), bool (n, height, width).

    A square around a random point, `side` pixels long in images of the size `full`; part of it may lie outside. None
    where nothing is drawn.
    """
    if draws.row is None or draws.column is None:
        return None
    rows, columns = (
        (torch.arange(length) + 0.5) * (whole / length) - (middle - side // 2)  # (n, height), (n, width)
        for middle, whole, length in zip((draws.row, draws.column), full, size, strict=True)
    )
    return ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]


def mix(images: Tensor, labels: Tensor, classes: int, recipe: Recipe, random: Generator) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al. 2017) or cutmix (Yun et al. 2019) of a batch with itself: soft targets (n, classes)."""
    methods = [name for name in ("mixup", "cutmix") if getattr(recipe, name) > 0]
    if not methods:
        return images, labels
    method = methods[int(torch.randint(len(methods), (), generator=random))]
    share = _beta(getattr(recipe, method), random)
    partner = torch.randperm(len(images), generator=random).to(images.device)
    targets = F.one_hot(labels, classes).float()
    if method == "mixup":
        images = images.lerp(images[partner], 1 - share)
    else:
        images, share = _paste(images, partner, share, random)
    return images, targets.lerp(targets[partner], 1 - share)


def _paste(images: Tensor, partner: Tensor, share: float, random: Generator) -> tuple[Tensor, float]:
    """Paste a box of the partner that leaves about `share` of the image; give the share that it really leaves."""
    height, width = images.shape[2:]
    side = (1 - share) ** 0.5
    middle = torch.rand(2, generator=random).tolist()
    top, bottom = _span(middle[0], side, height)
    left, right = _span(middle[1], side, width)
    pasted = images.clone()
    pasted[:, :, top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)


def _span(middle: float, side: float, length: int) -> tuple[int, int]:
    start, stop = (middle - side / 2) * length, (middle + side / 2) * length
    return max(round(start), 0), min(round(stop), length)


def _beta(alpha: float, random: Generator) -> float:
    """Beta(alpha, alpha) by numpy, because torch's own takes no generator."""
    return float(np.random.default_rng(int(torch.randint(2**62, (), generator=random))).beta(alpha, alpha))
