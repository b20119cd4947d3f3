"""int8 files for TensorFlow Lite Micro: one image, channels last, integers in and out, all weights in the file."""

from pathlib import Path

from ...core.errors import UsageError
from ...core.hosts import versions
from ...core.types import Candidate, Checkpoint, Figure, TensorSpec, Unavailable, Way
from .. import microcontrollers
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions
from ..microcontrollers import MODEL_FILE
from . import litert

PACKAGE = "tflite-micro"
COUNTED = Way(kind="counted")


class TfliteMicroFormat(GraphFormat):
    """It is proven by that library's own kernels: what it cannot do, it computes wrongly without an error."""

    name = parity_runtime = microcontrollers.NAME
    precisions = ("int8",)
    graph_kind = litert.FORMAT.graph_kind
    natural_int8 = litert.FORMAT.natural_int8
    has_static_batch = True
    opened = (MODEL_FILE,)
    packages = (PACKAGE, *litert.FORMAT.packages)

    def unavailable(self) -> Unavailable | None:
        return microcontrollers.unavailable("litert_torch", "ai_edge_litert", "ai_edge_quantizer")

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        if options.batch not in (None, 1):
            raise UsageError(f"format {self.name} takes one image at a time", "Leave `batch` away.")

    def complete(self, options: ExportOptions) -> ExportOptions:
        from msgspec.structs import replace

        return replace(options, batch=1)

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        """Still with channels first, as calibration images come."""
        return microcontrollers.with_pools(litert.FORMAT.graph(checkpoint, self.complete(options)))

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(microcontrollers.with_integer_ends(graph))

    def ends(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> tuple[TensorSpec, TensorSpec]:
        return microcontrollers.ends(folder / MODEL_FILE)

    def figures(self, written: Candidate) -> tuple[Figure, ...]:
        from ..runtimes.tflite_micro import arena_bytes

        content = (written.path / MODEL_FILE).read_bytes()
        kinds = microcontrollers.operators(content)
        library = f"TensorFlow Lite Micro {versions((PACKAGE,))[PACKAGE]} on x86-64, reference kernels"
        return (
            Figure(name="tensor arena", value=arena_bytes(content), unit="bytes", way=Way(kind="measured", by=library)),
            Figure(name="model in flash", value=len(content), unit="bytes", way=COUNTED),
            Figure(name="kinds of operators to register", value=len(kinds), unit=f"({', '.join(kinds)})", way=COUNTED),
        )


FORMAT = TfliteMicroFormat()
