"""int8 files compiled for Arm's Ethos-U NPUs by Vela, and what it estimates of each."""

from pathlib import Path

from ...core.documents import to_builtins
from ...core.errors import UsageError
from ...core.missing import not_installed
from ...core.types import Candidate, Checkpoint, Figure, TensorSpec, Unavailable
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions
from ..contract.runtime import Runtime, runtimes
from ..microcontrollers import MODEL_FILE, NAME
from ..vela import ACCELERATORS, PACKAGE, Report, compile_for
from . import tflite_micro

REPORT_FILE = "vela.json"
DEFAULT = ("ethos-u55-128",)


class EthosUFormat(GraphFormat):
    """A file for each accelerator, the int8 graph that they were compiled from, and Vela's reports.

    The graph lies beside them because no NPU is here: it is what can be proven.
    """

    name = "ethos-u"
    parity_runtime = "ethos-u"
    precisions = tflite_micro.FORMAT.precisions
    graph_kind = tflite_micro.FORMAT.graph_kind
    natural_int8 = tflite_micro.FORMAT.natural_int8
    has_static_batch = True
    accelerators = ACCELERATORS
    companions = (MODEL_FILE, REPORT_FILE)
    packages = (PACKAGE, *tflite_micro.FORMAT.packages)

    def unavailable(self) -> Unavailable | None:
        from msgspec.structs import replace

        missing = not_installed(self.name, "ethosu") or tflite_micro.FORMAT.unavailable()
        return missing and replace(missing, what=self.name, fix=missing.fix.replace(NAME, self.name))

    def check(self, options: ExportOptions) -> None:
        from msgspec.structs import replace

        super().check(options)
        tflite_micro.FORMAT.check(replace(options, accelerator=()))

    def complete(self, options: ExportOptions) -> ExportOptions:
        from msgspec.structs import replace

        options = tflite_micro.FORMAT.complete(options)
        return replace(options, accelerator=options.accelerator or DEFAULT)

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        return tflite_micro.FORMAT.graph(checkpoint, options)

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        from msgspec import json

        tflite_micro.FORMAT.convert(graph, checkpoint, options, folder)
        reports = []
        for accelerator in self.complete(options).accelerator:
            compiled = compile_for(accelerator, (folder / MODEL_FILE).read_bytes())
            (folder / f"{accelerator}.tflite").write_bytes(compiled.content)
            reports.append(to_builtins(compiled.report))
        (folder / REPORT_FILE).write_bytes(json.format(json.encode(reports)) + b"\n")

    def ends(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> tuple[TensorSpec, TensorSpec]:
        return tflite_micro.FORMAT.ends(checkpoint, options, folder)

    def figures(self, written: Candidate) -> tuple[Figure, ...]:
        return tuple(figure for report in reports(written.path) for figure in report.figures())

    def stand_in(self, written: Candidate) -> tuple[Candidate, Runtime]:
        """The graph that it was compiled from."""
        from msgspec.structs import replace

        runtime = runtimes()[tflite_micro.FORMAT.parity_runtime]
        return replace(written, format=tflite_micro.FORMAT.name), runtime


def reports(folder: Path) -> list[Report]:
    """Vela's, in the order of the accelerators. Raises UsageError where the folder has none that can be read."""
    from msgspec import DecodeError, json

    file = folder / REPORT_FILE
    try:
        return json.decode(file.read_bytes(), type=list[Report])
    except (OSError, DecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "Export it again.") from error


FORMAT = EthosUFormat()
