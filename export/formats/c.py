"""C without a runtime: kernels and constants in one folder, and a library for this machine; int8 exact to the bit."""

from pathlib import Path

from ...core.errors import UsageError
from ...core.missing import not_installed
from ...core.types import Candidate, Checkpoint, Figure, Unavailable, Way
from ...quantize.config import QuantizeConfig
from ...quantize.contract import Scheme
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions, input_spec
from ..csource import compiling
from ..csource.kernel_sets import NAMES, SETS
from . import onnx

COUNTED = Way(kind="counted")


class CFormat(GraphFormat):
    """From the same integers as the int8 files of ONNX; the library is built of the sources beside it."""

    name = "c"
    parity_runtime = "c"
    precisions = ("fp32", "int8")
    graph_kind = "onnx"
    activations = ("u8",)
    natural_int8 = QuantizeConfig(scheme="int8")
    inputs = ("float", "uint8")
    isas = NAMES
    opened = (compiling.LIBRARY,)
    packages = ("cc", *onnx.FORMAT.packages)

    def unavailable(self) -> Unavailable | None:
        return compiling.unavailable(self.name) or not_installed("torch", *onnx.EXPORTER, what=self.name)

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        own = [each.name for each in SETS[options.precision]]
        if unknown := [name for name in options.isa if name not in own]:
            raise UsageError(
                f"format {self.name} has no kernels {unknown[0]} for {options.precision}", f"It has {', '.join(own)}."
            )

    def fits(self, scheme: Scheme) -> bool:
        """Those of others quantize some tensors to signed integers, or leave some in float."""
        return scheme.name == self.natural_int8.scheme

    def versions(self) -> dict[str, str]:
        return {"cc": compiling.version(), **onnx.FORMAT.versions()}

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        return onnx.FORMAT.graph(checkpoint, options)

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        from ..csource.folder import write

        write(graph, checkpoint, input_spec(checkpoint, options), folder, options.isa, options.precision)
        compiling.build(folder, folder / compiling.LIBRARY)

    def figures(self, written: Candidate) -> tuple[Figure, ...]:
        from ..csource.folder import figures

        return tuple(Figure(name=name, value=value, unit="bytes", way=COUNTED) for name, value in figures(written.path))


FORMAT = CFormat()
