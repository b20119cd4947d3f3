"""A folder for any web server: an ONNX model, ONNX Runtime Web, and a page that classifies pictures in the browser."""

from pathlib import Path

from ...core.missing import not_installed
from ...core.types import Candidate, Checkpoint, Unavailable
from ...quantize.config import QuantizeConfig
from .. import npm
from ..browser import packages
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions
from ..contract.runtime import Runtime, runtimes
from . import onnx


class WebFormat(GraphFormat):
    """Where there is no browser, the ONNX model is proven in ONNX Runtime."""

    name = "web"
    parity_runtime = "onnxruntime-web"
    precisions = ("fp32", "int8")  # it computes fp16 in fp32
    graph_kind = "onnx"
    natural_int8 = QuantizeConfig(scheme="int8")
    inputs = ("float", "uint8")
    has_opset = True
    has_static_batch = True
    opened = (onnx.MODEL_FILE, packages.FOLDER)
    packages = (packages.ONNXRUNTIME.name, *onnx.FORMAT.packages)

    def unavailable(self) -> Unavailable | None:
        missing = not_installed("torch", *onnx.EXPORTER, what=self.name)
        return missing or npm.unavailable(self.name, packages.ONNXRUNTIME)

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        onnx.FORMAT.check(options)  # the opset

    def versions(self) -> dict[str, str]:
        return {packages.ONNXRUNTIME.name: packages.ONNXRUNTIME.version} | super().versions()

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        return onnx.FORMAT.graph(checkpoint, options)

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        onnx.FORMAT.convert(graph, checkpoint, options, folder)
        packages.put(folder, packages.ONNXRUNTIME, licence="MIT", source="https://github.com/microsoft/onnxruntime")

    def named_in(self, folder: Path) -> tuple[str, ...]:
        return onnx.FORMAT.named_in(folder)

    def stand_in(self, written: Candidate) -> tuple[Candidate, Runtime]:
        from msgspec.structs import replace

        return replace(written, format=onnx.FORMAT.name), runtimes()[onnx.FORMAT.parity_runtime]


FORMAT = WebFormat()
