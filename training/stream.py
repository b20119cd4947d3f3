"""Large images: decoded and cropped by worker processes, normalised and mixed on the device."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import v2

from ..core.hosts import available_cores
from ..core.types import Preprocess
from ..datasets import FileDataset
from . import augment
from .distributed import World
from .randomness import generator, seed_for
from .recipe import Recipe

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
            _Crops(dataset, preprocess, recipe),
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
    """Random crops, uint8 (H, W, C). What is random depends on the key alone, not on the worker."""

    def __init__(self, dataset: FileDataset, preprocess: Preprocess, recipe: Recipe) -> None:
        self.dataset, self.preprocess, self.seed = dataset, preprocess, recipe.seed
        size = preprocess.input[1:]
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(recipe.crop_scale, 1.0)),
                v2.RandomHorizontalFlip(0.5 if recipe.flip else 0.0),
                v2.PILToTensor(),
            ]
        )

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        epoch, index = key
        torch.manual_seed(seed_for(self.seed, f"crop/{epoch}", index))
        image = self.dataset.picture(self.dataset.indices[index], self.preprocess.input[0])
        return self.transform(image).permute(1, 2, 0), int(self.dataset.labels[index])
