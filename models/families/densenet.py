"""Densely connected networks: `models.densenet` builds them."""

from typing import TYPE_CHECKING

from ...core.types import DenseNetSpec, ModelSpec
from ..family import Family

if TYPE_CHECKING:
    from torch import nn


# Huang et al. 2017, table 2. The depth counts the stem, the transitions and the classifier.
NAMED: dict[str, ModelSpec] = {
    "densenet40_k12_cifar": DenseNetSpec(
        depths=(12, 12, 12), growth=12, stem_width=16, num_classes=10, input=(3, 32, 32)
    ),
    "densenet_bc100_k12_cifar": DenseNetSpec(
        depths=(16, 16, 16),
        growth=12,
        bottleneck=True,
        compression=0.5,
        stem_width=24,
        num_classes=10,
        input=(3, 32, 32),
    ),
}


class DenseNets(Family[DenseNetSpec]):
    """Networks whose layers read the outputs of all layers before them."""

    name = "densenet"
    title = "densely connected networks"
    named = NAMED

    def build(self, spec: DenseNetSpec) -> "nn.Module":
        from ..densenet import DenseNet

        return DenseNet(spec)

    def summary(self, spec: DenseNetSpec) -> str:
        return f"A densely connected network ({'+'.join(map(str, spec.depths))} layers, growth {spec.growth})"

    def description(self, spec: DenseNetSpec) -> dict[str, str]:
        kind = "1x1 and 3x3" if spec.bottleneck else "3x3"
        return {
            "family": "densely connected (pre-activation)",
            "layers": f"{'+'.join(map(str, spec.depths))} of {kind}, {spec.growth} channels each",
            "transitions": f"1x1 to {spec.compression:g} of the channels, average pool",
        }


FAMILY = DenseNets()
