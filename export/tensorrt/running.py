"""Running an engine: buffers are PyTorch's tensors on the GPU, kernels are queued on a stream of the session's own."""

import shlex
from typing import TYPE_CHECKING, Any, ClassVar

from ...core.errors import ReszooError
from ...core.files import write_atomic
from ...core.types import Candidate, Unavailable
from .. import cuda
from ..contract import Clock, Device, Runtime, Session, unavailable_error
from .library import MODEL_FILE, Library, listener

if TYPE_CHECKING:
    import numpy as np
    import torch


class EngineRuntime(Runtime):
    library: ClassVar[Library]
    devices = ("cuda",)
    variants = ("", "cuda_graph")

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        if missing := self.library.unavailable():
            return missing
        if device == "cpu":
            reason = f"{self.library.title} runs on GPUs only"
            return Unavailable(what=f"{self.name} on cpu", reason=reason, fix="Add --device cuda.")
        return cuda.unavailable(f"{self.name} on cuda")

    def preload(self) -> None:
        import torch  # noqa: F401

        self.library.load()

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "EngineSession":
        if missing := self.unavailable(device, variant):
            raise unavailable_error(missing)
        kind = CudaGraphSession if variant == "cuda_graph" else EngineSession
        return kind(model, self.library)


class EngineSession(Session):
    def __init__(self, model: Candidate, library: Library) -> None:
        import torch

        self.trt = library.load()
        check_match(model, library, self.trt.__version__, *cuda.capabilities())
        log = listener(self.trt)
        self.engine = self.trt.Runtime(log).deserialize_cuda_engine((model.path / MODEL_FILE).read_bytes())
        if self.engine is None:
            raise ReszooError(f"{library.title} refuses {model.path / MODEL_FILE}: {log.said}", rebuild(model))
        self.input, self.output, self.classes = model.input.name, model.output.name, len(model.labels)
        self.kernels = Kernels(library, self.engine) if library.targets else None
        self.context = self.new_context()
        # on the default stream the library would wait for the whole device
        self.stream_before = torch.cuda.current_stream()
        torch.cuda.set_stream(torch.cuda.Stream())  # type: ignore[no-untyped-call]

    def new_context(self) -> Any:
        settings = (self.kernels.settings,) if self.kernels else ()
        context = self.engine.create_execution_context(*settings)
        context.nvtx_verbosity = self.trt.ProfilingVerbosity.NONE  # each run would be told to a profiler, at a price
        return context

    def place(self, batch: "np.ndarray") -> "torch.Tensor":
        import torch

        return torch.from_numpy(batch).cuda().contiguous()

    def run(self, placed: "torch.Tensor") -> "torch.Tensor":
        import torch

        if not self.context.set_input_shape(self.input, tuple(placed.shape)):
            shape = " x ".join(map(str, placed.shape))
            raise ReszooError(
                f"the engine was not built for the input shape {shape}", "Export it again with another --batch."
            )
        logits = torch.empty((len(placed), self.classes), device=placed.device)
        self.context.set_tensor_address(self.input, placed.data_ptr())
        self.context.set_tensor_address(self.output, logits.data_ptr())
        if not self.context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise ReszooError("the engine failed while running", "Export it again.")
        return logits

    def read(self, result: "torch.Tensor") -> "np.ndarray":
        return result.cpu().numpy()

    def synchronise(self) -> None:
        import torch

        torch.cuda.synchronize()

    def clock(self) -> Clock:
        return cuda.CudaEventClock(self)

    def close(self) -> None:
        import torch

        torch.cuda.synchronize()
        torch.cuda.set_stream(self.stream_before)
        if self.kernels:
            self.kernels.keep()
        del self.context, self.kernels, self.engine


class CudaGraphSession(cuda.CudaGraphs, EngineSession):
    """Each shape that it meets has a context of its own: a graph is only good while its context keeps its shape."""

    def __init__(self, model: Candidate, library: Library) -> None:
        super().__init__(model, library)
        self.contexts: list[Any] = []

    def launch(self, placed: "torch.Tensor") -> Any:
        return EngineSession.run(self, placed)

    def record(self, placed: "torch.Tensor") -> "tuple[Any, torch.Tensor, torch.Tensor]":
        self.context = self.new_context()
        self.contexts.append(self.context)
        return super().record(placed)

    def close(self) -> None:
        self.graphs.clear()
        self.contexts.clear()
        super().close()


class Kernels:
    """TensorRT for RTX compiles an engine's kernels on the GPU that runs it. What it has compiled once is kept."""

    def __init__(self, library: Library, engine: Any) -> None:
        self.file = library.kept_file()
        self.settings = engine.create_runtime_config()
        # at a shape's first run: left to itself it compiles in the background, and kernels change while they are timed
        eager = library.load().DynamicShapesKernelSpecializationStrategy.EAGER
        self.settings.dynamic_shapes_kernel_specialization_strategy = eager
        self.cache = self.settings.create_runtime_cache()
        if self.file.is_file():
            self.cache.deserialize(self.file.read_bytes())  # after a new driver it may not fit: then all is compiled
        self.settings.set_runtime_cache(self.cache)

    def keep(self) -> None:
        write_atomic(self.file, bytes(self.cache.serialize()))


def check_match(model: Candidate, library: Library, version: str, capability: str) -> None:
    """Refuse an engine that another version of the library has built, or that was built for other GPUs."""
    export, *_ = model.made
    built_with = export.versions.get(library.package, version)
    if built_with != version:
        raise ReszooError(
            f"{model.path} was built with {library.title} {built_with}, and {version} is installed", rebuild(model)
        )
    built_for = export.config["compute_capability"]
    if built_for and capability not in built_for.split(","):
        raise ReszooError(
            f"{model.path} was built for GPUs of compute capability {built_for}, and this one has {capability}",
            rebuild(model, capability if library.targets else ""),
        )


def rebuild(model: Candidate, capability: str | None = None) -> str:
    """How to build the engine again, for the same GPUs or for those of another compute capability."""
    chosen = model.made[0].config
    options = {
        "--precision": model.precision,
        "--batch": chosen["batch"],
        "--opset": chosen["opset"],
        "--compute-capability": chosen["compute_capability"] if capability is None else capability,
    }
    words = [word for name, value in options.items() if value not in ("", "None") for word in (name, value)]
    return f"Build it again: {shlex.join(['reszoo', 'export', model.source_ref, '--to', model.format, *words])}"
