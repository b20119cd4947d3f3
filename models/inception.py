"""Inception networks: Szegedy et al. 2014 ("Going deeper with convolutions"), with norms (Ioffe & Szegedy 2015)."""

import torch
from torch import Tensor, nn

from ..core.types import InceptionSpec, InceptionWidths
from .initialising import initialise_he


class ConvNormAct(nn.Sequential):
    """A convolution that keeps the size, its norm and a ReLU."""

    def __init__(self, source: int, target: int, kernel: int) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(source, target, kernel, padding=kernel // 2, bias=False))
        self.add_module("norm", nn.BatchNorm2d(target))
        self.add_module("act", nn.ReLU(inplace=True))


class Inception(nn.Module):
    """Four views of the same features side by side: Szegedy et al. 2014, figure 2b.

    1x1; 1x1 and 3x3; 1x1 and 5x5; 3x3 max pool and 1x1. The 1x1 in front of a larger kernel leaves it few channels.

    Shapes: (N, source, H, W) -> (N, sum of the branches' widths, H, W).
    """

    def __init__(self, source: int, widths: InceptionWidths) -> None:
        super().__init__()
        one, (reduce3, three), (reduce5, five), pooled = widths
        self.branch1 = ConvNormAct(source, one, 1)
        self.branch3 = nn.Sequential(ConvNormAct(source, reduce3, 1), ConvNormAct(reduce3, three, 3))
        self.branch5 = nn.Sequential(ConvNormAct(source, reduce5, 1), ConvNormAct(reduce5, five, 5))
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), ConvNormAct(source, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], 1)


class InceptionNet(nn.Module):
    """Stem, stages of Inception modules with a max pool between them, global average pool, linear classifier.

    Shapes: (N, C, H, W) -> (N, num_classes), the logits.
    """

    def __init__(self, spec: InceptionSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = ConvNormAct(spec.input[0], spec.stem_width, 3)
        self.stages, source = nn.Sequential(), spec.stem_width
        for number, modules in enumerate(spec.stages):
            stage = nn.Sequential()
            if number:
                stage.add_module("pool", nn.MaxPool2d(3, 2, padding=1))
            for position, widths in enumerate(modules):
                stage.add_module(str(position), Inception(source, widths))
                source = outputs(widths)
            self.stages.append(stage)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(source, spec.num_classes)
        self.apply(initialise_he)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flatten(self.pool(self.stages(self.stem(x)))))


def outputs(widths: InceptionWidths) -> int:
    """The channels that a module gives."""
    one, (_, three), (_, five), pooled = widths
    return one + three + five + pooled
