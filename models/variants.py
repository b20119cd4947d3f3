"""Blocks whose branch is not in the papers' order, or that add two branches: both run what `branches` lists."""

from collections.abc import Sequence

from torch import Tensor

from ..core.types import ResNetSpec
from .branches import Step
from .channels import BlockChannels
from .residual import Block, Branch


class VariantBlock(Block):
    """A block with its norms and activations where `norm_place` and `order` put them, and `dense` ones.

    As a `BasicBlock` or a `Bottleneck` it adds its shortcut in the way of its family.
    """

    def __init__(self, spec: ResNetSpec, channels: BlockChannels, drop: float) -> None:
        super().__init__(spec, channels, drop)
        has_two = spec.skip == "dense" and self.family != "plain"
        self.dense = Branch(spec, channels) if has_two else None

    def forward(self, x: Tensor) -> Tensor:
        first = self.steps.index(Step("conv", 0))
        a = through(self, self.steps[:first], x)
        h = through(self, self.steps[first:], a)
        if self.family == "plain":
            return self.act(self.regularised(h))
        if self.dense is not None:
            h = h + through(self.dense, self.steps, x)
        if self.family == "v1":
            return self.act(self.addition(x, self.shortcut(x), self.regularised(h)))
        return self.addition(x, self.shortcut_v2(x, a), self.regularised(h))


def through(branch: Branch, steps: Sequence[Step], x: Tensor) -> Tensor:
    """What these steps of a branch make of x, which stays as it is."""
    h = x
    for kind, number in steps:
        if kind == "conv":
            h = branch.convs[number](h)
        elif kind == "norm":
            h = branch.norms[number](h)
        else:
            h = branch.act(h.clone() if h is x else h)  # activations work in place
    return h
