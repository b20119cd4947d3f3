"""Whether two modules compute the same: names and shapes do not say, running both does."""

import copy
from typing import TYPE_CHECKING

from ..core.errors import ReszooError

if TYPE_CHECKING:
    from torch import nn

TOLERANCE = 1e-4  # of the largest logit: float32 in another order of sums
LEAST_SCALE = 1e-6
IMAGES = 2


def check_same_logits(theirs: "nn.Module", ours: "nn.Module", input_shape: tuple[int, int, int], what: str) -> None:
    """Raises ReszooError unless both give the same logits for random images; neither is changed.

    Args:
        theirs: Any module that takes (N, C, H, W) images. A copy of it runs in float32, on the CPU, in eval mode.
        ours: The network in eval mode.
        input_shape: (C, H, W).
        what: Names `theirs` in errors.
    """
    import torch
    from torch.nn.parallel import DataParallel, DistributedDataParallel

    images = torch.randn(IMAGES, *input_shape, generator=torch.Generator().manual_seed(0))
    bare = theirs.module if isinstance(theirs, DataParallel | DistributedDataParallel) else theirs
    module = copy.deepcopy(bare).cpu().float().eval()
    with torch.inference_mode():
        expected = ours(images)
        try:
            found = module(images)
        except Exception as error:  # of whatever the module does
            raise ReszooError(
                f"{what} cannot be run on {tuple(images.shape)} images: {type(error).__name__}: {error}",
                "Give a module that takes a batch of images, or the file of its state dict.",
            ) from error
    if not isinstance(found, torch.Tensor) or found.shape != expected.shape:
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise ReszooError(f"{what} gives {shape}, expected logits of {tuple(expected.shape)}", "Give the bare network.")
    difference, scale = (found - expected).abs().max().item(), expected.abs().max().item()
    if not difference <= TOLERANCE * max(scale, LEAST_SCALE):
        raise ReszooError(
            f"{what} has the tensors of reszoo's network and computes something else: "
            f"logits differ by {difference:.3g}, where the largest is {scale:.3g}",
            "It has other strides, pooling, activations or shortcuts, which leave no trace in the weights: "
            "reszoo has no such network.",
        )
