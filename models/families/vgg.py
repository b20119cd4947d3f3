"""VGG networks with batch norm: `models.vgg` builds them."""

from typing import TYPE_CHECKING

from ...core.types import ModelSpec, VGGSpec
from ..family import Family

if TYPE_CHECKING:
    from torch import nn

# Simonyan & Zisserman 2014, table 1, columns A, B, D and E: convolutions a stage.
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _named(depth: int) -> dict[str, ModelSpec]:
    """Of ImageNet's size with torchvision's name, and for CIFAR: 512 features instead of 512 x 7 x 7."""
    return {
        f"vgg{depth}_bn": VGGSpec(depths=DEPTHS[depth], num_classes=1000, input=(3, 224, 224)),
        f"vgg{depth}_bn_cifar": VGGSpec(depths=DEPTHS[depth], num_classes=10, input=(3, 32, 32)),
    }


NAMED = {name: spec for depth in DEPTHS for name, spec in _named(depth).items()}


class VGGs(Family[VGGSpec]):
    """Networks without shortcuts, and with most of their parameters in dense layers."""

    name = "vgg"
    title = "VGG networks"
    named = NAMED

    def head(self, spec: VGGSpec) -> str:
        return f"classifier.{3 * len(spec.dense)}"

    def build(self, spec: VGGSpec) -> "nn.Module":
        from ..vgg import VGG

        return VGG(spec)

    def block(self, model: "nn.Module") -> "nn.Module":
        """The first stage: up to the first pool."""
        from torch import nn

        features = list(model.get_submodule("features").children())
        pool = next(place for place, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d))
        return nn.Sequential(*features[: pool + 1])

    def summary(self, spec: VGGSpec) -> str:
        return f"A VGG network ({'+'.join(map(str, spec.depths))} convolutions, {len(spec.dense) + 1} dense layers)"

    def description(self, spec: VGGSpec) -> dict[str, str]:
        return {
            "family": "VGG, with batch norm",
            "convolutions": f"{'+'.join(map(str, spec.depths))}, {'/'.join(map(str, spec.widths))} channels",
            "dense layers": f"{'/'.join(map(str, spec.dense)) or 'none'} before the last, dropout {spec.dropout:g}",
        }


FAMILY = VGGs()
