"""PyTorch: eager, with channels-last memory, in bfloat16, compiled, or as a CUDA graph."""

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ...core.missing import not_installed
from ...core.threads import torch_threads
from ...core.types import Candidate, Unavailable
from .. import cuda
from ..contract.runtime import Clock, Device, Runtime, Session

if TYPE_CHECKING:
    import numpy as np
    import torch


class TorchRuntime(Runtime):
    name = "torch"
    formats = ("torch",)
    devices = ("cpu", "cuda")
    variants = ("", "channels_last", "bf16", "compile", "cuda_graph")
    slow_variants = ("compile",)
    lossy_variants = ("bf16",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        what = f"torch:{variant} on {device}" if variant else f"torch on {device}"
        if missing := not_installed("torch", "torch"):
            return missing
        if device == "cuda" and (missing := cuda.unavailable(what)):
            return missing
        if variant == "cuda_graph" and device != "cuda":
            return Unavailable(
                what=what, reason="CUDA graphs need a GPU", fix="Give `device=cuda`, or leave the variant away."
            )
        if variant == "compile" and not shutil.which("g++"):
            return Unavailable(what=what, reason="torch.compile needs a C++ compiler", fix="Install g++.")
        return None

    def preload(self) -> None:
        from ...models import resnet  # noqa: F401 - torch, and what builds the network

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "TorchSession":
        kind = CudaGraphSession if variant == "cuda_graph" else TorchSession
        return kind(model, device, threads, variant)


class TorchSession(Session):
    def __init__(self, model: Candidate, device: Device, threads: int, variant: str) -> None:
        import torch

        from ...zoo import build, load

        self.threads = ExitStack()
        self.threads.enter_context(torch_threads(threads))
        self.device = torch.device(device)
        self.dtype = torch.bfloat16 if variant == "bf16" else torch.float32
        # oneDNN and cuDNN have their bfloat16 kernels for channels-last memory
        is_last = variant in ("channels_last", "bf16")
        self.memory_format = torch.channels_last if is_last else torch.contiguous_format
        module = build(load(str(model.path))).to(self.device, self.dtype).to(memory_format=self.memory_format)
        self.module = torch.compile(module) if variant == "compile" else module

    def place(self, batch: "np.ndarray") -> "torch.Tensor":
        import torch

        return torch.from_numpy(batch).to(self.device, self.dtype, memory_format=self.memory_format)

    def run(self, placed: "torch.Tensor") -> Any:
        import torch

        with torch.inference_mode():
            return self.module(placed)

    def read(self, result: "torch.Tensor") -> "np.ndarray":
        return result.float().cpu().numpy()

    def synchronise(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def clock(self) -> Clock:
        return cuda.CudaEventClock(self) if self.device.type == "cuda" else Clock(self)

    def allocator_peak_bytes(self) -> int | None:
        import torch

        return torch.cuda.max_memory_allocated() if self.device.type == "cuda" else None

    def close(self) -> None:
        del self.module
        self.threads.close()


class CudaGraphSession(cuda.CudaGraphs, TorchSession):
    def launch(self, placed: "torch.Tensor") -> Any:
        return TorchSession.run(self, placed)

    def close(self) -> None:
        self.graphs.clear()
        super().close()


RUNTIME = TorchRuntime()
