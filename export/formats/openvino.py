"""OpenVINO's intermediate representation, read from the ONNX model. fp16 is that of the weights on disk."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from ...core.types import Checkpoint, Unavailable
from ..contract import ExportOptions, Format, not_installed
from . import onnx

MODEL_FILE = "model.xml"  # the graph; its weights lie beside it, in model.bin


class OpenVinoFormat(Format):
    name = "openvino"
    parity_runtime = "openvino"
    precisions = ("fp32", "fp16")
    inputs = ("float", "uint8")
    has_static_batch = True
    packages = (*onnx.FORMAT.packages, "openvino")

    def unavailable(self) -> Unavailable | None:
        return not_installed("openvino", "openvino")

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        import msgspec

        openvino = engine()
        floats = msgspec.structs.replace(options, precision="fp32")
        with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
            onnx.FORMAT.write(checkpoint, floats, Path(name))
            model = openvino.Core().read_model(Path(name) / onnx.MODEL_FILE)
            _name_by_order(model)
            openvino.save_model(model, folder / MODEL_FILE, compress_to_fp16=options.precision == "fp16")


def engine() -> Any:
    """The module openvino, imported without its telemetry: that would fork this process, to call home."""
    is_first = "openvino" not in sys.modules
    if is_first:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # not importable: openvino copes with it
    import openvino

    if is_first:
        del sys.modules["openvino_telemetry"]
    return openvino


def _name_by_order(model: Any) -> None:
    """Where ONNX had no name, OpenVINO counts through the whole process: the bytes would tell what ran before."""
    for i, operation in enumerate(model.get_ordered_ops()):
        if operation.get_friendly_name() == operation.get_name():
            operation.set_friendly_name(f"{operation.get_type_name()}_{i}")


FORMAT = OpenVinoFormat()
