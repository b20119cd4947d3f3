"""The C of an artifact, through its library: the fastest kernels that the processor has, or those of a variant."""

import ctypes
import re
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import ReszooError
from ...core.measured import Kernel
from ...core.types import Candidate, Unavailable
from ..contract.runtime import WARM_UP_RUNS, Device, Runtime, Session
from ..csource.compiling import LIBRARY, TIMES, build

if TYPE_CHECKING:
    import numpy as np

ALIGNMENT = 64
# A call of a kernel in network.h, behind the comment that names its layer.
CALL = re.compile(r"/\* (\S+): .*\*/\n +([a-z]+)[\w]*\(")
OPERATORS = {
    "feed": "QuantizeLinear",
    "convolve": "Conv",
    "convert": "Conv",
    "pick": "AveragePool",
    "add": "Add",
    "max": "MaxPool",
    "average": "GlobalAveragePool",
    "classify": "Gemm",
}


class Sizes(ctypes.Structure):
    """As `struct model_sizes` of model.h."""

    _fields_ = [(name, ctypes.c_int32) for name in ("image_values", "pixel_bytes", "classes", "workspace_bytes")]


class CRuntime(Runtime):
    name = "c"
    formats = ("c",)
    variants = ("", "portable", "avx2", "avx512vnni")
    slow_variants = ("portable",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        from ...core.hosts import describe

        needed = {"avx2": "avx2", "avx512vnni": "avx512_vnni"}.get(variant)
        if needed is None or needed in describe().instruction_sets:
            return None
        reason = f"this processor has no {needed}"
        return Unavailable(what=f"c:{variant}", reason=reason, fix="Run c, which takes the best that there is.")

    def preload(self) -> None:
        """There is no engine."""

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "CSession":
        return CSession(library(model.path), variant)

    def profile(
        self, model: Candidate, batch: "np.ndarray", *, device: Device, threads: int, runs: int, limit_s: float
    ) -> tuple[Kernel, ...]:
        """From a build of its own, in which each call of a kernel is timed."""
        with tempfile.TemporaryDirectory(prefix="reszoo-") as folder:
            build(model.path, Path(folder) / LIBRARY, "-DMODEL_TIMES", str(TIMES))
            loaded = ctypes.CDLL(f"{folder}/{LIBRARY}")
        names = CALL.findall((model.path / "network.h").read_text(encoding="utf-8"))
        times = (ctypes.c_int64 * (len(names) + 1)).in_dll(loaded, "model_times")
        with CSession(loaded, "") as session:
            placed = [session.place(image[None]) for image in batch]
            session.repeat(placed[0], WARM_UP_RUNS, limit_s)
            seconds, done, end = [0.0] * len(names), 0, time.monotonic() + limit_s
            while done == 0 or (done < runs and time.monotonic() < end):
                for image in placed:
                    session.run(image)
                    seconds = [
                        sum_ + after - before for sum_, (before, after) in zip(seconds, pairwise(times), strict=True)
                    ]
                done += 1
        return tuple(
            Kernel(name=name, operator=OPERATORS[kind], precision=model.precision, seconds=total / done / 1e9)
            for (name, kind), total in zip(names, seconds, strict=True)
        )


class CSession(Session):
    """The images go through the network one after the other, in one workspace."""

    def __init__(self, loaded: Any, variant: str) -> None:
        import numpy as np

        self.sizes = Sizes.in_dll(loaded, "model_sizes")
        self.kernels = kernels_of(loaded, variant)
        self.compute = loaded.model_run_many
        self.compute.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
        room = np.empty(self.sizes.workspace_bytes + ALIGNMENT, np.uint8)
        self.workspace = room[-room.ctypes.data % ALIGNMENT :]

    def place(self, batch: "np.ndarray") -> Any:
        """The batch, room for its logits, and where both lie."""
        import numpy as np

        if batch[0].size != self.sizes.image_values or batch.itemsize != self.sizes.pixel_bytes:
            raise ReszooError(f"the model does not take {batch.dtype} {batch.shape[1:]}", "Feed it as model.h says.")
        fed, logits = np.ascontiguousarray(batch), np.empty((len(batch), self.sizes.classes), np.float32)
        call = (self.kernels, fed.ctypes.data, logits.ctypes.data, len(batch), self.workspace.ctypes.data)
        return fed, logits, call

    def run(self, placed: Any) -> Any:
        _, logits, call = placed
        if failed := self.compute(*call):
            raise ReszooError(f"model_run_many gives {failed}", "Export it again.")
        return logits

    def read(self, result: "np.ndarray") -> "np.ndarray":
        return result.copy()

    def close(self) -> None:
        del self.compute, self.workspace


def library(folder: Path) -> Any:
    """The library in the folder, or one built of its sources where that one is for another machine."""
    try:
        return ctypes.CDLL(str(folder / LIBRARY))
    except OSError:
        with tempfile.TemporaryDirectory(prefix="reszoo-") as made:
            build(folder, Path(made) / LIBRARY)
            return ctypes.CDLL(f"{made}/{LIBRARY}")


def kernels_of(loaded: Any, variant: str) -> int:
    """The number of a set of kernels, "" for the best.

    Raises ReszooError where the artifact or the processor does not have it.
    """
    loaded.model_name.restype = ctypes.c_char_p
    if not variant:
        return int(loaded.model_best())
    number = 0
    while (name := loaded.model_name(number)) is not None:
        # floats need no VNNI, and their kernels for AVX-512 are called so
        if name.decode() in (variant, variant.removesuffix("vnni")) and loaded.model_has(number):
            return number
        number += 1
    raise ReszooError(f"the artifact has no {variant} kernels for this processor", "Leave the variant away.")


RUNTIME = CRuntime()
