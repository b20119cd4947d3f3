"""Residual networks v1, v2 and plain, from one assembly.

A block computes a branch h from its input x, of two convolutions ("basic") or three ("bottleneck"), and adds x to it,
through a shortcut. The three families have the same layers. They differ in the order of three operations and in one
addition:

    v1     h = conv, norm, act, conv, norm(x)         y = act(h + shortcut(x))     He et al. 2015, figure 2
    v2     h = norm, act, conv, norm, act, conv(x)    y = h + shortcut(x)          He et al. 2016, figure 1b
    plain  h = conv, norm, act, conv, norm(x)         y = act(h)                   He et al. 2015, figure 3

`branches` has the order of a branch as data, `blocks` the ways to add it. The stages of a network may be of several
families.

A pruned network is the same assembly with fewer channels and blocks: `channels` reads them from the spec's plan.
Blocks keep the numbers that they have in the unpruned network, so its parameters keep their names.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor, nn

from ..core.types import ModelSpec
from .blocks import (
    ACTIVATIONS,
    NORMS,
    RouteShortcut,
    convolutions,
    make_addition,
    make_shortcut,
    make_squeeze_excitation,
    make_stem,
    make_stochastic_depth,
)
from .branches import Step, steps_of
from .channels import BlockChannels, ChannelGroup, layout, norms_of


class Branch(nn.Module):
    """Convolutions with norms and activations between them.

    3x3, 3x3 (He et al. 2015, figure 5 left), the first with the stride; or 1x1, 3x3, 1x1 (right), the 3x3 with the
    stride ("v1.5", as torchvision's and timm's).

    Shapes: (N, source, H, W) -> (N, target, H / stride, W / stride).

    Args:
        spec: The network that it is a part of.
        channels: The channels of its block, from `channels.layout`.
    """

    def __init__(self, spec: ModelSpec, channels: BlockChannels) -> None:
        super().__init__()
        self.steps = steps_of(spec, channels.family)
        self.convs = nn.ModuleList(convolutions(spec, channels))
        self.norms = nn.ModuleList(NORMS[spec.norm](group) for group in norms_of(spec, channels))
        self.act = ACTIVATIONS[spec.activation]()

    def preactivated(self, x: Tensor) -> Tensor:
        """What the first convolution reads; x itself stays as it is."""
        return self._through(x, self.steps[: self._first])

    def convolved(self, a: Tensor) -> Tensor:
        """The rest of the branch."""
        return self._through(a, self.steps[self._first :])

    def normed_convs(self) -> Iterator[tuple[int, int]]:
        """A convolution and the norm that reads its output, by their numbers."""
        for one, other in pairwise(self.steps):
            if (one.kind, other.kind) == ("conv", "norm"):
                yield one.number, other.number

    @property
    def _first(self) -> int:
        return self.steps.index(Step("conv", 0))

    def _through(self, x: Tensor, steps: Sequence[Step]) -> Tensor:
        h = x
        for kind, number in steps:
            if kind == "conv":
                h = self.convs[number](h)
            elif kind == "norm":
                h = self.norms[number](h)
            else:
                h = self.act(h.clone() if h is x else h)  # activations work in place
        return h


class Block(Branch):
    """A branch and the shortcut that it is added to.

    Args:
        spec: The network that it is a part of.
        channels: Its channels, from `channels.layout`.
        drop: The probability with which stochastic depth leaves the branch out while training.
    """

    def __init__(self, spec: ModelSpec, channels: BlockChannels, drop: float) -> None:
        super().__init__(spec, channels)
        self.family = channels.family
        self.se = make_squeeze_excitation(channels)
        self.drop = make_stochastic_depth(drop)
        self.dense: Branch | None = None
        if self.family != "plain":
            self.shortcut = make_shortcut(spec, channels)
            self.addition = make_addition(spec.skip, channels)
            self.dense = Branch(spec, channels) if spec.skip == "dense" else None

    def forward(self, x: Tensor) -> Tensor:
        a = self.preactivated(x)
        h = self.convolved(a)
        if self.family == "plain":
            return self.act(self.regularised(h))
        s = self.carried(x, a)
        if self.dense is not None:
            h = h + self.dense.convolved(self.dense.preactivated(x))
        y = self.addition(x, s, self.regularised(h))
        return self.act(y) if self.family == "v1" else y

    def carried(self, x: Tensor, a: Tensor) -> Tensor:
        """What the shortcut makes of the raw x; where it changes the shape of a v2 block, of what the branch reads.

        He et al. 2016, figure 1b; timm builds its v2 networks so too.
        """
        is_raw = self.family == "v1" or isinstance(self.shortcut, nn.Identity)
        return self.shortcut(x if is_raw else a)

    def regularised(self, h: Tensor) -> Tensor:
        """The branch through squeeze-and-excitation and stochastic depth, where the block has them."""
        return self.drop(self.se(h))


class ResNet(nn.Module):
    """Stem, stages of blocks, global average pool, linear classifier: He et al. 2015, table 1 and section 4.2.

    The first block of every stage but the first halves the resolution. v2 ends with the norm and the activation
    that its last block leaves out (He et al. 2016, appendix); so does a stage of v2 in front of one of another family.

    Shapes: (N, C, H, W) -> (N, num_classes), the logits.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        plan = layout(spec)
        self.stem = make_stem(spec, plan.stem)
        self.stages = nn.Sequential(*(nn.Sequential() for _ in spec.depths))
        last = max(sum(spec.depths) - 1, 1)
        for channels in plan.blocks:
            # the linear rule of Huang et al. 2016: 0 for the first block, the full probability for the last
            drop = spec.stochastic_depth * (sum(spec.depths[: channels.stage]) + channels.number) / last
            self.stages[channels.stage].add_module(str(channels.number), Block(spec, channels, drop))
        self.final = nn.Sequential()
        for name, group in plan.finals.items():
            parent, _, own = name.rpartition(".")
            self.get_submodule(parent).add_module(own, make_final(spec, group))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(plan.last.width, spec.num_classes)
        if spec.init == "he":
            self.apply(initialise_he)

    def forward(self, x: Tensor) -> Tensor:
        x = self.final(self.stages(self.stem(x)))
        return self.head(self.flatten(self.pool(x)))


def make_final(spec: ModelSpec, group: ChannelGroup) -> nn.Sequential:
    """The norm and the activation that a row of v2 blocks leaves to what reads it."""
    return nn.Sequential(NORMS[spec.norm](group), ACTIVATIONS[spec.activation]())


def initialise_he(module: nn.Module) -> None:
    """He et al. 2015 ("Delving deep"): variance 2 / fan-out, kept through the backward pass of a ReLU network."""
    if isinstance(module, nn.Conv2d) and not isinstance(module, RouteShortcut):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
