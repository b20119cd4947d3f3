"""Two architectures: a network of our own, and one of reszoo's residual networks with other numbers."""

from typing import TYPE_CHECKING

from reszoo.core.types import ForeignSpec, ResNetSpec
from reszoo.models import Architecture

if TYPE_CHECKING:
    from torch import nn


def build(spec: ForeignSpec) -> "nn.Module":
    from torch import nn

    convolution = nn.Conv2d(spec.input[0], 8, 3, padding=1)
    return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, spec.num_classes))


ARCHITECTURE = Architecture(
    name="example", spec=ForeignSpec(builder="example", num_classes=10, input=(1, 8, 8)), build=build
)
DEEPER = Architecture(
    name="example14",
    spec=ResNetSpec(
        family="v1",
        block_type="basic",
        depths=(2, 2, 2),
        widths=(16, 32, 64),
        stem_width=16,
        stem="cifar",
        shortcut="A",
        num_classes=10,
        input=(1, 8, 8),
    ),
)
