"""What the exporters that trace the network share: an example input, and silence."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from ..core.types import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor


def example(spec: TensorSpec, batch: int) -> "Tensor":
    """Zeros as `spec` describes them, `batch` of them where the batch is dynamic."""
    import torch

    shape = [size if isinstance(size, int) else batch for size in spec.shape]
    return torch.zeros(shape, dtype=getattr(torch, spec.dtype))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep an exporter's talk off standard output, where machines read, and its advice to itself.

    What native code prints goes to standard error. Errors are raised and logged as ever.
    """
    sys.stdout.flush()
    kept, level = os.dup(1), logging.root.manager.disable
    os.dup2(2, 1)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        os.dup2(kept, 1)
        os.close(kept)
