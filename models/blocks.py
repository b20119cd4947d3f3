"""The parts that a residual network is assembled from: convolutions, shortcuts, additions, gates, stems.

A block's `skip` says how its shortcut s and its branch h are joined:

    identity        s + h
    scale           s / 2 + h / 2                        He et al. 2016, figure 2b
    gate            (1 - g(x)) s + g(x) h                figure 2c
    shortcut_gate   (1 - g(x)) s + h                     figure 2d
    dropout         dropout(s) + h                       figure 2f
    channel_weight  s + w h, a learnt w for each channel, from 0.5
    attention       s + a(x) h, a gate for each channel from the pooled input
    dense           s + h + h2, where h2 is a second branch with the same layers and weights of its own
    skipinit        s + w h, one learnt w, from 0        De & Smith 2020
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.types import Activation, Norm, ResNetSpec, Skip
from .channels import BlockChannels, ChannelGroup, are_neighbours, routes

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, 0.1, inplace=True),
    "elu": partial(nn.ELU, inplace=True),
    "silu": partial(nn.SiLU, inplace=True),
    "gelu": nn.GELU,
    "mish": partial(nn.Mish, inplace=True),
    "hardswish": partial(nn.Hardswish, inplace=True),
}
NORMS: dict[Norm, Callable[[ChannelGroup], nn.Module]] = {
    "batch": lambda group: nn.BatchNorm2d(group.width),
    "group": lambda group: nn.GroupNorm(group.width // group.norm_group_size, group.width),
    "layer": lambda group: nn.GroupNorm(1, group.width),
    "none": lambda group: nn.Identity(),
}


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1; the norm that goes with it carries the bias."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)


def convolutions(spec: ResNetSpec, block: BlockChannels) -> list[nn.Conv2d]:
    """A block's convolutions: 3x3, 3x3 (basic), or 1x1, 3x3, 1x1 with the stride on the 3x3 (bottleneck, "v1.5")."""
    shapes = [(3, block.stride), (3, 1)] if spec.block_type == "basic" else [(1, 1), (3, block.stride), (1, 1)]
    steps = zip(pairwise((block.source, *block.inner, block.target)), shapes, strict=True)
    return [conv(source.width, target.width, *shape) for (source, target), shape in steps]


class PadShortcut(nn.Module):
    """Option A of He et al. 2015: every `stride`-th pixel, with zero channels on both sides; no parameters.

    Subsampling is a 1x1 average pool: equal to `x[:, :, ::stride, ::stride]`, and unlike slicing it is understood
    by every converter (ONNX, OpenVINO, LiteRT, ExecuTorch, ncnn, TensorRT).
    """

    def __init__(self, in_channels: int, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, before + in_channels + after
        self.before, self.after, self.stride = before, after, stride

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 1, self.stride) if self.stride > 1 else x
        return F.pad(x, (0, 0, 0, 0, self.before, self.after))


class RouteShortcut(nn.Conv2d):
    """Option A after pruning, where kept channels have to be dropped or parted: a fixed 1x1 convolution of 0 and 1.

    routes  for each channel of the source its place in the target, None for one that ends here

    Its weights follow from the spec: they are neither learnt nor saved.
    """

    def __init__(self, routes: Sequence[int | None], out_channels: int, stride: int) -> None:
        super().__init__(len(routes), out_channels, 1, stride, bias=False)
        self.routes = routes
        del self.weight
        self.register_buffer("weight", self._weight(), persistent=False)
        self.register_load_state_dict_pre_hook(_leave_meta)  # type: ignore[no-untyped-call]

    def _weight(self) -> Tensor:
        weight = torch.zeros(self.out_channels, self.in_channels, 1, 1)
        for source, target in enumerate(self.routes):
            if target is not None:
                weight[target, source] = 1.0
        return weight


def _leave_meta(route: RouteShortcut, *_: object) -> None:
    """A network without weights gets real ones: what is not saved has to become real too."""
    if route.weight.is_meta:
        route.weight = route._weight()


def make_padding(source: ChannelGroup, target: ChannelGroup, stride: int) -> nn.Module:
    """Option A, by a padding where that is enough."""
    places = routes(source, target)
    if (first := places[0]) is not None and are_neighbours(places):
        return PadShortcut(source.width, first, target.width - first - source.width, stride)
    return RouteShortcut(places, target.width, stride)


def make_shortcut(spec: ResNetSpec, block: BlockChannels) -> nn.Module:
    """Identity, option A's padding or a 1x1 projection. A v2 block adds raw signals, so its projection has no norm."""
    if block.has_identity:
        return nn.Identity()
    if spec.shortcut == "A":
        return make_padding(block.source, block.target, block.stride)
    projection = conv(block.source.width, block.target.width, 1, block.stride)
    return projection if block.family == "v2" else nn.Sequential(projection, NORMS[spec.norm](block.target))


class Addition(nn.Module):
    """How the shortcut `s` and the branch `h` of a block with input `x` are joined (He et al. 2016, figure 2)."""

    def forward(self, x: Tensor, s: Tensor, h: Tensor) -> Tensor:
        return h + s


class ScaledAddition(Addition):
    """Figure 2b: both signals are halved."""

    def forward(self, x: Tensor, s: Tensor, h: Tensor) -> Tensor:
        return 0.5 * h + 0.5 * s


class DropoutAddition(Addition):
    """Figure 2f: dropout with probability 0.5 on the shortcut."""

    def forward(self, x: Tensor, s: Tensor, h: Tensor) -> Tensor:
        return h + F.dropout(s, 0.5, self.training)


class GatedAddition(Addition):
    """Figure 2c: g * h + (1 - g) * s with the gate g = sigmoid(conv1x1(x)); 2d leaves the branch ungated."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, gates_branch: bool) -> None:
        super().__init__()
        self.gate = nn.Conv2d(in_channels, out_channels, 1, stride)
        self.gates_branch = gates_branch

    def forward(self, x: Tensor, s: Tensor, h: Tensor) -> Tensor:
        g = torch.sigmoid(self.gate(x))
        return (g * h if self.gates_branch else h) + (1 - g) * s


class AttentionAddition(Addition):
    """s + a * h, with a gate on every channel of the branch that the pooled input gives: a = sigmoid(conv1x1(pool(x))).

    Squeeze-and-excitation (Hu et al. 2018) in one layer; it looks at the block's input in the place of the branch.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, s: Tensor, h: Tensor) -> Tensor:
        return torch.sigmoid(self.gate(self.pool(x))) * h + s


class WeightedAddition(Addition):
    """s + w * h with a learnt w: one a channel, from 0.5, or one scalar from 0 (De & Smith 2020, SkipInit)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor, s: Tensor, h: Tensor) -> Tensor:
        return self.weight.view(-1, 1, 1) * h + s


def make_addition(skip: Skip, block: BlockChannels) -> Addition:
    source, target = block.source.width, block.target.width
    makers: dict[Skip, Callable[[], Addition]] = {
        "identity": Addition,
        "scale": ScaledAddition,
        "gate": lambda: GatedAddition(source, target, block.stride, gates_branch=True),
        "shortcut_gate": lambda: GatedAddition(source, target, block.stride, gates_branch=False),
        "dropout": DropoutAddition,
        "channel_weight": lambda: WeightedAddition(torch.full((target,), 0.5)),
        "attention": lambda: AttentionAddition(source, target),
        "dense": Addition,  # of a branch that is the sum of two
        "skipinit": lambda: WeightedAddition(torch.zeros(())),
    }
    return makers[skip]()


# torchvision.ops takes seconds to import on top of torch, and few networks need these two.


def make_stochastic_depth(probability: float) -> nn.Module:
    """Drops the whole branch of single samples while training (Huang et al. 2016)."""
    if probability == 0:
        return nn.Identity()
    from torchvision.ops import StochasticDepth

    drop: nn.Module = StochasticDepth(probability, "row")
    return drop


def make_squeeze_excitation(block: BlockChannels) -> nn.Module:
    """A gate on every channel of the branch, computed from all of them (Hu et al. 2018), where the block has one."""
    if block.squeeze is None:
        return nn.Identity()
    from torchvision.ops import SqueezeExcitation

    gate: nn.Module = SqueezeExcitation(block.target.width, block.squeeze.width)
    return gate


def make_stem(spec: ResNetSpec, stem: ChannelGroup) -> nn.Module:
    """Image to features. In v2 the first block brings the norm and the activation.

    cifar     (N, C, H, W) -> (N, stem.width, H, W)
    imagenet  (N, C, H, W) -> (N, stem.width, H / 4, W / 4)
    """
    is_small = spec.stem == "cifar"
    layers = nn.Sequential()
    layers.add_module("conv", conv(spec.input[0], stem.width, *((3, 1) if is_small else (7, 2))))
    if spec.family_of(0) != "v2":
        layers.add_module("norm", NORMS[spec.norm](stem))
        layers.add_module("act", ACTIVATIONS[spec.activation]())
    if not is_small:
        layers.add_module("pool", nn.MaxPool2d(3, 2, padding=1))
    return layers
