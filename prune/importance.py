"""How much each channel matters: one entry a method, computed by torch-pruning on whole groups of coupled layers."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..core.errors import ReszooError, UsageError
from ..models.resnet import ResNet
from .calibration import Batches
from .dependencies import dependency_groups

Importances = dict[str, NDArray[np.float64]]


class Method(NamedTuple):
    """`make` gives the importance of `torch_pruning.importance`; it reads the mean square of `gradients` in `grad`."""

    make: Callable[[Any], Callable[[Any], Tensor | None]]
    gradients: Literal["none", "batch", "image"] = "none"


# A channel's score is summed over its group's convolutions, linear layers and batch norms' scales; torch-pruning leaves
# out biases and group norms. Its Taylor importance leaves out batch norms too (version 1.6.1), so `taylor` takes the
# Hessian one: both sum weight^2 * gradient^2, where the gradient is of a batch or of a single image.
METHODS: dict[str, Method] = {
    # Li et al. 2017, section 3.1: the sum of absolute weights
    "l1": Method(lambda tp: tp.GroupMagnitudeImportance(p=1, normalizer=None)),
    # Fang et al. 2023, section 3.3, equation 4 without sparse learning: the sum of squares
    "l2": Method(lambda tp: tp.GroupMagnitudeImportance(p=2, normalizer=None)),
    # Liu et al. 2017, section 3: the scale of batch normalisation; channel groups without one are not pruned
    "bn_scale": Method(lambda tp: tp.BNScaleImportance(normalizer=None)),
    # Molchanov et al. 2019, section 3: the sum of (weight x gradient)^2, a gradient a batch, their mean
    "taylor": Method(lambda tp: tp.GroupHessianImportance(normalizer=None), "batch"),
    # LeCun et al. 1989 (optimal brain damage), section 2, with the empirical Fisher diagonal for the Hessian's
    "hessian": Method(lambda tp: tp.GroupHessianImportance(normalizer=None), "image"),
    # He et al. 2019, section 3.4: the distance to all other filters, here of absolute weights, without norms
    "fpgm": Method(lambda tp: tp.FPGMImportance(p=1, normalizer=None)),
    # the control that every other method has to beat
    "random": Method(lambda tp: tp.RandomImportance()),
}


def needs_data(name: str) -> bool:
    """Whether this importance of channels needs images."""
    return METHODS[name].gradients != "none"


def importances(model: ResNet, name: str, data: Batches, seed: int) -> Importances:
    """The importances of each channel group's kept channels, (width,), with mean 1 so that groups can be compared.

    The network is left in eval mode and without gradients.
    """
    from torch_pruning import importance

    method, groups = METHODS[name], dependency_groups(model)
    importance_of = method.make(importance)
    if method.gradients != "none":
        _fill_gradients(model, _images(data) if method.gradients == "image" else data)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        scores = {name: importance_of(group) for name, group in groups.items()}
    model.zero_grad(set_to_none=True)
    scored = {group: _scaled(group, score.double().numpy()) for group, score in scores.items() if score is not None}
    if not scored:
        raise UsageError(f"no layer of this network has what {name} scores channels by", "Choose another `importance`.")
    return scored


def check_finite(what: str, value: float) -> None:
    """Raises ReszooError for an importance that cannot be compared with others."""
    if not math.isfinite(value):
        raise ReszooError(
            f"the importance of {what} is NaN or infinite",
            "Check the checkpoint's accuracy: `bench(REF, accuracy=NAME)`.",
        )


def _scaled(group: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    check_finite(f"channels of {group}", float(scores.sum()))
    mean = float(scores.mean())
    return scores / mean if mean > 0 else scores


def _images(data: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    for inputs, labels in data:
        yield from zip(torch.split(inputs, 1), torch.split(labels, 1), strict=True)


def _fill_gradients(model: ResNet, data: Iterable[tuple[Tensor, Tensor]]) -> None:
    """In each parameter's `grad` the mean square of the loss's gradients over each part of `data`.

    GroupHessianImportance.accumulate_grad would keep the last part's only (torch-pruning 1.6.1).
    """
    parameters = list(model.parameters())
    total, images = [torch.zeros_like(p) for p in parameters], 0
    for inputs, labels in data:
        gradients = torch.autograd.grad(F.cross_entropy(model(inputs), labels), parameters)
        for sum_, gradient in zip(total, gradients, strict=True):
            sum_.add_(gradient.square(), alpha=len(labels))
        images += len(labels)
    for p, summed in zip(parameters, total, strict=True):
        p.grad = summed / images
