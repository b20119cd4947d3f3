"""What the residual blocks of every family have in common: their layers, their shortcut, and how it is fed."""

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor, nn

from ..core.types import ResNetSpec
from .blocks import (
    ACTIVATIONS,
    NORMS,
    convolutions,
    make_addition,
    make_shortcut,
    make_squeeze_excitation,
    make_stochastic_depth,
)
from .branches import steps_of
from .channels import BlockChannels, norms_of


class Branch(nn.Module):
    """The layers of a branch. Two convolutions ("basic") or three ("bottleneck"), norms, and one activation.

    Args:
        spec: The network that it is a part of.
        channels: The channels of its block, from `channels.layout`.
    """

    def __init__(self, spec: ResNetSpec, channels: BlockChannels) -> None:
        super().__init__()
        self.steps = steps_of(spec, channels.family)
        self.convs = nn.ModuleList(convolutions(spec, channels))
        self.norms = nn.ModuleList(NORMS[spec.norm](group) for group in norms_of(spec, channels))
        self.act = ACTIVATIONS[spec.activation]()

    def normed_convs(self) -> Iterator[tuple[int, int]]:
        """A convolution and the norm that reads its output, by their numbers."""
        for one, other in pairwise(self.steps):
            if (one.kind, other.kind) == ("conv", "norm"):
                yield one.number, other.number


class Block(Branch):
    """The layers of a residual block, and what its forward needs in every family.

    Shapes: (N, source, H, W) -> (N, target, H / stride, W / stride).

    Args:
        spec: The network that it is a part of.
        channels: Its channels, from `channels.layout`.
        drop: The probability with which stochastic depth leaves the branch out while training.
    """

    def __init__(self, spec: ResNetSpec, channels: BlockChannels, drop: float) -> None:
        super().__init__(spec, channels)
        self.family = channels.family
        self.se = make_squeeze_excitation(channels)
        self.drop = make_stochastic_depth(drop)
        if self.family != "plain":
            self.shortcut = make_shortcut(spec, channels)
            self.addition = make_addition(spec.skip, channels)

    def preactivated(self, x: Tensor) -> Tensor:
        """act(norm(x)) in front of a v2 block's first convolution; x itself stays as it is."""
        a = self.norms[0](x)
        return self.act(a.clone() if a is x else a)  # without a norm: activations work in place

    def shortcut_v2(self, x: Tensor, a: Tensor) -> Tensor:
        """The raw x where it is an identity, else made of what the branch reads.

        He et al. 2016, figure 1b; timm builds its v2 networks so too.
        """
        return x if isinstance(self.shortcut, nn.Identity) else self.shortcut(a)

    def regularised(self, h: Tensor) -> Tensor:
        """The branch through squeeze-and-excitation and stochastic depth, where the block has them."""
        return self.drop(self.se(h))
