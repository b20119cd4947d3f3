"""The same folder with LiteRT.js in the place of ONNX Runtime Web. It knows no dynamic batch."""

from pathlib import Path

from ...core.missing import not_installed
from ...core.types import Candidate, Checkpoint, Unavailable
from ...quantize.config import QuantizeConfig
from .. import npm
from ..browser import packages
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions
from ..contract.runtime import Runtime, runtimes
from . import litert

PACKAGES = (packages.LITERT, packages.LITERT_UTILS)
# Browsers resolve no names of packages.
IMPORTED, RELATIVE = f'"{packages.LITERT_UTILS.name}"', '"../../wasm-utils/dist/index.js"'


class WebLiteRtFormat(GraphFormat):
    """Where there is no browser, the model is proven in LiteRT."""

    name = "web-litert"
    parity_runtime = "litert-web"
    precisions = litert.FORMAT.precisions
    graph_kind = "litert"
    natural_int8 = QuantizeConfig(scheme="int8-litert")
    inputs = ("float", "uint8")
    has_static_batch = True
    opened = (litert.MODEL_FILE, packages.FOLDER)
    packages = (*(package.name for package in PACKAGES), *litert.FORMAT.packages)

    def unavailable(self) -> Unavailable | None:
        missing = not_installed("litert", "litert_torch", "ai_edge_litert", what=self.name)
        return missing or npm.unavailable(self.name, *PACKAGES)

    def complete(self, options: ExportOptions) -> ExportOptions:
        from msgspec.structs import replace

        return replace(options, batch=options.batch or 1)

    def versions(self) -> dict[str, str]:
        return {package.name: package.version for package in PACKAGES} | super().versions()

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        return litert.FORMAT.graph(checkpoint, options)

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        litert.FORMAT.convert(graph, checkpoint, options, folder)
        packages.put(folder, *PACKAGES, licence="Apache-2.0", source="https://github.com/google-ai-edge/LiteRT")
        module = folder / packages.FOLDER / packages.LITERT.name / "dist/index.js"
        module.write_text(module.read_text(encoding="utf-8").replace(IMPORTED, RELATIVE), encoding="utf-8")

    def stand_in(self, written: Candidate) -> tuple[Candidate, Runtime]:
        from msgspec.structs import replace

        return replace(written, format=litert.FORMAT.name), runtimes()[litert.FORMAT.parity_runtime]


FORMAT = WebLiteRtFormat()
