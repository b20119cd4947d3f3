"""ONNX Runtime, on the CPU or through its CUDA provider."""

from typing import TYPE_CHECKING

from ...core.errors import ReszooError
from ...core.types import Candidate, Unavailable
from ..contract import Device, Runtime, Session
from ..formats import onnx, ort

if TYPE_CHECKING:
    import numpy as np
    from onnxruntime import OrtValue

FILES = {"onnx": onnx.MODEL_FILE, "ort": ort.MODEL_FILE}
PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntime(Runtime):
    name = "onnxruntime"
    formats = ("onnx", "ort")
    devices = ("cpu", "cuda")

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        import onnxruntime

        if PROVIDERS[device] in onnxruntime.get_available_providers():
            return None
        return Unavailable(
            what=f"onnxruntime on {device}",
            reason=f"this build of ONNX Runtime has no {PROVIDERS[device]}",
            fix="pip uninstall onnxruntime && pip install --force-reinstall --no-deps onnxruntime-gpu",
        )

    def preload(self) -> None:
        import onnxruntime  # noqa: F401

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "OnnxRuntimeSession":
        return OnnxRuntimeSession(model, device, threads)


class OnnxRuntimeSession(Session):
    """Inputs and outputs are bound OrtValues, so that a run on CUDA moves nothing between host and device."""

    def __init__(self, model: Candidate, device: Device, threads: int) -> None:
        import onnxruntime

        if device == "cuda":
            onnxruntime.preload_dlls()  # CUDA and cuDNN from pip's packages lie where the loader does not look
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = model.path / FILES[model.format]
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=[PROVIDERS[device]])
        except Exception as error:  # ONNX Runtime's own error classes share no base but Exception
            raise ReszooError(f"ONNX Runtime cannot load {path}: {error}", "Export it again.") from error
        if self.session.get_providers()[0] != PROVIDERS[device]:
            raise ReszooError(
                f"ONNX Runtime fell back from {PROVIDERS[device]} to {self.session.get_providers()[0]}",
                "Check that its CUDA and cuDNN libraries can be found, or use --device cpu.",
            )
        self.device = device
        self.binding = self.session.io_binding()
        self.output = model.output.name
        self.input = model.input.name

    def place(self, batch: "np.ndarray") -> "OrtValue":
        from onnxruntime import OrtValue

        return OrtValue.ortvalue_from_numpy(batch, self.device, 0)

    def run(self, placed: "OrtValue") -> "OrtValue":
        self.binding.bind_ortvalue_input(self.input, placed)
        self.binding.bind_output(self.output, self.device)
        self.session.run_with_iobinding(self.binding)
        return self.binding.get_outputs()[0]

    def read(self, result: "OrtValue") -> "np.ndarray":
        logits: np.ndarray = result.numpy()
        return logits

    def synchronise(self) -> None:
        self.binding.synchronize_outputs()

    def close(self) -> None:
        del self.binding, self.session


RUNTIME = OnnxRuntime()
