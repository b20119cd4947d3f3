"""OpenVINO on the CPU: the model as it is, reshaped to each batch, tuned for throughput, or in bfloat16."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import ReszooError
from ...core.measured import Kernel
from ...core.missing import not_installed
from ...core.types import Candidate, Unavailable
from ..contract.runtime import WARM_UP_RUNS, Device, Runtime, Session
from ..files import ONNX, OPENVINO, path_of
from ..openvino_core import core, engine

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from openvino import ProfilingInfo

ADDED = re.compile(r"(/WithoutBiases|/DequantizationMultiply)+$")  # to the name of a node that was rewritten
PRECISIONS = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}

FILES = {"onnx": ONNX, "openvino": OPENVINO, "triton": ONNX}


class OpenVinoRuntime(Runtime):
    name = "openvino"
    formats = ("onnx", "openvino", "triton")
    variants = ("", "static", "throughput", "bf16")
    lossy_variants = ("bf16",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        if missing := not_installed("openvino", "openvino"):
            return missing
        if variant == "bf16" and not _has_bf16():
            return Unavailable(
                what="openvino:bf16",
                reason="this CPU has no instructions for bfloat16",
                fix="Use a CPU with avx512_bf16 or amx_bf16, or the runtime openvino.",
            )
        return None

    def preload(self) -> None:
        engine()

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "OpenVinoSession":
        if variant == "throughput":
            return ThroughputSession(model, threads)
        return OpenVinoSession(model, threads, is_static=variant != "", is_bf16=variant == "bf16")

    def profile(
        self, model: Candidate, batch: "np.ndarray", *, device: Device, threads: int, runs: int, limit_s: float
    ) -> tuple[Kernel, ...]:
        with OpenVinoSession(model, threads, profile=True) as session:
            placed = session.place(batch)
            warm_up = session.repeat(placed, WARM_UP_RUNS, limit_s)
            (request,) = session.requests_for(len(batch))
            before = _totals(request.profiling_info, warm_up)
            counted = session.repeat(placed, runs, limit_s)
            seen = request.profiling_info
        after = _totals(seen, warm_up + counted)
        return tuple(
            _kernel(info, (after[info.node_name] - before[info.node_name]).total_seconds() / counted)
            for info in seen
            if info.status == info.Status.EXECUTED  # not so for what was fused into another kernel
        )

    def run_graph(self, model: "onnx.ModelProto", batch: "np.ndarray") -> "dict[str, np.ndarray]":
        openvino = engine()
        options = {openvino.properties.hint.inference_precision: openvino.Type.f32}
        compiled = core().compile_model(core().read_model(model=model.SerializeToString()), "CPU", options)
        found = compiled.create_infer_request().infer({0: batch})
        return {output.name: found[number] for number, output in enumerate(model.graph.output)}


class OpenVinoSession(Session):
    """The model compiled as it is; or, where `is_static`, reshaped to each batch size that is met, and compiled for it.

    A model for one batch size is faster than one for any, and another model: OpenVINO has computed the one rightly and
    the other wrongly. An input is a tensor that shares the batch's memory. With `profile`, the requests count time.
    """

    hint = "LATENCY"
    requests_per_size = 1

    def __init__(
        self, model: Candidate, threads: int, is_static: bool = False, is_bf16: bool = False, profile: bool = False
    ) -> None:
        openvino = engine()
        properties = openvino.properties
        self.path = path_of(model, FILES[model.format])
        batch, *self.shape = model.input.shape
        self.is_fixed = isinstance(batch, int)
        self.is_reshaped = is_static and not self.is_fixed
        with explained(self.path):
            self.model = core().read_model(self.path)
        self.options: dict[Any, Any] = {
            properties.inference_num_threads: threads,
            properties.hint.performance_mode: getattr(properties.hint.PerformanceMode, self.hint),
            # The precision is the artifact's: on CPUs with bfloat16 OpenVINO would lower it by itself.
            properties.hint.inference_precision: openvino.Type.bf16 if is_bf16 else openvino.Type.f32,
            properties.enable_profiling: profile,
        }
        self.requests: dict[int | None, list[Any]] = {}

    def requests_for(self, size: int) -> list[Any]:
        """The infer requests of the model that was compiled for batches of this size, or for all sizes."""
        compiled_for = size if self.is_reshaped else None
        if compiled_for not in self.requests:
            if self.is_reshaped:
                self.model.reshape([size, *self.shape])
            with explained(self.path):
                compiled = core().compile_model(self.model, "CPU", self.options)
            self.requests[compiled_for] = [compiled.create_infer_request() for _ in range(self.requests_per_size)]
        return self.requests[compiled_for]

    def place(self, batch: "np.ndarray") -> Any:
        import openvino

        return len(batch), openvino.Tensor(batch, shared_memory=True)

    def run(self, placed: Any) -> Any:
        size, tensor = placed
        (request,) = self.requests_for(size)
        request.set_input_tensor(tensor)
        request.infer(share_outputs=True)  # without a copy that nobody may want
        return request

    def read(self, result: Any) -> "np.ndarray":
        logits: np.ndarray = result.get_output_tensor().data.copy()
        return logits

    def close(self) -> None:
        self.requests.clear()
        del self.model


class ThroughputSession(OpenVinoSession):
    """A batch is split over as many infer requests as there are threads, which run at once, each on one thread.

    The model is reshaped to the size of a part.
    """

    hint = "THROUGHPUT"

    def __init__(self, model: Candidate, threads: int) -> None:
        super().__init__(model, threads, is_static=True)
        self.requests_per_size = 1 if self.is_fixed else threads
        self.options[engine().properties.hint.num_requests] = self.requests_per_size

    def place(self, batch: "np.ndarray") -> Any:
        import numpy as np

        parts = np.array_split(batch, min(len(batch), self.requests_per_size))
        return [super(ThroughputSession, self).place(part) for part in parts]

    def run(self, placed: Any) -> Any:
        at_work = []
        for i, (size, tensor) in enumerate(placed):
            request = self.requests_for(size)[i]
            request.set_input_tensor(tensor)
            request.start_async()
            at_work.append(request)
        for request in at_work:
            request.wait()
        return at_work

    def read(self, result: Any) -> "np.ndarray":
        import numpy as np

        return np.concatenate([super(ThroughputSession, self).read(request) for request in result])


def _has_bf16() -> bool:
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ReszooError(f"OpenVINO cannot load {path}: {error}", "Export it again.") from error


def _totals(seen: "list[ProfilingInfo]", runs: int) -> dict[str, timedelta]:
    """The time of each kernel in all `runs` so far: OpenVINO tells their mean, in whole microseconds."""
    return {info.node_name: runs * info.real_time for info in seen}


def _kernel(info: "ProfilingInfo", seconds: float) -> Kernel:
    """The type of its first operand ends what OpenVINO calls its implementation: "brgconv_avx512_I8"."""
    operand = info.exec_type.rpartition("_")[2].lower()
    return Kernel(
        name=ADDED.sub("", info.node_name),
        operator=info.node_type,
        precision=PRECISIONS.get(operand, operand),
        seconds=max(seconds, 0.0),
    )


RUNTIME = OpenVinoRuntime()
