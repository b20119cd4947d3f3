"""Residual networks v1, v2 and plain, from one assembly.

The three families share every layer. They differ in the order of three operations and in one addition:

    v1     h = conv, norm, act, conv, norm(x)         y = act(h + shortcut(x))     He et al. 2015, figure 2
    v2     h = norm, act, conv, norm, act, conv(x)    y = h + shortcut(x)          He et al. 2016, figure 1b
    plain  h = conv, norm, act, conv, norm(x)         y = act(h)                   He et al. 2015, figure 3

(a bottleneck has a third convolution, with its norm and its activation in the same places).

A pruned network is the same assembly with fewer channels and units: `channels` reads them from the spec's plan.
Units keep the numbers that they have in the unpruned network, so its parameters keep their names.
"""

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
from .channels import UnitChannels, layout


class Unit(nn.Module):
    """The layers of one residual unit: (N, source, H, W) -> (N, target, H / stride, W / stride)."""

    def __init__(self, spec: ModelSpec, unit: UnitChannels, drop: float) -> None:
        super().__init__()
        before, after = (unit.source, *unit.inner), (*unit.inner, unit.target)
        self.convs = nn.ModuleList(convolutions(spec, unit))
        self.norms = nn.ModuleList(NORMS[spec.norm](space) for space in (before if spec.family == "v2" else after))
        self.act = ACTIVATIONS[spec.activation]()
        self.se = make_squeeze_excitation(unit)
        self.drop = make_stochastic_depth(drop)
        if spec.family != "plain":
            self.shortcut = make_shortcut(spec, unit)
            self.addition = make_addition(spec.skip, unit)


class UnitV1(Unit):
    def branch(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs[:-1], self.norms[:-1], strict=True):
            x = self.act(norm(conv(x)))
        return self.drop(self.se(self.norms[-1](self.convs[-1](x))))

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.addition(x, self.shortcut(x), self.branch(x)))


class UnitV2(Unit):
    def branch(self, a: Tensor) -> Tensor:
        h = self.convs[0](a)
        for norm, conv in zip(self.norms[1:], self.convs[1:], strict=True):
            h = conv(self.act(norm(h)))
        return self.drop(self.se(h))

    def forward(self, x: Tensor) -> Tensor:
        a = self.norms[0](x)
        a = self.act(a.clone() if a is x else a)  # without a norm: activations work in place, and x is still needed
        # A shortcut that has work to do reads the activated input, as the branch does; an identity carries the
        # raw signal through (He et al. 2016, figure 1b; timm builds its v2 networks so too).
        s = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(a)
        return self.addition(x, s, self.branch(a))


class UnitPlain(UnitV1):
    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.branch(x))


UNITS: dict[str, type[UnitV1] | type[UnitV2]] = {"v1": UnitV1, "v2": UnitV2, "plain": UnitPlain}


class ResNet(nn.Module):
    """Stem, stages of units, global average pool, linear classifier: (N, C, H, W) -> (N, num_classes) logits.

    The first unit of every stage but the first halves the resolution. v2 ends with the norm and the activation
    that its last unit leaves out.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        plan = layout(spec)
        self.stem = make_stem(spec, plan.stem)
        self.stages = nn.Sequential(*(nn.Sequential() for _ in spec.depths))
        last = max(sum(spec.depths) - 1, 1)
        for unit in plan.units:
            # the linear rule of Huang et al. 2016: 0 for the first unit, the full probability for the last
            drop = spec.stochastic_depth * (sum(spec.depths[: unit.stage]) + unit.number) / last
            self.stages[unit.stage].add_module(str(unit.number), UNITS[spec.family](spec, unit, drop))
        if spec.family == "v2":
            self.final = nn.Sequential(NORMS[spec.norm](plan.last), ACTIVATIONS[spec.activation]())
        else:
            self.final = nn.Sequential()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(plan.last.width, spec.num_classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        x = self.final(self.stages(self.stem(x)))
        return self.head(self.pool(x).flatten(1))


def _initialise(module: nn.Module) -> None:
    """He et al. 2015 ("Delving deep"): variance 2 / fan-out, kept through the backward pass of a ReLU network."""
    if isinstance(module, nn.Conv2d) and not isinstance(module, RouteShortcut):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
