"""Training batches from a data set.

Small images lie on the device as uint8 and are augmented there, a whole batch at a time; files stream in.
"""

from collections.abc import Iterator
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import UsageError
from ..core.types import Preprocess
from ..datasets import ArrayDataset, Dataset, FileDataset
from . import augment
from .augment import Draws
from .distributed import World
from .randomness import generator
from .recipe import Recipe
from .schedule import image_size
from .stream import StreamedBatches


class Batches(Protocol):
    """A source of augmented batches. `epoch` gives the same ones for the same number, whenever it is asked."""

    per_epoch: int

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """This process's part of every batch from `first` on.

        Images float32 (n, C, H, W) on the device, with labels int64 (n,) or soft targets float32 (n, classes), and, of
        `TaughtBatches`, the teacher's logits float32 (n, classes).
        """
        ...


class DeviceBatches:
    """A data set that lies on the device, padded for the random crop.

    Each process draws and augments the whole batch, which costs little, and gives its part: so the parts of all
    processes together are what one process alone would see, mixed images included.
    """

    def __init__(
        self, dataset: ArrayDataset, preprocess: Preprocess, recipe: Recipe, device: torch.device, world: World
    ) -> None:
        images = torch.from_numpy(dataset.images.copy()).to(device)
        self.padded = augment.pad(images, recipe.padding, recipe.padding_mode, preprocess)
        self.labels = torch.from_numpy(dataset.labels).to(device)
        _, height, width, _ = images.shape
        self.full = preprocess.input[1:]
        self.crop = augment.largest_crop((height, width), self.full)
        self.classes, self.preprocess, self.recipe, self.world = len(dataset.classes), preprocess, recipe, world
        self.normalise = augment.Normalise(preprocess, device)
        self.first_mirrored = torch.rand(len(dataset), 1, generator=generator(recipe.seed, "flip")) < 0.5
        self.per_epoch = len(dataset) // recipe.batch

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        order, batch = self.order(number), self.recipe.batch
        size = image_size(self.full, self.recipe, number, self.per_epoch)
        view = self._view(number % self.recipe.teacher_views) if self.recipe.teacher_views else None
        for i in range(first, self.per_epoch):
            random = generator(self.recipe.seed, "augment", number * self.per_epoch + i)
            chosen = order[i * batch : (i + 1) * batch]
            draws = view.of(chosen) if view else self._draw(chosen, number, random)
            images, targets = self._batch(chosen, draws, size, random)
            yield self.world.part(images), self.world.part(targets)

    def order(self, number: int) -> Tensor:
        """The places of all images, as the epoch shows them; on the CPU."""
        return torch.randperm(len(self.labels), generator=generator(self.recipe.seed, "order", number))

    def shown(self, view: int) -> Iterator[NDArray[np.uint8]]:
        """All images in their own order and full size as this view has them, uint8 (n, H, W, C) at a time."""
        colour, everything = augment.mean_colour(self.preprocess), self._view(view)
        for start in range(0, len(self.labels), self.recipe.batch):
            chosen = torch.arange(start, min(start + self.recipe.batch, len(self.labels)))
            draws = everything.of(chosen)
            cropped = augment.crop_and_flip(self.padded, chosen.to(self.labels.device), self.crop, draws)
            images = augment.resize(cropped, self.full, self.preprocess.interpolation).cpu().round().byte()
            hole = augment.blank(draws, self.recipe.cutout, self.full, self.full)
            yield (images if hole is None else torch.where(hole[..., None], colour, images)).numpy()

    def _view(self, number: int) -> Draws:
        """What is drawn once for every image, whichever epochs show it so."""
        everything = torch.arange(len(self.labels))
        return self._draw(everything, number, generator(self.recipe.seed, "view", number))

    def _draw(self, chosen: Tensor, number: int, random: torch.Generator) -> Draws:
        spare = self.padded.shape[1] - self.crop[0], self.padded.shape[2] - self.crop[1]
        draws = augment.draw(len(chosen), spare, self.full, self.recipe, random)
        if self.recipe.alternating_flip:
            draws = draws._replace(mirrored=self.first_mirrored[chosen] ^ bool(number % 2))
        return draws

    def _batch(
        self, chosen: Tensor, draws: Draws, size: tuple[int, int], random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        device, recipe = self.labels.device, self.recipe
        places = chosen.to(device, non_blocking=True)
        cropped = augment.crop_and_flip(self.padded, places, self.crop, draws)
        images = self.normalise(augment.resize(cropped, size, self.preprocess.interpolation))
        hole = augment.blank(draws, recipe.cutout, self.full, size)
        if hole is not None:
            images = images.masked_fill(hole[:, None].to(device, non_blocking=True), 0.0)
        return augment.mix(images, self.labels[places], self.classes, recipe, random)


def batches_for(
    dataset: Dataset, preprocess: Preprocess, recipe: Recipe, device: torch.device, world: World
) -> Batches:
    """Raises UsageError for a batch that the data set cannot fill."""
    check_batch(dataset, recipe)
    if isinstance(dataset, ArrayDataset):
        return DeviceBatches(dataset, preprocess, recipe, device, world)
    return StreamedBatches(cast(FileDataset, dataset), preprocess, recipe, device, world)


def check_batch(dataset: Dataset, recipe: Recipe) -> None:
    """Refuse a batch that the data set cannot fill."""
    if recipe.batch > len(dataset):
        raise UsageError(
            f"a batch of {recipe.batch} images is more than the {len(dataset)} of {dataset.name}'s {dataset.split}",
            f"Choose a smaller one: `batch={len(dataset)}` is the largest.",
        )
