"""MNN on the CPU, in float32: `low` precision would compute in half floats where the processor has them."""

# what a compiled module holds is not known before it is imported
# pyright: reportAttributeAccessIssue=false

from typing import TYPE_CHECKING, Any

from ...core.errors import ReszooError
from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Candidate, Unavailable
from ..contract.runtime import Device, Runtime, Session
from ..files import MNN as MODEL_FILE

if TYPE_CHECKING:
    import numpy as np


class MnnRuntime(Runtime):
    name = "mnn"
    formats = ("mnn",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return not_installed("mnn", "MNN")

    def preload(self) -> None:
        with quietly():  # it tells what the processor can do
            import MNN  # noqa: F401

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "MnnSession":
        self.preload()
        return MnnSession(model, threads)


class MnnSession(Session):
    """MNN prepares its module anew when the batch changes."""

    def __init__(self, model: Candidate, threads: int) -> None:
        import MNN

        path = model.path / MODEL_FILE
        config = {"backend": "CPU", "precision": "high", "numThread": threads}
        try:
            with quietly():  # it tells of the precision
                self.manager = MNN.nn.create_runtime_manager((config,))
                names = [model.input.name], [model.output.name]
                self.net = MNN.nn.load_module_from_file(str(path), *names, runtime_manager=self.manager)
        except SystemError as error:  # of Python, for an error that MNN has set without raising it
            raise ReszooError(f"MNN cannot load {path}", "Export it again.") from error
        self.dtype = {"float32": MNN.expr.float, "uint8": MNN.expr.uint8}[model.input.dtype]

    def place(self, batch: "np.ndarray") -> Any:
        import MNN
        import numpy as np

        # NCHW stands for "as the graph has it": what comes as NHWC would be turned round
        placed = MNN.expr.placeholder(list(batch.shape), MNN.expr.NCHW, self.dtype)
        placed.write(np.ascontiguousarray(batch))
        return placed

    def run(self, placed: Any) -> Any:
        results = self.net.onForward([placed])
        if not results:  # it says why on standard output
            raise ReszooError(f"MNN does not compute a batch of {placed.shape[0]}", "Feed the batch of its input.")
        return results[0]

    def read(self, result: Any) -> "np.ndarray":
        logits: np.ndarray = result.read().copy()
        return logits

    def close(self) -> None:
        del self.net, self.manager


RUNTIME = MnnRuntime()
