"""Accuracy of a network in training: in fp32, through the same preprocessing as in deployment."""

import torch
from torch import nn

from .. import datasets, zoo
from ..core.measured import Accuracy
from ..core.threads import torch_threads
from ..core.types import Checkpoint, Preprocess
from ..datasets import Dataset
from ..datasets.info import Split
from ..datasets.preprocess import normalise
from ..datasets.splits import shuffled

BATCH = 500


@torch.inference_mode()
def count_correct(model: nn.Module, dataset: Dataset, preprocess: Preprocess, device: torch.device) -> int:
    """How many images get their label as top-1 answer. Every layer is left in the mode that it was in."""
    in_training = [module for module in model.modules() if module.training]
    model.eval()
    correct = 0
    for images, labels in dataset.batches(preprocess, BATCH):
        inputs = torch.from_numpy(normalise(images, preprocess)).to(device, memory_format=torch.channels_last)
        correct += int((model(inputs).argmax(1).cpu() == torch.from_numpy(labels)).sum())
    for module in in_training:
        module.training = True
    return correct


def accuracy_of(checkpoint: Checkpoint, split: Split, most: int) -> Accuracy:
    """On the data set that it was trained on, on the CPU; of more images than `most`, that many are drawn."""
    images = datasets.load(checkpoint.dataset, split).for_network(checkpoint.ref, checkpoint.labels)
    if len(images) > most:
        images = images.subset(shuffled(len(images), 0)[:most])
    with torch_threads():
        correct = count_correct(zoo.build(checkpoint), images, checkpoint.preprocess, torch.device("cpu"))
    return Accuracy(dataset=checkpoint.dataset, split=split, n=len(images), correct=correct)
