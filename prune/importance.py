"""How much each channel matters: one entry a method, computed by torch-pruning on whole groups of coupled layers."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..core.errors import ReszooError, UsageError
from ..models.resnet import ResNet
from .calibration import Batches
from .groups import check_installed, groups

Importances = dict[str, NDArray[np.float64]]


class Method(NamedTuple):
    """`make` gives the scorer of `torch_pruning.importance`; `gradients` is what it wants to find in `grad`."""

    make: Callable[[Any], Callable[[Any], Tensor | None]]
    gradients: Literal["none", "mean", "squared"] = "none"


# Scores of a channel's slices are averaged over the layers of its group (Fang et al. 2023, section 3.3).
METHODS: dict[str, Method] = {
    # Li et al. 2017, section 3.1: the sum of absolute weights
    "l1": Method(lambda tp: tp.GroupMagnitudeImportance(p=1, normalizer=None)),
    # Fang et al. 2023, section 3.3, equation 4 without sparse learning: the sum of squares
    "l2": Method(lambda tp: tp.GroupMagnitudeImportance(p=2, normalizer=None)),
    # Liu et al. 2017, section 3: the scale of batch normalisation; spaces without one are kept whole
    "bn_scale": Method(lambda tp: tp.BNScaleImportance(normalizer=None)),
    # Molchanov et al. 2019, section 3.1: the first-order change of the loss, |weight x gradient|
    "taylor": Method(lambda tp: tp.GroupTaylorImportance(normalizer=None), "mean"),
    # LeCun et al. 1989 (optimal brain damage), section 2, with the empirical Fisher diagonal for the Hessian's
    "hessian": Method(lambda tp: tp.GroupHessianImportance(normalizer=None), "squared"),
    # He et al. 2019, section 3.2: the distance to all other filters, here of absolute weights
    "fpgm": Method(lambda tp: tp.FPGMImportance(p=1, normalizer=None)),
    # the control that every other method has to beat
    "random": Method(lambda tp: tp.RandomImportance()),
}


def needs_data(name: str) -> bool:
    return METHODS[name].gradients != "none"


def importances(model: ResNet, name: str, data: Batches, seed: int) -> Importances:
    """Of every space its kept channels' importances, (width,), with mean 1 so that spaces can be compared.

    The network is left in eval mode and without gradients.
    """
    check_installed()
    from torch_pruning import importance

    method, found = METHODS[name], groups(model)
    scorer = method.make(importance)
    if method.gradients != "none":
        _fill_gradients(model, data, squared=method.gradients == "squared")
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        scores = {space: scorer(group) for space, group in found.items()}
    model.zero_grad(set_to_none=True)
    judged = {space: _scaled(space, score.double().numpy()) for space, score in scores.items() if score is not None}
    if not judged:
        raise UsageError(f"no layer of this network has what {name} judges by", "Choose another --importance.")
    return judged


def _scaled(space: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(scores).all():
        raise ReszooError(
            f"the importance of channels of {space} is NaN or infinite",
            "Check the checkpoint's accuracy: reszoo bench REF --accuracy NAME.",
        )
    mean = float(scores.mean())
    return scores / mean if mean > 0 else scores


def _fill_gradients(model: ResNet, data: Batches, squared: bool) -> None:
    """The loss's gradient over all images, or the mean of the squares of each image's own.

    GroupHessianImportance.accumulate_grad would keep the last image's only (torch-pruning 1.6.1).
    """
    parameters = list(model.parameters())
    total = [torch.zeros_like(p) for p in parameters]
    images = sum(len(labels) for _, labels in data)
    for inputs, labels in data:
        size = 1 if squared else len(labels)
        for part, wanted in zip(torch.split(inputs, size), torch.split(labels, size), strict=True):
            loss = F.cross_entropy(model(part), wanted, reduction="sum")
            gradients = torch.autograd.grad(loss, parameters)
            for sum_, gradient in zip(total, gradients, strict=True):
                sum_.add_(gradient.square() if squared else gradient, alpha=1 / images)
    for p, gradient in zip(parameters, total, strict=True):
        p.grad = gradient
