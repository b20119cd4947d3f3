"""The preprocessing that is assumed of foreign weights where nobody says another: that of the layout's public weights.

Weights do not tell how their images were normalised. The cards of the catalogue do, for those that others published.
"""

from typing import NamedTuple

from msgspec.structs import asdict

from ..core.types import ModelSpec

SMALL = 64  # the side in pixels up to which a network's images are taken for CIFAR's


class Assumption(NamedTuple):
    """What is assumed of a layout's networks that have these fields.

    layout      "" for any
    fields      of the spec
    preprocess  as `preprocess` of an import has it
    whose       weights are fed so
    """

    layout: str
    fields: dict[str, object]
    preprocess: str
    whose: str


# The first line that fits counts.
ASSUMPTIONS = (
    Assumption("akamaster", {"stem": "cifar", "shortcut": "A"}, "imagenet", "akamaster's"),  # at CIFAR's size
    Assumption(
        "timm_resnetv2",
        {"stem": "imagenet", "block_type": "basic"},
        "mean=0.5,std=0.5,resize=248,crop=224,interpolation=bicubic",
        "timm's resnetv2_18 and resnetv2_34",
    ),
    Assumption(
        "timm_resnetv2",
        {"stem": "imagenet"},
        "mean=0.5,std=0.5,resize=235,crop=224,interpolation=bicubic",
        "timm's resnetv2_50 and resnetv2_101",
    ),
    Assumption("", {"stem": "imagenet"}, "imagenet", "torchvision's"),
    Assumption("", {"stem": "cifar"}, "cifar10", "chenyaofo's"),
)


def assumption(layout: str, spec: ModelSpec) -> Assumption:
    """What is assumed of a network whose weights had this layout."""
    facts = {"stem": "cifar" if spec.input[1] <= SMALL else "imagenet"} | asdict(spec)
    return next(each for each in ASSUMPTIONS if each.layout in ("", layout) and each.fields.items() <= facts.items())
