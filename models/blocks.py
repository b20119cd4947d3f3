"""The parts that a residual network is assembled from: convolutions, shortcuts, additions, gates, stems."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.types import Activation, ModelSpec, Norm, Skip

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, 0.1, inplace=True),
    "silu": partial(nn.SiLU, inplace=True),
    "gelu": nn.GELU,
    "hardswish": partial(nn.Hardswish, inplace=True),
}
NORMS: dict[Norm, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(max(g for g in (32, 16, 8, 4, 2, 1) if channels % g == 0), channels),
    "none": lambda channels: nn.Identity(),
}
EXPANSION = 4  # output channels of a bottleneck over its width


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1; the norm that goes with it carries the bias."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)


def convolutions(spec: ModelSpec, in_channels: int, width: int, stride: int) -> list[nn.Conv2d]:
    """A unit's convolutions: 3x3, 3x3 (basic), or 1x1, 3x3, 1x1 with the stride on the 3x3 (bottleneck, "v1.5")."""
    if spec.block == "basic":
        return [conv(in_channels, width, 3, stride), conv(width, width, 3)]
    inner = width * spec.bottleneck_width
    return [conv(in_channels, inner, 1), conv(inner, inner, 3, stride), conv(inner, width * EXPANSION, 1)]


class PadShortcut(nn.Module):
    """Option A of He et al. 2015: every `stride`-th pixel, with zero channels on both sides; no parameters.

    Subsampling is a 1x1 average pool: equal to `x[:, :, ::stride, ::stride]`, and unlike slicing it is understood
    by every converter (ONNX, OpenVINO, LiteRT, ExecuTorch, ncnn, TensorRT) and by pruning's dependency graphs.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 1, self.stride) if self.stride > 1 else x
        return F.pad(x, (0, 0, 0, 0, self.before, self.after))


def make_shortcut(spec: ModelSpec, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Identity, option A's padding or a 1x1 projection. A v2 unit adds raw signals, so its projection has no norm."""
    changes_shape = stride != 1 or in_channels != out_channels
    if spec.shortcut == "C" or (spec.shortcut == "B" and changes_shape):
        projection = conv(in_channels, out_channels, 1, stride)
        if spec.family == "v2":
            return projection
        return nn.Sequential(projection, NORMS[spec.norm](out_channels))
    return PadShortcut(in_channels, out_channels, stride) if changes_shape else nn.Identity()


class Addition(nn.Module):
    """How the shortcut `s` and the branch `h` of a unit with input `x` are joined (He et al. 2016, figure 2)."""

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


def make_addition(skip: Skip, in_channels: int, out_channels: int, stride: int) -> Addition:
    if skip in ("gate", "shortcut_gate"):
        return GatedAddition(in_channels, out_channels, stride, gates_branch=skip == "gate")
    simple: dict[Skip, type[Addition]] = {
        "identity": Addition,
        "scale": ScaledAddition,
        "dropout": DropoutAddition,
    }
    return simple[skip]()


# torchvision.ops takes seconds to import on top of torch, and few networks need these two.


def make_stochastic_depth(probability: float) -> nn.Module:
    """Drops the whole branch of single samples while training (Huang et al. 2016)."""
    if probability == 0:
        return nn.Identity()
    from torchvision.ops import StochasticDepth

    drop: nn.Module = StochasticDepth(probability, "row")
    return drop


def make_squeeze_excitation(channels: int, ratio: int) -> nn.Module:
    """A gate on every channel, computed from all of them (Hu et al. 2018); `ratio` is its bottleneck's, 0 for none."""
    if ratio == 0:
        return nn.Identity()
    from torchvision.ops import SqueezeExcitation

    gate: nn.Module = SqueezeExcitation(channels, max(1, channels // ratio))
    return gate


def make_stem(spec: ModelSpec) -> nn.Module:
    """Image to features. In v2 the first unit brings the norm and the activation.

    cifar     (N, C, H, W) -> (N, stem_width, H, W)
    imagenet  (N, C, H, W) -> (N, stem_width, H / 4, W / 4)
    """
    is_small = spec.stem == "cifar"
    layers = nn.Sequential()
    layers.add_module("conv", conv(spec.input[0], spec.stem_width, *((3, 1) if is_small else (7, 2))))
    if spec.family != "v2":
        layers.add_module("norm", NORMS[spec.norm](spec.stem_width))
        layers.add_module("act", ACTIVATIONS[spec.activation]())
    if not is_small:
        layers.add_module("pool", nn.MaxPool2d(3, 2, padding=1))
    return layers
