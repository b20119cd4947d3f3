"""OpenVINO on the CPU, tuned for latency. For throughput, let several sessions run at once."""

from typing import TYPE_CHECKING, Any

from ...core.errors import ReszooError
from ...core.types import Candidate, Unavailable
from ..contract import Device, Runtime, Session
from ..formats.onnx import MODEL_FILE

if TYPE_CHECKING:
    import numpy as np


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


class OpenVinoSession(Session):
    """One infer request; its input is a tensor that shares the batch's memory."""

    def __init__(self, model: Candidate, threads: int) -> None:
        import openvino
        from openvino import properties

        options: dict[Any, Any] = {
            properties.inference_num_threads: threads,
            properties.hint.performance_mode: properties.hint.PerformanceMode.LATENCY,
            # The precision is the artifact's: on CPUs with bfloat16 OpenVINO would lower it by itself.
            properties.hint.inference_precision: openvino.Type.f32,
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


RUNTIME = OpenVinoRuntime()
