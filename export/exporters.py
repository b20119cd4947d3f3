"""What the exporters that trace the network share."""

from typing import TYPE_CHECKING

from ..core.types import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor


def example(spec: TensorSpec, batch: int) -> "Tensor":
    """Zeros as `spec` describes them, `batch` of them where the batch is dynamic."""
    import torch

    shape = [size if isinstance(size, int) else batch for size in spec.shape]
    return torch.zeros(shape, dtype=getattr(torch, spec.dtype))
