"""ONNX Runtime's own format: the ONNX model after its graph optimisations, for builds that have no ONNX parser."""

from pathlib import Path

from ...core.missing import not_installed
from ...core.types import Checkpoint, Unavailable
from ...quantize.config import QuantizeConfig
from .. import files
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions
from . import onnx

MODEL_FILE = files.ORT

# It lays weights out for the CPU that exports, and another CPU would read them wrongly; ONNX Runtime's own converter
# leaves it out for the same reason.
NOT_PORTABLE = ["NchwcTransformer"]


class OrtFormat(GraphFormat):
    name = "ort"
    parity_runtime = "onnxruntime"
    # fp16 would gain nothing: the CPU's kernels are fp32, and the optimised file would hold its weights in that
    precisions = ("fp32", "int8")
    graph_kind = "onnx"
    natural_int8 = QuantizeConfig(scheme="int8")
    inputs = ("float", "uint8")
    has_opset = True
    has_static_batch = True
    is_reproducible = False  # some of its tables come out in another order each time
    packages = ("onnxruntime", *onnx.FORMAT.packages)

    def unavailable(self) -> Unavailable | None:
        return not_installed("torch", *onnx.EXPORTER, what=self.name)

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        onnx.FORMAT.check(options)  # the opset

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        return onnx.FORMAT.graph(checkpoint, options)

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        settings.optimized_model_filepath = str(folder / MODEL_FILE)
        settings.add_session_config_entry("session.save_model_format", "ORT")
        # the file is written when a session is opened
        onnxruntime.InferenceSession(
            graph, settings, providers=["CPUExecutionProvider"], disabled_optimizers=NOT_PORTABLE
        )


FORMAT = OrtFormat()
