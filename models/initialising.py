"""How convolutions begin."""

import math
from typing import Literal

from torch import nn

from .blocks import RouteShortcut


def initialise_he(module: nn.Module, fan: Literal["in", "out"] = "out") -> None:
    """He et al. 2015 ("Delving deep"): variance 2 / fan-out, which ReLU networks keep through the backward pass.

    With the fan-in they keep it through the forward pass. Biases are 0, and what is no convolution stays as it is.
    """
    if isinstance(module, nn.Conv2d) and not isinstance(module, RouteShortcut):
        channels = module.out_channels if fan == "out" else module.in_channels
        size = channels // module.groups * math.prod(module.kernel_size)
        nn.init.normal_(module.weight, std=math.sqrt(2) / math.sqrt(size))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
