"""Sparse learning: training pushes whole channels towards zero, so that little is lost when they go."""

import torch
from torch import Tensor, nn

from ..models.pruning import layers
from ..models.resnet import ResNet

ALPHA = 4.0  # the least important channel shrinks 2 ** ALPHA times as fast as the most important one


class GroupSparsity:
    """Group-norm regularisation of all coupled weights (Fang et al. 2023, section 3.3, equations 4 and 5).

    To be called between backward and the optimiser's step. Channel k of a channel group gets the shrinkage
    strength * 2 ** (alpha * (I_max - I_k) / (I_max - I_min)) on all weights that write or read it, where I is the
    norm of those weights.
    """

    def __init__(self, model: ResNet, strength: float, alpha: float = ALPHA) -> None:
        self.strength, self.alpha = strength, alpha
        self.groups: dict[str, list[tuple[nn.Parameter, int]]] = {}
        for name, axes in layers(model.spec).items():
            weight = getattr(model.get_submodule(name), "weight", None)  # there is none without norms
            for dimension, group in enumerate(axes):
                if group and weight is not None:
                    self.groups.setdefault(group.name, []).append((weight, dimension))

    @torch.no_grad()
    def __call__(self) -> None:
        for members in self.groups.values():
            norms = torch.stack([by_channel(w, dim).square().sum(1) for w, dim in members]).sum(0).sqrt()
            spread = norms.max() - norms.min()
            # all alike: all shrink as the most important one
            distance = (norms.max() - norms) / spread.clamp(min=torch.finfo(norms.dtype).tiny)
            shrinkage = self.strength * 2 ** (self.alpha * distance)
            for weight, dimension in members:
                if weight.grad is not None:
                    shape = [-1 if d == dimension else 1 for d in range(weight.ndim)]
                    weight.grad += shrinkage.view(shape) * weight


def by_channel(weight: Tensor, dimension: int) -> Tensor:
    """(channels, everything else)"""
    return weight.transpose(0, dimension).flatten(1) if weight.ndim > 1 else weight[:, None]
