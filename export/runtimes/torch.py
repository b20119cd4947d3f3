"""PyTorch in eager mode, with channels-last memory, or compiled."""

from typing import TYPE_CHECKING, Any

from ...core.types import Candidate, Unavailable
from ..contract import Device, Runtime, Session

if TYPE_CHECKING:
    import numpy as np
    import torch


class TorchRuntime(Runtime):
    name = "torch"
    formats = ("torch",)
    devices = ("cpu", "cuda")
    variants = ("", "channels_last", "compile")

    def unavailable(self, device: Device) -> Unavailable | None:
        import torch

        if device == "cuda" and not torch.cuda.is_available():
            return Unavailable(
                what="torch on cuda", reason="PyTorch finds no CUDA GPU", fix="Use --device cpu, or a GPU machine."
            )
        return None

    def preload(self) -> None:
        from ...models import resnet  # noqa: F401 - torch, and what builds the network

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "TorchSession":
        return TorchSession(model, device, threads, variant)


class TorchSession(Session):
    def __init__(self, model: Candidate, device: Device, threads: int, variant: str) -> None:
        import torch

        from ...zoo import build, load

        self.threads_before = torch.get_num_threads()
        torch.set_num_threads(threads)
        self.device = torch.device(device)
        self.memory_format = torch.channels_last if variant == "channels_last" else torch.contiguous_format
        module = build(load(str(model.path))).to(self.device).to(memory_format=self.memory_format)
        self.module = torch.compile(module) if variant == "compile" else module

    def place(self, batch: "np.ndarray") -> "torch.Tensor":
        import torch

        return torch.from_numpy(batch).to(self.device, memory_format=self.memory_format)

    def run(self, placed: "torch.Tensor") -> Any:
        import torch

        with torch.inference_mode():
            return self.module(placed)

    def read(self, result: "torch.Tensor") -> "np.ndarray":
        return result.cpu().numpy()

    def synchronise(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def close(self) -> None:
        import torch

        del self.module
        torch.set_num_threads(self.threads_before)


RUNTIME = TorchRuntime()
