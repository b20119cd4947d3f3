"""What sessions on a CUDA GPU share, where they compute with PyTorch's tensors: the GPU, its clock, CUDA graphs."""

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from ..core.missing import not_installed
from ..core.types import Unavailable
from .contract.runtime import Clock, Session

if TYPE_CHECKING:
    import torch

# How often the run is repeated before a CUDA graph is captured: libraries set themselves up in the first ones.
RUNS_BEFORE_CAPTURE = 3
# How far the host may be ahead of the GPU, in marks of the clock: two for each sample.
MARKS_AHEAD = 8


def unavailable(what: str) -> Unavailable | None:
    if missing := not_installed("torch", "torch", what=what):
        return missing
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        reason = "this build of PyTorch is without CUDA"
        return Unavailable(what=what, reason=reason, fix="Install one with CUDA, on a machine with an NVIDIA GPU.")
    return Unavailable(what=what, reason="PyTorch finds no CUDA GPU", fix="Use a machine with an NVIDIA GPU.")


def name() -> str:
    import torch

    return torch.cuda.get_device_name()


def capabilities() -> tuple[str, ...]:
    """The compute capability of the GPU that is used, ("8.6",); none where there is none."""
    import torch

    if not torch.cuda.is_available():
        return ()
    major, minor = torch.cuda.get_device_capability()
    return (f"{major}.{minor}",)


class CudaGraphs(Session):
    """Stands before a session's class: the kernels of a run are launched at once, recorded at a shape's first run."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.graphs: dict[Any, tuple[Any, torch.Tensor, torch.Tensor]] = {}

    @abstractmethod
    def launch(self, placed: "torch.Tensor") -> Any:
        """What that class calls `run`."""

    def run(self, placed: "torch.Tensor") -> Any:
        if placed.shape not in self.graphs:
            self.graphs[placed.shape] = self.record(placed)
        graph, static_input, static_output = self.graphs[placed.shape]
        static_input.copy_(placed)
        graph.replay()
        return static_output

    def record(self, placed: "torch.Tensor") -> "tuple[Any, torch.Tensor, torch.Tensor]":
        """The graph of a run, and where it reads its input and writes its logits."""
        import torch

        static_input = placed.clone()
        # capturing needs runs on a stream that is not the default one first
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(RUNS_BEFORE_CAPTURE):
                self.launch(static_input)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        # a library may have threads of its own, whose calls are no part of the run
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            static_output = self.launch(static_input)
        return graph, static_input, static_output


class CudaEventClock(Clock):
    """The GPU's own clock, read on its stream: the host is not timed, and waits only for runs that are long past."""

    name = "cuda_events"

    def __init__(self, session: Session, stream: "torch.cuda.Stream | None" = None) -> None:
        """`stream` is the one that the session's kernels are queued on; None is the thread's current one."""
        super().__init__(session)
        self.stream = stream
        self.mark = self._record
        self.finish = self._wait
        self.under_way: deque[Any] = deque()

    def _record(self) -> Any:
        import torch

        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(self.stream)
        self.under_way.append(event)
        return event

    def _wait(self) -> None:
        """The next mark is in the stream's order anyway; but the host must not run far ahead of the GPU."""
        while len(self.under_way) > MARKS_AHEAD:
            self.under_way.popleft().synchronize()

    def seconds(self, start: Any, stop: Any) -> float:
        return float(start.elapsed_time(stop)) / 1e3
