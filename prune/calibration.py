"""The training images that importances are computed from."""

from math import ceil

import torch
from torch import Tensor

from .. import datasets
from ..core.types import Checkpoint
from ..datasets.dataset import Dataset
from ..datasets.preprocess import normalise
from .config import IMAGES, PruneConfig

BATCH = 64  # at most

# Normalised float32 (n, C, H, W), with the labels, int64 (n,).
Batches = list[tuple[Tensor, Tensor]]


def batches(checkpoint: Checkpoint, config: PruneConfig) -> Batches:
    """The `sample`, as the network takes it, in batches of much the same size: statistics are averaged over them."""
    drawn = sample(checkpoint, config)
    size = ceil(len(drawn) / ceil(len(drawn) / BATCH))
    return [
        (torch.from_numpy(normalise(images, checkpoint.preprocess)), torch.from_numpy(labels))
        for images, labels in drawn.batches(checkpoint.preprocess, size)
    ]


def sample(checkpoint: Checkpoint, config: PruneConfig) -> Dataset:
    """From train of the data set that the network was trained on, never from val or test.

    Raises UsageError where that data set's classes are not the network's: the losses would be of wrong labels.
    """
    n = config.images or IMAGES
    drawn = datasets.calibration_sample(checkpoint.dataset, n, config.seed, or_all=config.images is None)
    return drawn.for_network(checkpoint.ref, checkpoint.labels)
