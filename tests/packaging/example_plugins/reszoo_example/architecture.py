"""Two architectures: a network of our own, and one of reszoo's assembly with other numbers."""

from typing import TYPE_CHECKING

from reszoo.core.types import ModelSpec
from reszoo.models import Architecture

if TYPE_CHECKING:
    from torch import nn

SPEC = ModelSpec(
    family="plain",
    block_type="basic",
    depths=(1,),
    widths=(8,),
    stem_width=8,
    stem="cifar",
    shortcut="A",
    num_classes=10,
    input=(1, 8, 8),
)


def build(spec: ModelSpec) -> "nn.Module":
    from torch import nn

    convolution = nn.Conv2d(spec.input[0], 8, 3, padding=1)
    return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, spec.num_classes))


ARCHITECTURE = Architecture(name="example", spec=SPEC, build=build)
DEEPER = Architecture(
    name="example14",
    spec=ModelSpec(
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
