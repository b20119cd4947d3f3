"""Architectures: a name gives a `ModelSpec` (data), and `build` makes the module. No files, no network.

`spec_of` and `names` are light; torch is imported when `build` is first used.
"""

from typing import TYPE_CHECKING

from ..core.missing import require
from ..core.types import ModelSpec
from .architectures import Architecture as Architecture
from .architectures import built
from .names import names as names
from .names import spec_of as spec_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Architecture", "build", "names", "spec_of"]


def build(spec: ModelSpec) -> "nn.Module":
    """A freshly initialised network of this spec, in training mode."""
    require("torch", "to build a network")
    if spec.builder:
        return built(spec)
    from .resnet import ResNet

    return ResNet(spec)
