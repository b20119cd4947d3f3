"""PyTorch: eager, with channels-last memory, in bfloat16, compiled, or as a CUDA graph."""

import shutil
from collections import deque
from typing import TYPE_CHECKING, Any

from ...core.types import Candidate, Unavailable
from ..contract import Clock, Device, Runtime, Session

if TYPE_CHECKING:
    import numpy as np
    import torch

# How often the run is repeated before a CUDA graph is captured: libraries set themselves up in the first ones.
RUNS_BEFORE_CAPTURE = 3
# How far the host may be ahead of the GPU, in marks of the clock: two for each sample.
MARKS_AHEAD = 8


class TorchRuntime(Runtime):
    name = "torch"
    formats = ("torch",)
    devices = ("cpu", "cuda")
    variants = ("", "channels_last", "bf16", "compile", "cuda_graph")

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        import torch

        what = f"torch:{variant} on {device}" if variant else f"torch on {device}"
        if device == "cuda" and not torch.cuda.is_available():
            return Unavailable(what=what, reason="PyTorch finds no CUDA GPU", fix="Use --device cpu, or a GPU machine.")
        if variant == "cuda_graph" and device != "cuda":
            return Unavailable(what=what, reason="CUDA graphs need a GPU", fix="Add --device cuda, or leave it away.")
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

        self.threads_before = torch.get_num_threads()
        torch.set_num_threads(threads)
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
        return CudaEventClock(self) if self.device.type == "cuda" else Clock(self)

    def allocator_peak_bytes(self) -> int | None:
        import torch

        return torch.cuda.max_memory_allocated() if self.device.type == "cuda" else None

    def close(self) -> None:
        import torch

        del self.module
        torch.set_num_threads(self.threads_before)


class CudaGraphSession(TorchSession):
    """All kernels of a run are launched at once: recorded for each shape at its first run, then replayed."""

    def __init__(self, model: Candidate, device: Device, threads: int, variant: str) -> None:
        super().__init__(model, device, threads, variant)
        self.graphs: dict[Any, tuple[Any, torch.Tensor, torch.Tensor]] = {}

    def run(self, placed: "torch.Tensor") -> Any:
        if placed.shape not in self.graphs:
            self.graphs[placed.shape] = self._record(placed)
        graph, static_input, static_output = self.graphs[placed.shape]
        static_input.copy_(placed)
        graph.replay()
        return static_output

    def _record(self, placed: "torch.Tensor") -> "tuple[Any, torch.Tensor, torch.Tensor]":
        import torch

        static_input = placed.clone()
        # capturing needs runs on a stream that is not the default one first
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(RUNS_BEFORE_CAPTURE):
                super().run(static_input)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            static_output = super().run(static_input)
        return graph, static_input, static_output

    def close(self) -> None:
        self.graphs.clear()
        super().close()


class CudaEventClock(Clock):
    """The GPU's own clock, read on its stream: the host is not timed, and waits only for runs that are long past."""

    name = "cuda_events"

    def __init__(self, session: TorchSession) -> None:
        super().__init__(session)
        self.mark = self._record
        self.finish = self._wait
        self.under_way: deque[Any] = deque()

    def _record(self) -> Any:
        import torch

        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        self.under_way.append(event)
        return event

    def _wait(self) -> None:
        """The next mark is in the stream's order anyway; but the host must not run far ahead of the GPU."""
        while len(self.under_way) > MARKS_AHEAD:
            self.under_way.popleft().synchronize()

    def seconds(self, start: Any, stop: Any) -> float:
        return float(start.elapsed_time(stop)) / 1e3


RUNTIME = TorchRuntime()
