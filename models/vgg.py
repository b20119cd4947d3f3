"""VGG networks with batch norm: Simonyan & Zisserman 2014, table 1, with the norms of Ioffe & Szegedy 2015.

The parameters have torchvision's names.
"""

from itertools import pairwise

from torch import Tensor, nn

from ..core.types import VGGSpec
from .initialising import initialise_he


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each followed by a 2x2 max pool, then dense layers with dropout.

    The first dense layer reads every position that the pools leave, so that its size follows from the input's.

    Shapes: (N, C, H, W) -> (N, num_classes), the logits.
    """

    def __init__(self, spec: VGGSpec) -> None:
        super().__init__()
        self.spec = spec
        channels, *size = spec.input
        layers: list[nn.Module] = []
        for depth, width in zip(spec.depths, spec.widths, strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
            # an odd size is rounded up, so that small images have something left
            layers.append(nn.MaxPool2d(2, 2, ceil_mode=any(side % 2 for side in size)))
            size = [(side + 1) // 2 for side in size]
        self.features = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        dense: list[nn.Module] = []
        widths = (channels * size[0] * size[1], *spec.dense)
        for before, after in pairwise(widths):
            dense += [nn.Linear(before, after), nn.ReLU(inplace=True), nn.Dropout(spec.dropout)]
        self.classifier = nn.Sequential(*dense, nn.Linear(widths[-1], spec.num_classes))
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.flatten(self.features(x)))


def _initialise(module: nn.Module) -> None:
    """He et al. 2015 for convolutions; a standard deviation of 0.01 for dense layers, as Simonyan & Zisserman 2014."""
    initialise_he(module)
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
