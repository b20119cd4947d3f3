"""ncnn on the CPU, in float32: by itself it would halve the weights."""

# what a compiled module holds is not known before it is imported
# pyright: reportAttributeAccessIssue=false

from typing import TYPE_CHECKING, Any

from ...core.errors import ReszooError
from ...core.missing import not_installed
from ...core.types import Candidate, Unavailable
from ..contract.runtime import Device, Runtime, Session
from ..files import NCNN_PARAM, NCNN_WEIGHTS

if TYPE_CHECKING:
    import numpy as np


class NcnnRuntime(Runtime):
    name = "ncnn"
    formats = ("ncnn",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return not_installed("ncnn", "ncnn")

    def preload(self) -> None:
        import ncnn  # noqa: F401

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "NcnnSession":
        return NcnnSession(model, threads)


class NcnnSession(Session):
    """ncnn knows no batches: the images go through the network one after the other."""

    def __init__(self, model: Candidate, threads: int) -> None:
        import ncnn

        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        self.net.opt.use_fp16_storage = self.net.opt.use_fp16_packed = self.net.opt.use_fp16_arithmetic = False
        for file, load in ((NCNN_PARAM, self.net.load_param), (NCNN_WEIGHTS, self.net.load_model)):
            if load(str(model.path / file)):
                raise ReszooError(f"ncnn cannot load {model.path / file}", "Export it again.")
        (self.input,), (self.output,) = self.net.input_names(), self.net.output_names()

    def place(self, batch: "np.ndarray") -> list[Any]:
        import ncnn

        return [ncnn.Mat(image).clone() for image in batch]  # with ncnn's own alignment

    def run(self, placed: list[Any]) -> list[Any]:
        return [self._infer(image) for image in placed]

    def _infer(self, image: Any) -> Any:
        extractor = self.net.create_extractor()
        extractor.input(self.input, image)
        status, logits = extractor.extract(self.output)
        if status:
            raise ReszooError(f"ncnn failed with status {status}", "Export the model again.")
        return logits

    def read(self, result: list[Any]) -> "np.ndarray":
        import numpy as np

        return np.stack([np.array(logits) for logits in result])

    def close(self) -> None:
        self.net.clear()
        del self.net


RUNTIME = NcnnRuntime()
