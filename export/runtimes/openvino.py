"""OpenVINO on the CPU, tuned for latency. For throughput, let several sessions run at once."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...core.errors import ReszooError
from ...core.measured import Kernel
from ...core.types import Candidate, Unavailable
from ..contract import WARM_UP_RUNS, Device, Runtime, Session
from ..formats.onnx import MODEL_FILE

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from openvino import ProfilingInfo

ADDED = re.compile(r"(/WithoutBiases|/DequantizationMultiply)+$")  # to the name of a node that was rewritten
PRECISIONS = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}


class OpenVinoRuntime(Runtime):
    name = "openvino"
    formats = ("onnx",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        try:
            import openvino  # noqa: F401
        except ImportError:
            return Unavailable(
                what="openvino", reason="the package openvino is not installed", fix="pip install 'reszoo[openvino]'"
            )
        return None

    def preload(self) -> None:
        import openvino  # noqa: F401

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "OpenVinoSession":
        return OpenVinoSession(model, threads)

    def profile(
        self, model: Candidate, batch: "np.ndarray", *, device: Device, threads: int, runs: int, limit_s: float
    ) -> tuple[Kernel, ...]:
        with OpenVinoSession(model, threads, profile=True) as session:
            placed = session.place(batch)
            warm_up = session.repeat(placed, WARM_UP_RUNS, limit_s)
            before = _totals(session.request.profiling_info, warm_up)
            counted = session.repeat(placed, runs, limit_s)
            seen = session.request.profiling_info
        after = _totals(seen, warm_up + counted)
        return tuple(
            _kernel(info, (after[info.node_name] - before[info.node_name]).total_seconds() / counted)
            for info in seen
            if info.status == info.Status.EXECUTED  # not so for what was fused into another kernel
        )

    def run_graph(self, model: "onnx.ModelProto", batch: "np.ndarray") -> "dict[str, np.ndarray]":
        import openvino
        from openvino import properties

        core = openvino.Core()
        options = {properties.hint.inference_precision: openvino.Type.f32}
        compiled = core.compile_model(core.read_model(model=model.SerializeToString()), "CPU", options)
        found = compiled.create_infer_request().infer({0: batch})
        return {output.name: found[number] for number, output in enumerate(model.graph.output)}


class OpenVinoSession(Session):
    """One infer request; its input is a tensor that shares the batch's memory. With `profile`, it counts time."""

    def __init__(self, model: Candidate, threads: int, profile: bool = False) -> None:
        import openvino
        from openvino import properties

        options: dict[Any, Any] = {
            properties.inference_num_threads: threads,
            properties.hint.performance_mode: properties.hint.PerformanceMode.LATENCY,
            # The precision is the artifact's: on CPUs with bfloat16 OpenVINO would lower it by itself.
            properties.hint.inference_precision: openvino.Type.f32,
            properties.enable_profiling: profile,
        }
        path = model.path / MODEL_FILE
        try:
            compiled = openvino.Core().compile_model(str(path), "CPU", options)
        except RuntimeError as error:
            raise ReszooError(f"OpenVINO cannot load {path}: {error}", "Export it again.") from error
        self.request = compiled.create_infer_request()

    def place(self, batch: "np.ndarray") -> Any:
        import openvino

        return openvino.Tensor(batch, shared_memory=True)

    def run(self, placed: Any) -> Any:
        self.request.set_input_tensor(placed)
        self.request.infer(share_outputs=True)  # without a copy that nobody may want
        return self.request

    def read(self, result: Any) -> "np.ndarray":
        logits: np.ndarray = result.get_output_tensor().data.copy()
        return logits

    def close(self) -> None:
        del self.request


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
