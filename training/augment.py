"""Augmentation of whole batches where the data lies. Every function takes the step's own generator.

Images are uint8 (n, H, W, C) until `Normalise` makes them float32 (n, C, H, W) in channels_last order.
"""

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ..core.errors import UsageError
from ..core.types import Preprocess
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
    colour = torch.tensor([round(255 * m) for m in preprocess.mean], dtype=torch.uint8, device=images.device)
    out = colour.expand(n, height + 2 * padding, width + 2 * padding, channels).contiguous()
    out[:, padding : padding + height, padding : padding + width] = images
    return out


def _reflected(length: int, padding: int) -> Tensor:
    """Positions 0 to `length` - 1 with their mirror images on both sides: 2 1 0 1 2 3 2 1."""
    return (length - 1) - ((length - 1) - torch.arange(-padding, length + padding).abs()).abs()


def crop_and_flip(padded: Tensor, chosen: Tensor, size: tuple[int, int], flip: bool, random: Generator) -> Tensor:
    """Cut `size` out of `padded[chosen]` at random places and mirror half of them: one gather for everything.

    padded (N, H', W', C), chosen (n,) -> (n, height, width, C)
    """
    n, (height, width) = len(chosen), size
    top = torch.randint(padded.shape[1] - height + 1, (n, 1), generator=random)
    left = torch.randint(padded.shape[2] - width + 1, (n, 1), generator=random)
    rows, columns = top + torch.arange(height), left + torch.arange(width)  # (n, height), (n, width)
    if flip:
        mirrored = torch.rand(n, 1, generator=random) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows, columns = (index.to(padded.device, non_blocking=True) for index in (rows, columns))
    return padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]


def largest_crop(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the largest part of an image of this size that has the proportions of `wanted`."""
    scale = min(have / want for have, want in zip(size, wanted, strict=True))
    return round(scale * wanted[0]), round(scale * wanted[1])


def resize(images: Tensor, preprocess: Preprocess) -> Tensor:
    """uint8 (n, h, w, C) -> float32 (n, H, W, C) of the network's size; of that size already, they stay uint8."""
    size = preprocess.input[1:]
    if images.shape[1:3] == size:
        return images
    planes = images.permute(0, 3, 1, 2).float()
    resized = F.interpolate(planes, size, mode=preprocess.interpolation, antialias=True)
    return resized.clamp(0, 255).permute(0, 2, 3, 1)


class Normalise:
    """From 0 to 255 (n, H, W, C) -> float32 (n, C, H, W): (x / 255 - mean) / std, with the constants on the device."""

    def __init__(self, preprocess: Preprocess, device: torch.device) -> None:
        self.mean, self.std = (torch.from_numpy(values).to(device) for values in in_steps(preprocess))

    def __call__(self, images: Tensor) -> Tensor:
        return ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)


def cutout(images: Tensor, side: int, random: Generator) -> Tensor:
    """Blank a square around a random point of every image (DeVries & Taylor 2017); part of it may lie outside."""
    n, _, height, width = images.shape
    top = torch.randint(height, (n, 1), generator=random) - side // 2
    left = torch.randint(width, (n, 1), generator=random) - side // 2
    rows, columns = torch.arange(height) - top, torch.arange(width) - left  # (n, height), (n, width)
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return images.masked_fill(inside[:, None].to(images.device, non_blocking=True), 0.0)


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
