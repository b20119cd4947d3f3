"""Networks with weights that nobody trained, for tests that bring them into the zoo."""

from pathlib import Path

import torch
from torch import nn

from reszoo import models, zoo
from reszoo.core.types import Checkpoint, ModelSpec, Preprocess


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give the norms statistics and scales that differ from 0 and 1, as training does; in eval mode."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, like: torch.Tensor) -> torch.Tensor:
        return torch.empty(like.shape).uniform_(low, high, generator=generator)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(uniform(-0.2, 0.2, module.running_mean))
                module.running_var.copy_(uniform(0.7, 1.3, module.running_var))
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                module.weight.copy_(uniform(0.5, 1.0, module.weight))
                module.bias.copy_(uniform(-0.2, 0.2, module.bias))
    return model.eval()


def untrained(folder: Path, spec: ModelSpec, **filled: float) -> Checkpoint:
    """A checkpoint of such a network, the same each time, for images of three channels and at most 26 classes.

    Tensors that are named (with __ for .) are filled with one value.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        weights = randomise(models.build(spec)).state_dict()
    for name, value in filled.items():
        weights[name.replace("__", ".")].fill_(value)
    return zoo.save(
        folder,
        weights,
        ref="untrained.random",
        spec=spec,
        preprocess=Preprocess(mean=(0.4, 0.5, 0.6), std=(0.25,) * 3, input=spec.input),
        labels=tuple("abcdefghijklmnopqrstuvwxyz"[: spec.num_classes]),
        dataset="none",
        metrics=(),
        licence="MIT",
        provenance=(),
    )
