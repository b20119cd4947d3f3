"""LiteRT (once TensorFlow Lite) on the CPU, with its XNNPACK kernels."""

from typing import TYPE_CHECKING

from ...core.errors import ReszooError
from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Candidate, Unavailable
from ..contract.runtime import Device, Runtime, Session
from ..files import LITERT

if TYPE_CHECKING:
    import numpy as np


class LiteRtRuntime(Runtime):
    name = "litert"
    packages = ("ai-edge-litert",)
    formats = ("litert",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return not_installed("litert", "ai_edge_litert")

    def preload(self) -> None:
        import ai_edge_litert.interpreter  # noqa: F401

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "LiteRtSession":
        return LiteRtSession(model, threads)


class LiteRtSession(Session):
    """The interpreter has one input tensor, which every run fills; another batch size resizes it."""

    def __init__(self, model: Candidate, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        path = model.path / LITERT
        try:
            with quietly():  # it tells of each delegate that it makes
                self.interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ReszooError(f"LiteRT cannot load {path}: {error}", "Export it again.") from error
        (fed,), (given,) = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        self.input, self.output = int(fed["index"]), int(given["index"])
        self.batch = int(fed["shape"][0])
        self.is_fixed = isinstance(model.input.shape[0], int)

    def place(self, batch: "np.ndarray") -> "np.ndarray":
        return batch

    def run(self, placed: "np.ndarray") -> int:
        if len(placed) != self.batch and not self.is_fixed:
            self._resize(placed)
        self.interpreter.set_tensor(self.input, placed)
        self.interpreter.invoke()
        return self.output

    def _resize(self, placed: "np.ndarray") -> None:
        self.interpreter.resize_tensor_input(self.input, placed.shape)
        self.interpreter.allocate_tensors()
        self.batch = len(placed)

    def read(self, result: int) -> "np.ndarray":
        logits: np.ndarray = self.interpreter.get_tensor(result)
        return logits

    def close(self) -> None:
        del self.interpreter


RUNTIME = LiteRtRuntime()
