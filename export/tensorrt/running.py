"""Running an engine: buffers are PyTorch's tensors on the GPU, kernels are queued on a stream of the session's own.

No session keeps anything for the next one: what TensorRT for RTX compiles on the GPU, it compiles in every process,
so that all cold starts are alike.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from ...core.errors import ReszooError
from ...core.missing import unavailable_error
from ...core.types import Candidate, Unavailable
from .. import cuda
from ..commands import again
from ..contract.runtime import Clock, Device, Runtime, Session
from .edition import MODEL_FILE, OLDEST, Edition, listener

if TYPE_CHECKING:
    import numpy as np
    import torch


class EngineRuntime(Runtime):
    edition: ClassVar[Edition]
    devices = ("cuda",)
    variants = ("", "cuda_graph")

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        if missing := self.edition.unavailable():
            return missing
        if device == "cpu":
            reason = f"{self.edition.title} runs on GPUs only"
            return Unavailable(what=f"{self.name} on cpu", reason=reason, fix="Give `device=cuda`.")
        return cuda.unavailable(f"{self.name} on cuda")

    def preload(self) -> None:
        import torch  # noqa: F401

        self.edition.load()

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "EngineSession":
        if missing := self.unavailable(device, variant):
            raise unavailable_error(missing)
        kind = CudaGraphSession if variant == "cuda_graph" else EngineSession
        return kind(model, self.edition)


class EngineSession(Session):
    """Its stream is named in every call: PyTorch's current one is each thread's own, and sessions change threads.

    On the default stream the library would wait for the whole device.
    """

    def __init__(self, model: Candidate, edition: Edition) -> None:
        import torch

        self.trt, self.title, self.path = edition.load(), edition.title, model.path
        (capability,) = cuda.capabilities()
        check_match(model, edition, self.trt.__version__, capability)
        self.log = listener(self.trt)
        self.engine = self.trt.Runtime(self.log).deserialize_cuda_engine((model.path / MODEL_FILE).read_bytes())
        if self.engine is None:
            raise ReszooError(
                f"{edition.title} refuses {model.path / MODEL_FILE}: {self.log.said}",
                rebuild_for(capability, model, edition),
            )
        self.input, self.output, self.classes = model.input.name, model.output.name, len(model.labels)
        self.settings = (eager(edition, self.engine),) if edition.targets else ()
        self.context = self.new_context()
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def new_context(self) -> Any:
        context = self.engine.create_execution_context(*self.settings)
        if context is None:
            raise ReszooError(
                f"{self.title} cannot make {self.path} ready to run: {self.log.said}",
                "Free some of the GPU's memory, or export it again with a smaller `batch`.",
            )
        context.nvtx_verbosity = self.trt.ProfilingVerbosity.NONE  # each run would be told to a profiler, at a price
        return context

    def place(self, batch: "np.ndarray") -> "torch.Tensor":
        import torch

        with torch.cuda.stream(self.stream):
            return torch.from_numpy(batch).cuda().contiguous()

    def run(self, placed: "torch.Tensor") -> "torch.Tensor":
        import torch

        with torch.cuda.stream(self.stream):
            return self.launch(placed)

    def launch(self, placed: "torch.Tensor") -> "torch.Tensor":
        """A run on the current stream."""
        import torch

        if not self.context.set_input_shape(self.input, tuple(placed.shape)):
            shape = " x ".join(map(str, placed.shape))
            raise ReszooError(
                f"the engine was not built for the input shape {shape}", "Export it again with another `batch`."
            )
        logits = torch.empty((len(placed), self.classes), device=placed.device)
        self.context.set_tensor_address(self.input, placed.data_ptr())
        self.context.set_tensor_address(self.output, logits.data_ptr())
        if not self.context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise ReszooError("the engine failed while running", "Export it again.")
        return logits

    def read(self, result: "torch.Tensor") -> "np.ndarray":
        import torch

        with torch.cuda.stream(self.stream):
            return result.cpu().numpy()

    def synchronise(self) -> None:
        self.stream.synchronize()

    def clock(self) -> Clock:
        return cuda.CudaEventClock(self, self.stream)

    def close(self) -> None:
        self.synchronise()
        del self.context, self.settings, self.engine


class CudaGraphSession(cuda.CudaGraphs, EngineSession):
    """Each shape that it meets has a context of its own: a graph is only good while its context keeps its shape."""

    def __init__(self, model: Candidate, edition: Edition) -> None:
        super().__init__(model, edition)
        self.contexts: list[Any] = []

    def launch(self, placed: "torch.Tensor") -> "torch.Tensor":
        return EngineSession.launch(self, placed)

    def run(self, placed: "torch.Tensor") -> Any:
        import torch

        with torch.cuda.stream(self.stream):
            return super().run(placed)

    def record(self, placed: "torch.Tensor") -> "tuple[Any, torch.Tensor, torch.Tensor]":
        self.context = self.new_context()
        self.contexts.append(self.context)
        return super().record(placed)

    def close(self) -> None:
        self.synchronise()
        self.graphs.clear()
        self.contexts.clear()
        super().close()


def eager(edition: Edition, engine: Any) -> Any:
    """Settings by which a shape's kernels are compiled at its first run.

    Left to itself, TensorRT for RTX compiles in the background, and kernels change while they are timed.
    """
    settings = engine.create_runtime_config()
    strategy = edition.load().DynamicShapesKernelSpecializationStrategy.EAGER
    settings.dynamic_shapes_kernel_specialization_strategy = strategy
    return settings


def check_match(model: Candidate, edition: Edition, version: str, capability: str) -> None:
    """Refuse an engine that another version of the library has built, or that was built for other GPUs."""
    export, *_ = model.made
    built_with = export.versions.get(edition.package, "an unknown version")
    if built_with != version:
        raise ReszooError(
            f"{model.path} was built with {edition.title} {built_with}, and {version} is installed", rebuild(model)
        )
    built_for = export.config["compute_capability"]
    if not edition.runs_on(capability, built_for):
        raise ReszooError(
            f"{model.path} was built for GPUs of compute capability {built_for or f'{OLDEST} and above'}, "
            f"and this one has {capability}",
            rebuild_for(capability, model, edition),
        )


def rebuild_for(capability: str, model: Candidate, edition: Edition) -> str:
    """How to build the engine for that GPU; one that the library cannot name is among those that it builds for."""
    return rebuild(model, compute_capability=capability if capability in edition.targets else "")


def rebuild(model: Candidate, **changed: str) -> str:
    return f"Build it again: {again(model, **changed)}"
