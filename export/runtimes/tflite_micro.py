"""TensorFlow Lite Micro's interpreter on this machine, and LiteRT's reference kernels, which its own come from.

It tells what a microcontroller computes and how much memory that takes, never how long.
"""

# what a compiled module holds is not known before it is imported
# pyright: reportAttributeAccessIssue=false

import re
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from ...core.errors import ReszooError
from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Candidate, Unavailable
from ..contract.runtime import Device, Runtime, Session
from ..feeding import floats_of
from ..microcontrollers import MODEL_FILE, NAME, unavailable

if TYPE_CHECKING:
    import numpy as np

ARENA = 64 << 20  # bytes, of which only those that are used are ever touched
TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


class TfliteMicroRuntime(Runtime):
    name = NAME
    formats = (NAME,)
    variants = ("", "reference")
    untimed = "its kernels are for checking on this machine: their time says nothing of a microcontroller"

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        if variant == "reference":
            return not_installed("litert", "ai_edge_litert", what=f"{self.name}:{variant}")
        return unavailable()

    def preload(self) -> None:
        import tflite_micro  # noqa: F401

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "Session":
        content = (model.path / MODEL_FILE).read_bytes()
        try:
            with quietly():
                interpreter = Reference(content) if variant else Micro(content)
        except (ValueError, RuntimeError) as error:
            problem = f"{self.name} cannot load {model.path / MODEL_FILE}: {error}"
            raise ReszooError(problem, "Export it again.") from error
        return MicroSession(interpreter, model)


class Micro:
    """The library's own interpreter. An arena is given once, and what it needs of it is known after a run."""

    def __init__(self, content: bytes, arena: int = ARENA) -> None:
        from tflite_micro import runtime

        self.interpreter: Any = runtime.Interpreter.from_bytes(content, arena_size=arena)

    def compute(self, image: "np.ndarray") -> "np.ndarray":
        self.interpreter.set_input(image, 0)
        self.interpreter.invoke()
        logits: np.ndarray = self.interpreter.get_output(0)
        return logits


class Reference:
    """LiteRT without its fast kernels: those differ from the library's by a few quanta."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kernels = OpResolverType.BUILTIN_REF
        self.interpreter: Any = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
        self.interpreter.allocate_tensors()
        (fed,), (given,) = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        self.input, self.output = fed["index"], given["index"]

    def compute(self, image: "np.ndarray") -> "np.ndarray":
        self.interpreter.set_tensor(self.input, image)
        self.interpreter.invoke()
        logits: np.ndarray = self.interpreter.get_tensor(self.output)
        return logits


class MicroSession(Session):
    """The images go through the network one after the other."""

    def __init__(self, interpreter: Micro | Reference, model: Candidate) -> None:
        self.interpreter, self.output = interpreter, model.output

    def place(self, batch: "np.ndarray") -> "np.ndarray":
        return batch

    def run(self, placed: "np.ndarray") -> "np.ndarray":
        import numpy as np

        return np.concatenate([self.interpreter.compute(image[None]) for image in placed])

    def read(self, result: "np.ndarray") -> "np.ndarray":
        return floats_of(result, self.output)

    def close(self) -> None:
        del self.interpreter


def arena_bytes(content: bytes) -> int:
    """How much of its arena the library takes for a model: on a 32-bit machine, somewhat less."""
    import os

    import numpy as np

    with quietly():
        micro = Micro(content)
        fed = micro.interpreter.get_input_details(0)
        micro.compute(np.zeros(fed["shape"], fed["dtype"]))
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)  # it prints the sum, and gives it in no other way
        try:
            micro.interpreter.print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        found = TOTAL.search(said.read().decode())
    if found is None:
        raise ReszooError("TensorFlow Lite Micro does not say how much memory it takes", "Report its version.")
    return int(found[1])


RUNTIME = TfliteMicroRuntime()
