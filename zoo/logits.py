"""Whether two modules compute the same: names and shapes do not say, running both does."""

import copy
from typing import TYPE_CHECKING

from ..core.errors import ReszooError

if TYPE_CHECKING:
    from torch import nn

TOLERANCE = 1e-4  # of the largest logit: float32 in another order of sums
LEAST_SCALE = 1e-6
IMAGES = 2
UNSEEN = (
    "It has other strides, pooling, activations or shortcuts, or projections that take another signal, which leave no "
    "trace in the weights. Where reszoo has such a network, name it: `arch=resnet20_plain`, "
    "`arch=resnet20_v1+activation=silu`."
)


def unwrapped(module: "nn.Module") -> "nn.Module":
    """The module itself, without DataParallel, DistributedDataParallel and what torch.compile makes of it."""
    from torch import nn
    from torch.nn.parallel import DataParallel, DistributedDataParallel

    while True:
        is_parallel = isinstance(module, DataParallel | DistributedDataParallel)
        inner = module.module if is_parallel else getattr(module, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def check_same_logits(theirs: "nn.Module", ours: "nn.Module", input_shape: tuple[int, int, int], what: str) -> None:
    """Raises ReszooError unless both give the same logits for random images; neither is changed.

    Args:
        theirs: Any module that takes (N, C, H, W) images. A copy of it runs in float32, on the CPU, in eval mode.
        ours: The network in eval mode.
        input_shape: (C, H, W).
        what: Names `theirs` in errors.
    """
    import torch

    images = torch.randn(IMAGES, *input_shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = ours(images)
        try:
            found = copy.deepcopy(unwrapped(theirs)).cpu().float().eval()(images)
        except Exception as error:  # of whatever the module does
            raise ReszooError(
                f"a copy of {what} cannot be run on {tuple(images.shape)} images: {type(error).__name__}: {error}",
                "Give a module that takes a batch of images, or the file of its state dict.",
            ) from error
    if not isinstance(found, torch.Tensor) or found.shape != expected.shape:
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise ReszooError(
            f"{what} gives {shape}, expected logits of {tuple(expected.shape)}",
            "Give the network itself, whose output is the logits alone.",
        )
    difference, scale = (found - expected).abs().max().item(), expected.abs().max().item()
    if not difference <= TOLERANCE * max(scale, LEAST_SCALE):
        raise ReszooError(
            f"{what} has the tensors of reszoo's network and computes something else: "
            f"logits differ by {difference:.3g}, where the largest is {scale:.3g}",
            UNSEEN,
        )
