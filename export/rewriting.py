"""Networks with fewer kinds of layers, for converters that know no more, and that compute the same.

Whatever scales, subsamples or pads channels becomes a convolution, which every engine has in floats and in integers.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


def rewrite(model: "nn.Module") -> None:
    """Turn option A's shortcuts, and the batch norms that follow no convolution, into convolutions, in place.

    Some converters pad channels only where they come first, and would transpose before and after each; and some fold
    a norm behind an addition into the convolution in front, whose output has another reader.
    """
    from torch import nn

    from ..models.blocks import PadShortcut, RouteShortcut

    for module in model.modules():
        if isinstance(pad := getattr(module, "shortcut", None), PadShortcut):
            places = [pad.before + channel for channel in range(pad.in_channels)]
            module.shortcut = RouteShortcut(places, pad.out_channels, pad.stride)
        for norms, i in _leading(module):
            if isinstance(norm := norms[i], nn.BatchNorm2d):
                norms[i] = _depthwise(norm)


def _leading(module: "nn.Module") -> "Iterator[tuple[nn.ModuleList | nn.Sequential, int]]":
    """Where a norm follows no convolution: the first of a v2 block, and of any sequence that one begins."""
    from torch import nn

    from ..models.mobile import InvertedResidual
    from ..models.residual import Branch

    if isinstance(module, Branch):
        behind = {norm for _, norm in module.normed_convs()}
        yield from ((module.norms, i) for i in range(len(module.norms)) if i not in behind)
    elif isinstance(module, InvertedResidual):
        yield module.norms, 0
    elif isinstance(module, nn.Sequential) and len(module):
        yield module, 0


def _depthwise(norm: "nn.BatchNorm2d") -> "nn.Conv2d":
    """1x1, with one weight and one bias a channel: y = gamma (x - mean) / sqrt(var + eps) + beta."""
    import torch
    from torch import nn

    out = nn.Conv2d(norm.num_features, norm.num_features, 1, groups=norm.num_features)
    mean, var = norm.get_buffer("running_mean").double(), norm.get_buffer("running_var").double()
    with torch.no_grad():
        scale = norm.weight.double() / (var + norm.eps).sqrt()
        out.weight.copy_(scale.view(-1, 1, 1, 1))
        out.get_parameter("bias").copy_(norm.bias.double() - mean * scale)
    return out.eval()
