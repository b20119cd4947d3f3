"""Inception networks: `models.inception` builds them."""

from typing import TYPE_CHECKING

from ...core.types import InceptionSpec, ModelSpec
from ..family import Family

if TYPE_CHECKING:
    from torch import nn

# Szegedy et al. 2014, table 1: modules 3a and 3b, 4a and 4e, 5a and 5b, at half their widths.
SMALL = (
    ((32, (48, 64), (8, 16), 16), (64, (64, 96), (16, 48), 32)),
    ((96, (48, 104), (8, 24), 32), (128, (80, 160), (16, 64), 64)),
    ((128, (80, 160), (16, 64), 64), (192, (96, 192), (24, 64), 64)),
)
# At two fifths of those, in multiples of 4: as much arithmetic as ResNet-20.
NARROW = (
    ((12, (20, 24), (4, 8), 8), (24, (24, 40), (8, 20), 12)),
    ((40, (20, 40), (4, 8), 12), (52, (32, 64), (8, 24), 24)),
    ((52, (32, 64), (8, 24), 24), (76, (40, 76), (8, 24), 24)),
)
NAMED: dict[str, ModelSpec] = {
    "inception6_bn_cifar": InceptionSpec(stem_width=64, stages=SMALL, num_classes=10, input=(3, 32, 32)),
    "inception6_narrow_bn_cifar": InceptionSpec(stem_width=24, stages=NARROW, num_classes=10, input=(3, 32, 32)),
}


class Inceptions(Family[InceptionSpec]):
    """Networks of Inception modules with 1x1 reductions."""

    name = "inception"
    title = "Inception networks"
    named = NAMED

    def build(self, spec: InceptionSpec) -> "nn.Module":
        from ..inception import InceptionNet

        return InceptionNet(spec)

    def summary(self, spec: InceptionSpec) -> str:
        return f"An Inception network ({'+'.join(str(len(modules)) for modules in spec.stages)} modules)"

    def description(self, spec: InceptionSpec) -> dict[str, str]:
        modules = "+".join(str(len(modules)) for modules in spec.stages)
        return {
            "family": "Inception v1, with batch norm",
            "modules": f"{modules}, of 1x1, 3x3, 5x5 and pooled branches",
            "stem": f"3x3, {spec.stem_width} channels",
        }


FAMILY = Inceptions()
