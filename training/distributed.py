"""The processes that train together, as `torchrun` starts them; one process alone is the common case.

All of them draw the same global batch and each takes its part, so the result is that of one process with the
global batch: gradients are averaged by DistributedDataParallel, batch norms use the statistics of the whole batch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..core.errors import ReszooError, UsageError


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes; `local_rank` among those of this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        return batch[self.rank :: self.size] if self.size > 1 else batch

    def total(self, sums: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            sums = sums.clone()
            dist.all_reduce(sums)
        return sums

    @contextmanager
    def first_alone(self, device: torch.device) -> Iterator[bool]:
        """True in the first process, for which the others wait at the end of the block.

        Raises ReszooError in them if it fails.
        """
        done = torch.zeros(1, device=device)
        try:
            yield self.is_first
            done += self.is_first
        finally:
            done = self.total(done)
        if not done:
            raise ReszooError("the first of the processes has failed", "Its own message says why.")

    def share_norms(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Batch norms that use the global batch: PyTorch's on CUDA, ours on CPUs, for which it has none."""
        if self.size > 1 and device.type == "cuda":
            return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(model))  # type: ignore[no-untyped-call]
        if self.size > 1:
            GlobalBatchNorm.replace_norms(model)
        return model

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        if self.size == 1:
            return model
        return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


class GlobalBatchNorm(nn.BatchNorm2d):
    """Batch norm over the parts of all processes, which are equally large."""

    @classmethod
    def replace_norms(cls, model: nn.Module) -> None:
        """Put one in the place of every nn.BatchNorm2d inside `model`, with the same parameters and buffers."""
        for name, child in model.named_children():
            if isinstance(child, nn.BatchNorm2d):
                norm = cls(child.num_features, child.eps, child.momentum)
                norm._parameters, norm._buffers = child._parameters, child._buffers
                setattr(model, name, norm)
            cls.replace_norms(child)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        mean: Tensor = _Mean.apply(x.float().mean((0, 2, 3)))
        centred = x.float() - mean[:, None, None]
        variance: Tensor = _Mean.apply(centred.square().mean((0, 2, 3)))
        self._track(mean.detach(), variance.detach(), dist.get_world_size() * x.numel() // self.num_features)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        y: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return y.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """As nn.BatchNorm2d does: the running variance is the unbiased one."""
        share = cast(float, self.momentum)
        self.get_buffer("running_mean").lerp_(mean, share)
        self.get_buffer("running_var").lerp_(variance * n / (n - 1), share)
        self.get_buffer("num_batches_tracked").add_(1)


class _Mean(torch.autograd.Function):
    """The mean over all processes, in both directions: each one's loss depends on everybody's input."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return _Mean.forward(ctx, *gradients)


def current() -> World:
    """As the environment of `torchrun` says."""
    rank, size, local = (int(os.environ.get(name, default)) for name, default in _ENVIRONMENT)
    return World(rank, size, local)


_ENVIRONMENT = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


@contextmanager
def joined(world: World, device: torch.device, batch: int) -> Iterator[None]:
    """Be one of the processes for the length of the block."""
    if world.size == 1:
        yield
        return
    if batch % world.size:
        raise UsageError(
            f"a batch of {batch} images cannot be shared by {world.size} processes",
            f"Choose a multiple of {world.size} as `batch`.",
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()
