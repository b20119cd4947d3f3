"""Densely connected networks: Huang et al. 2017 ("Densely connected convolutional networks"), section 3."""

from functools import partial

import torch
from torch import Tensor, nn

from ..core.types import DenseNetSpec
from .initialising import initialise_he

BOTTLENECK = 4  # channels of a bottleneck's 1x1 over the growth


def preactivated(source: int, *shapes: tuple[int, int]) -> nn.Sequential:
    """Convolutions of these channels and kernels with norm and activation in front: the order of He et al. 2016."""
    layers = nn.Sequential()
    for number, (target, kernel) in enumerate(shapes, 1):
        layers.add_module(f"norm{number}", nn.BatchNorm2d(source))
        layers.add_module(f"act{number}", nn.ReLU(inplace=True))
        layers.add_module(f"conv{number}", nn.Conv2d(source, target, kernel, padding=kernel // 2, bias=False))
        source = target
    return layers


class DenseLayer(nn.Module):
    """What a residual block adds, it appends: y = [x, h(x)].

    Shapes: (N, source, H, W) -> (N, source + growth, H, W).
    """

    def __init__(self, source: int, spec: DenseNetSpec) -> None:
        super().__init__()
        squeeze = ((BOTTLENECK * spec.growth, 1),) if spec.bottleneck else ()
        self.branch = preactivated(source, *squeeze, (spec.growth, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.branch(x)], 1)


class DenseNet(nn.Module):
    """Stem, stages of dense layers with transitions between them, global average pool, linear classifier.

    A transition is a 1x1 convolution and a 2x2 average pool.

    Shapes: (N, C, H, W) -> (N, num_classes), the logits.
    """

    def __init__(self, spec: DenseNetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = nn.Conv2d(spec.input[0], spec.stem_width, 3, padding=1, bias=False)
        self.stages, width = nn.Sequential(), spec.stem_width
        for number, depth in enumerate(spec.depths):
            stage = nn.Sequential()
            if number:
                compressed = max(int(width * spec.compression), 1)
                transition = preactivated(width, (compressed, 1))
                transition.add_module("pool", nn.AvgPool2d(2))
                stage.add_module("transition", transition)
                width = compressed
            for position in range(depth):
                stage.add_module(str(position), DenseLayer(width, spec))
                width += spec.growth
            self.stages.append(stage)
        self.final = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(width, spec.num_classes)
        self.apply(partial(initialise_he, fan="in"))  # as Huang et al. 2017 do

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flatten(self.pool(self.final(self.stages(self.stem(x))))))
