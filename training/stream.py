"""Large images: decoded and cropped by worker processes, normalised and mixed on the device."""

from collections.abc import Iterator, Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import RandomResizedCrop

from ..core.hosts import available_cores
from ..core.types import Preprocess
from ..datasets import FileDataset
from ..datasets.images import to_array
from ..datasets.preprocess import RESAMPLING
from . import augment
from .distributed import World
from .randomness import generator, seed_for
from .recipe import Recipe
from .schedule import image_size

Key = tuple[int, int]  # epoch and position in the data set


class StreamedBatches:
    """A data set of files. Each process reads only its own part of a batch, and mixes only that with itself."""

    def __init__(
        self, dataset: FileDataset, preprocess: Preprocess, recipe: Recipe, device: torch.device, world: World
    ) -> None:
        self.classes, self.recipe, self.device = len(dataset.classes), recipe, device
        self.normalise = augment.Normalise(preprocess, device)
        self.per_epoch = len(dataset) // recipe.batch
        self.order = _Order(len(dataset), recipe, world)
        self.loader: DataLoader[tuple[Tensor, int]] = DataLoader(
            _Crops(dataset, preprocess, recipe, self.per_epoch),
            batch_sampler=self.order,
            num_workers=available_cores(),
            pin_memory=device.type == "cuda",
            persistent_workers=True,
            # forked off a clean process: this one may have threads, which a fork would leave behind with their locks
            multiprocessing_context="forkserver",
        )

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        self.order.epoch, self.order.first = number, first
        for i, (images, labels) in enumerate(self.loader, first):
            random = generator(self.recipe.seed, "augment", number * self.per_epoch + i)
            images = self.normalise(images.to(self.device, non_blocking=True))
            labels = labels.to(self.device, non_blocking=True)
            yield augment.mix(images, labels, self.classes, self.recipe, random)


class _Order(Sampler[list[Key]]):
    """The keys of this process's part of each batch of `epoch`, from batch `first` on."""

    def __init__(self, n: int, recipe: Recipe, world: World) -> None:
        self.n, self.recipe, self.world = n, recipe, world
        self.epoch = self.first = 0

    def __iter__(self) -> Iterator[list[Key]]:
        size = self.recipe.batch
        order = torch.randperm(self.n, generator=generator(self.recipe.seed, "order", self.epoch))
        for i in range(self.first, self.n // size):
            part = self.world.part(order[i * size : (i + 1) * size])
            yield [(self.epoch, index) for index in part.tolist()]


class _Crops(TorchDataset[tuple[Tensor, int]]):
    """Random crops, uint8 (H, W, C). What is random depends on the key alone, not on the worker.

    The crop is chosen by the file's header, and a JPEG is then decoded at the least size at which the crop still has
    that of the network: decoding is what streaming costs.
    """

    def __init__(self, dataset: FileDataset, preprocess: Preprocess, recipe: Recipe, per_epoch: int) -> None:
        self.dataset, self.preprocess, self.recipe, self.per_epoch = dataset, preprocess, recipe, per_epoch

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        epoch, index = key
        torch.manual_seed(seed_for(self.recipe.seed, f"crop/{epoch}", index))
        stored = int(self.dataset.indices[index])
        height, width = self.dataset.size(stored)
        top, left, h, w = random_crop(height, width, self.recipe.crop_scale)
        is_mirrored = self.recipe.flip and bool(torch.rand(()) < 0.5)
        if self.recipe.alternating_flip:
            is_mirrored = (seed_for(self.recipe.seed, "flip", index) + epoch) % 2 == 1

        channels, *full = self.preprocess.input
        wanted = image_size((full[0], full[1]), self.recipe, epoch, self.per_epoch)
        picture = self.dataset.picture(stored, channels, shrink_for((h, w), wanted))
        x, y = picture.width / width, picture.height / height
        box = (left * x, top * y, (left + w) * x, (top + h) * y)
        crop = picture.resize((wanted[1], wanted[0]), RESAMPLING[self.preprocess.interpolation], box)
        if is_mirrored:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(to_array(crop).copy()), int(self.dataset.labels[index])


def random_crop(height: int, width: int, least: float) -> tuple[int, int, int, int]:
    """Top, left, height and width of a part of an image, of at least this share of its area (Szegedy et al. 2014)."""
    frame = torch.empty(1, height, width, device="meta")
    top, left, h, w = RandomResizedCrop.get_params(frame, [least, 1.0], [3 / 4, 4 / 3])
    return top, left, h, w


def shrink_for(crop: Sequence[int], wanted: Sequence[int]) -> int:
    """8, 4, 2 or 1: how many times smaller a crop may become and still have the `wanted` size."""
    spare = min(have / want for have, want in zip(crop, wanted, strict=True))
    return next((shrink for shrink in (8, 4, 2) if shrink <= spare), 1)
