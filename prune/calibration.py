"""The training images that importances are judged on."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import datasets
from ..core.types import Checkpoint
from ..datasets.preprocess import normalise
from ..models.resnet import ResNet
from .config import PruneConfig

BATCH = 64

# Normalised float32 (n, C, H, W), with the labels, int64 (n,).
Batches = list[tuple[Tensor, Tensor]]


def batches(checkpoint: Checkpoint, config: PruneConfig) -> Batches:
    """From train of the data set that the network was trained on, never from val or test."""
    sample = datasets.calibration_sample(checkpoint.dataset, config.images, config.seed)
    return [
        (torch.from_numpy(normalise(images, checkpoint.preprocess)), torch.from_numpy(labels))
        for images, labels in sample.batches(checkpoint.preprocess, BATCH)
    ]


@torch.inference_mode()
def mean_loss(model: ResNet, data: Batches) -> float:
    """Cross-entropy per image."""
    total = sum(float(F.cross_entropy(model(images), labels, reduction="sum")) for images, labels in data)
    return total / sum(len(labels) for _, labels in data)
