"""How many threads PyTorch computes with on the CPU: it counts cores, and knows of no quota."""

from collections.abc import Iterator
from contextlib import contextmanager

from .hosts import available_cores


@contextmanager
def torch_threads(number: int | None = None) -> Iterator[None]:
    """So many for the length of the block; None is PyTorch's own choice, but no more than this process has time for."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number or min(before, available_cores()))
    try:
        yield
    finally:
        torch.set_num_threads(before)
