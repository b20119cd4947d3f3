"""Batch norms of a network that is not trained any more, folded into the convolutions before them."""

from collections.abc import Iterator
from copy import deepcopy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .resnet import Block

M = TypeVar("M", bound=nn.Module)
Place = tuple[nn.ModuleList | nn.Sequential, int]


def folded(network: M) -> M:
    """A copy in eval mode with the same answers, up to rounding, and fewer passes over its activations.

    Of a v2 block, the first norm stays: an addition comes before it, not a convolution.
    """
    network = deepcopy(network).eval()
    for (convs, i), (norms, k) in _neighbours(network):
        conv, norm = convs[i], norms[k]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            convs[i], norms[k] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return network


def _neighbours(network: nn.Module) -> Iterator[tuple[Place, Place]]:
    """Where a layer takes nothing but the other's output."""
    for module in network.modules():
        if isinstance(module, Block):
            first = 1 if module.family == "v2" else 0
            yield from (((module.convs, k - first), (module.norms, k)) for k in range(first, len(module.norms)))
        elif isinstance(module, nn.Sequential):  # the stem, shortcuts, blocks of a stage
            yield from (((module, i), (module, i + 1)) for i in range(len(module) - 1))
