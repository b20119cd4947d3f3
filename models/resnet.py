"""Residual networks v1, v2 and plain, from one assembly.

A block computes a branch h from its input x, of two convolutions (`BasicBlock`) or three (`Bottleneck`), and adds x to
it, through a shortcut. The three families have the same layers. They differ in the order of three operations and in
one addition:

    v1     h = conv, norm, act, conv, norm(x)         y = act(h + shortcut(x))     He et al. 2015, figure 2
    v2     h = norm, act, conv, norm, act, conv(x)    y = h + shortcut(x)          He et al. 2016, figure 1b
    plain  h = conv, norm, act, conv, norm(x)         y = act(h)                   He et al. 2015, figure 3

The stages of a network may be of several families. `blocks` has the ways to add a branch, `residual` the layers of a
block, `variants` the blocks in which norms and activations stand elsewhere.

A pruned network is the same assembly with fewer channels and blocks: `channels` reads them from the spec's plan.
Blocks keep the numbers that they have in the unpruned network, so its parameters keep their names.
"""

from typing import cast

from torch import Tensor, nn

from ..core.types import BlockType, ResNetSpec
from .blocks import ACTIVATIONS, NORMS, GatedAddition, make_stem
from .branches import has_papers_order
from .channels import BlockChannels, ChannelGroup, layout
from .initialising import initialise_he
from .residual import Block
from .variants import VariantBlock


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


BLOCKS: dict[BlockType, type[Block]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


def make_block(spec: ResNetSpec, channels: BlockChannels, drop: float) -> Block:
    is_variant = spec.skip == "dense" or not has_papers_order(spec, channels.family)
    made = VariantBlock if is_variant else BLOCKS[spec.block_type]
    return made(spec, channels, drop)


class ResNet(nn.Module):
    """Stem, stages of blocks, global average pool, linear classifier: He et al. 2015, table 1 and section 4.2.

    The first block of every stage but the first halves the resolution. v2 ends with the norm and the activation
    that its last block leaves out (He et al. 2016, appendix); so does a stage of v2 in front of one of another family.

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
            # a linear rule, as timm has it: 0 for the first block, which Huang et al. 2016 drop too, all for the last
            drop = spec.stochastic_depth * (sum(spec.depths[: channels.stage]) + channels.number) / last
            self.stages[channels.stage].add_module(str(channels.number), make_block(spec, channels, drop))
        self.final = nn.Sequential()
        for name, group in plan.finals.items():
            parent, _, own = name.rpartition(".")
            self.get_submodule(parent).add_module(own, make_final(spec, group))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(plan.last.width, spec.num_classes)
        initialise(self, spec)

    def forward(self, x: Tensor) -> Tensor:
        x = self.final(self.stages(self.stem(x)))
        return self.head(self.flatten(self.pool(x)))


def make_final(spec: ResNetSpec, group: ChannelGroup) -> nn.Sequential:
    """The norm and the activation that a row of v2 blocks leaves to what reads it."""
    return nn.Sequential(NORMS[spec.norm](group), ACTIVATIONS[spec.activation]())


def initialise(made: nn.Module, spec: ResNetSpec) -> nn.Module:
    """The network or a part of it, with the weights and the gates' biases that its spec begins with."""
    if spec.init == "he":
        made.apply(initialise_he)
    if spec.gate_bias:
        for gated in (module for module in made.modules() if isinstance(module, GatedAddition)):
            nn.init.constant_(cast(Tensor, gated.gate.bias), spec.gate_bias)
    return made
