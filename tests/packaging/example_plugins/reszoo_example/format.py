"""A format: an ONNX graph in a file with another name."""

from pathlib import Path
from typing import Any

from reszoo.core.types import Checkpoint, Unavailable
from reszoo.export.contract.format import GraphFormat, formats
from reszoo.export.contract.options import ExportOptions
from reszoo.quantize import QuantizeConfig


class ExampleFormat(GraphFormat):
    name = "example"
    parity_runtime = "example"
    precisions = ("fp32", "int8")
    graph_kind = "onnx"
    natural_int8 = QuantizeConfig(scheme="example")
    packages = ("reszoo-example",)

    def unavailable(self) -> Unavailable | None:
        return formats()["onnx"].unavailable()

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> Any:
        onnx = formats()["onnx"]
        assert isinstance(onnx, GraphFormat)
        return onnx.graph(checkpoint, options)

    def convert(self, graph: Any, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        (folder / "model.example").write_bytes(graph)


FORMAT = ExampleFormat()
