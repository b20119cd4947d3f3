"""How a gradient's norm changes from layer to layer, in networks, and in chains where it is known."""

import math
from collections.abc import Sequence
from statistics import linear_regression
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

CHAIN = 20  # linear layers, of 64 values each
IMAGES = 16


def factor_per_layer(norms: Sequence[float], layers: int) -> float:
    """How much the norm grows with each layer towards the input: the slope of a least-squares line through the logs.

    `layers` is the number of layers between two neighbouring norms. Norms of exactly 0 are left out; of fewer than two
    others there is no line, and the factor is 0.
    """
    known = [(-layers * number, math.log(norm)) for number, norm in enumerate(norms) if norm]
    if len(known) < 2:
        return 0.0
    places, logs = zip(*known, strict=True)
    return math.exp(linear_regression(places, logs).slope)


def block_norms(model: "nn.Module", images: "Tensor", labels: "Tensor") -> tuple[list[float], int]:
    """Of the cross-entropy's gradient by block, and how many convolutions a block has."""
    from torch.nn import functional as F

    from ...models.probes import blocks_of, gradient_norms

    norms = gradient_norms(model, lambda model: F.cross_entropy(model(images), labels))
    return list(norms.values()), len(next(iter(blocks_of(model).values())).convs)


def chain_factor(gain: float, seed: int) -> float:
    """The factor of `CHAIN` random rotations, each times `gain`."""
    import torch
    from torch import nn

    from ...models.probes import gradient_norms

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(64, 64, bias=False).double() for _ in range(CHAIN)]
        for layer in layers:
            nn.init.orthogonal_(layer.weight, gain)
        x, direction = torch.randn(IMAGES, 64).double(), torch.randn(64).double()
    names = [str(number) for number in range(CHAIN)]
    norms = gradient_norms(nn.Sequential(*layers), lambda model: (model(x) @ direction).sum(), names)
    return factor_per_layer(list(norms.values()), layers=1)
