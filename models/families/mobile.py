"""Inverted residuals with pre-activation, for phones: `models.mobile` builds them."""

from typing import TYPE_CHECKING

from ...core.types import MobileSpec, ModelSpec
from ..family import Family

if TYPE_CHECKING:
    from torch import nn


NAMED: dict[str, ModelSpec] = {
    "resnet_mobile_v2": MobileSpec(
        depths=(2, 3, 3), widths=(24, 40, 80), stem_width=24, expansion=4, num_classes=10, input=(3, 32, 32)
    )
}


class Mobiles(Family[MobileSpec]):
    """Networks that spend their multiply-adds on 1x1 convolutions, and few on depthwise ones."""

    name = "mobile"
    title = "inverted-residual networks"
    named = NAMED

    def build(self, spec: MobileSpec) -> "nn.Module":
        from ..mobile import MobileNet

        return MobileNet(spec)

    def block(self, model: "nn.Module") -> "nn.Module":
        """The first with a shortcut, else the first."""
        from ..mobile import InvertedResidual

        blocks = [module for module in model.modules() if isinstance(module, InvertedResidual)]
        return next((block for block in blocks if block.has_shortcut), blocks[0])

    def summary(self, spec: MobileSpec) -> str:
        return f"A residual network (v2, {'+'.join(map(str, spec.depths))} inverted blocks)"

    def description(self, spec: MobileSpec) -> dict[str, str]:
        return {
            "family": "v2 (pre-activation), inverted residuals",
            "blocks": f"{'+'.join(map(str, spec.depths))}, {'/'.join(map(str, spec.widths))} channels, "
            f"{spec.expansion} times as many inside",
            "stem": f"3x3, {spec.stem_width} channels",
            "activation": spec.activation,
        }


FAMILY = Mobiles()
