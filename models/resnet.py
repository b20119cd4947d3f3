"""Residual networks v1, v2 and plain, from one assembly.

A block computes a branch h from its input x, of two convolutions (`BasicBlock`) or three (`Bottleneck`), and adds x to
it, through a shortcut. The three families have the same layers. They differ in the order of three operations and in
one addition:

    v1     h = conv, norm, act, conv, norm(x)         y = act(h + shortcut(x))     He et al. 2015, figure 2
    v2     h = norm, act, conv, norm, act, conv(x)    y = h + shortcut(x)          He et al. 2016, figure 1b
    plain  h = conv, norm, act, conv, norm(x)         y = act(h)                   He et al. 2015, figure 3

A pruned network is the same assembly with fewer channels and blocks: `channels` reads them from the spec's plan.
Blocks keep the numbers that they have in the unpruned network, so its parameters keep their names.
"""

from torch import Tensor, nn

from ..core.types import BlockType, ResNetSpec
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
from .channels import BlockChannels, layout


class Block(nn.Module):
    """The layers of a residual block, and what its forward needs in every family.

    Shapes: (N, source, H, W) -> (N, target, H / stride, W / stride).

    Args:
        spec: The network that it is a part of.
        channels: Its channels, from `channels.layout`.
        drop: The probability with which stochastic depth leaves the branch out while training.
    """

    def __init__(self, spec: ResNetSpec, channels: BlockChannels, drop: float) -> None:
        super().__init__()
        self.family = spec.family
        before, after = (channels.source, *channels.inner), (*channels.inner, channels.target)
        self.convs = nn.ModuleList(convolutions(spec, channels))
        self.norms = nn.ModuleList(NORMS[spec.norm](group) for group in (before if spec.family == "v2" else after))
        self.act = ACTIVATIONS[spec.activation]()
        self.se = make_squeeze_excitation(channels)
        self.drop = make_stochastic_depth(drop)
        if spec.family != "plain":
            self.shortcut = make_shortcut(spec, channels)
            self.addition = make_addition(spec.skip, channels)

    def preactivated(self, x: Tensor) -> Tensor:
        """act(norm(x)) in front of a v2 block's first convolution; x itself stays as it is."""
        a = self.norms[0](x)
        return self.act(a.clone() if a is x else a)  # without a norm: activations work in place

    def shortcut_v2(self, x: Tensor, a: Tensor) -> Tensor:
        """The raw x where it is an identity, else made of the activated a, as the branch is.

        He et al. 2016, figure 1b; timm builds its v2 networks so too.
        """
        return x if isinstance(self.shortcut, nn.Identity) else self.shortcut(a)

    def regularised(self, h: Tensor) -> Tensor:
        """The branch through squeeze-and-excitation and stochastic depth, where the block has them."""
        return self.drop(self.se(h))


class BasicBlock(Block):
    """3x3, 3x3: He et al. 2015, figure 5 left. The first convolution has the stride."""

    def forward(self, x: Tensor) -> Tensor:
        conv1, conv2 = self.convs
        norm1, norm2 = self.norms
        act = self.act
        if self.family == "v1":
            s = self.shortcut(x)
            h = act(norm1(conv1(x)))
            h = norm2(conv2(h))
            return act(self.addition(x, s, self.regularised(h)))
        if self.family == "v2":
            a = self.preactivated(x)
            s = self.shortcut_v2(x, a)
            h = conv1(a)
            h = conv2(act(norm2(h)))
            return self.addition(x, s, self.regularised(h))
        h = act(norm1(conv1(x)))
        h = norm2(conv2(h))
        return act(self.regularised(h))


class Bottleneck(Block):
    """1x1, 3x3, 1x1: He et al. 2015, figure 5 right. The 3x3 has the stride ("v1.5", as torchvision's and timm's)."""

    def forward(self, x: Tensor) -> Tensor:
        conv1, conv2, conv3 = self.convs
        norm1, norm2, norm3 = self.norms
        act = self.act
        if self.family == "v1":
            s = self.shortcut(x)
            h = act(norm1(conv1(x)))
            h = act(norm2(conv2(h)))
            h = norm3(conv3(h))
            return act(self.addition(x, s, self.regularised(h)))
        if self.family == "v2":
            a = self.preactivated(x)
            s = self.shortcut_v2(x, a)
            h = conv1(a)
            h = conv2(act(norm2(h)))
            h = conv3(act(norm3(h)))
            return self.addition(x, s, self.regularised(h))
        h = act(norm1(conv1(x)))
        h = act(norm2(conv2(h)))
        h = norm3(conv3(h))
        return act(self.regularised(h))


BLOCKS: dict[BlockType, type[BasicBlock] | type[Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


class ResNet(nn.Module):
    """Stem, stages of blocks, global average pool, linear classifier: He et al. 2015, table 1 and section 4.2.

    The first block of every stage but the first halves the resolution. v2 ends with the norm and the activation
    that its last block leaves out (He et al. 2016, appendix).

    Shapes: (N, C, H, W) -> (N, num_classes), the logits.
    """

    def __init__(self, spec: ResNetSpec) -> None:
        super().__init__()
        self.spec = spec
        plan = layout(spec)
        self.stem = make_stem(spec, plan.stem)
        self.stages = nn.Sequential(*(nn.Sequential() for _ in spec.depths))
        last = max(sum(spec.depths) - 1, 1)
        for channels in plan.blocks:
            # the linear rule of Huang et al. 2016: 0 for the first block, the full probability for the last
            drop = spec.stochastic_depth * (sum(spec.depths[: channels.stage]) + channels.number) / last
            block = BLOCKS[spec.block_type](spec, channels, drop)
            self.stages[channels.stage].add_module(str(channels.number), block)
        if spec.family == "v2":
            self.final = nn.Sequential(NORMS[spec.norm](plan.last), ACTIVATIONS[spec.activation]())
        else:
            self.final = nn.Sequential()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(plan.last.width, spec.num_classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        x = self.final(self.stages(self.stem(x)))
        return self.head(self.flatten(self.pool(x)))


def _initialise(module: nn.Module) -> None:
    """He et al. 2015 ("Delving deep"): variance 2 / fan-out, kept through the backward pass of a ReLU network."""
    if isinstance(module, nn.Conv2d) and not isinstance(module, RouteShortcut):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
