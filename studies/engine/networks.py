"""The networks and the images that studies work with. The same seed gives the same ones."""

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ... import datasets, training, zoo
from ...core.types import ModelSpec, Preprocess
from ...datasets.preprocess import normalise
from ...datasets.splits import shuffled
from .recipes import recipe_for

if TYPE_CHECKING:
    from ...datasets.info import Split


class Batch(NamedTuple):
    """Images float32 (n, C, H, W), normalised, and their labels int64 (n,)."""

    images: Tensor
    labels: Tensor

    def to(self, device: str | torch.device) -> "Batch":
        return Batch(self.images.to(device), self.labels.to(device))


class Trained(NamedTuple):
    """A trained network in eval mode, how it is fed, and how many images it was trained with, repeated ones counted."""

    model: nn.Module
    preprocess: Preprocess
    images: int


def spec_for(arch: str, data: str) -> ModelSpec:
    """The named architecture for the images and classes of the data set."""
    return training.spec_for(arch, data, recipe_for(data))


def draw(data: str, split: "Split", preprocess: Preprocess, n: int, seed: int) -> Batch:
    """`n` images of a split, without replacement."""
    images = datasets.load(data, split)
    return _whole(images.subset(shuffled(len(images), seed)[:n]), preprocess)


def part(data: str, split: "Split", preprocess: Preprocess, number: int, parts: int) -> Batch:
    """One of `parts` that the split is dealt out to, in an order that is random and always the same."""
    images = datasets.load(data, split)
    return _whole(images.subset(shuffled(len(images), 0)[number::parts]), preprocess)


def train(arch: str, data: str, seed: int, epochs: int, *, on_gpu: bool) -> Trained:
    """Train the architecture from this seed's weights, with the data set's recipe."""
    device: Literal["cpu", "cuda"] = "cuda" if on_gpu else "cpu"
    recipe = training.override(recipe_for(data), {"epochs": str(epochs), "seed": str(seed)})
    spec = spec_for(arch, data)
    with TemporaryDirectory() as folder:
        model = training.initialised(spec, seed)
        checkpoint = training.fit(model, spec, data, recipe, f"{folder}/run", ref=arch, device=device)
        steps = len(datasets.load(data, recipe.train_on)) // recipe.batch
        return Trained(zoo.build(checkpoint), checkpoint.preprocess, epochs * steps * recipe.batch)


def loaded(ref: str) -> Trained:
    """A network of the catalogue, which is downloaded where it is not here."""
    checkpoint = zoo.load(ref)
    return Trained(zoo.build(checkpoint), checkpoint.preprocess, 0)


def _whole(images: datasets.Dataset, preprocess: Preprocess) -> Batch:
    pixels, labels = next(images.batches(preprocess, len(images)))
    return Batch(torch.from_numpy(normalise(pixels, preprocess)), torch.from_numpy(labels))
