"""OpenVINO's intermediate representation, read from the ONNX model. fp16 is that of the weights on disk."""

import io
import re
from itertools import count
from pathlib import Path
from typing import Any

from ...core.missing import not_installed
from ...core.silence import without_telemetry
from ...core.types import Checkpoint, Unavailable
from ...quantize.config import QuantizeConfig
from .. import files
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions
from ..openvino_core import engine
from . import onnx

MODEL_FILE = files.OPENVINO

COUNTED = re.compile(r"[A-Z]\w*_\d+")  # an operation's type and its number, or those of what was folded into it


class OpenVinoFormat(GraphFormat):
    """Its scheme is the one that needs no further package; NNCF's own comes with another extra."""

    name = "openvino"
    parity_runtime = "openvino"
    precisions = ("fp32", "fp16", "int8")
    graph_kind = "onnx"
    natural_int8 = QuantizeConfig(scheme="int8")
    inputs = ("float", "uint8")
    has_static_batch = True
    packages = ("openvino", *onnx.FORMAT.packages)

    def unavailable(self) -> Unavailable | None:
        return not_installed("openvino", "openvino") or not_installed("torch", *onnx.EXPORTER, what=self.name)

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        import msgspec

        return onnx.FORMAT.graph(checkpoint, msgspec.structs.replace(options, precision="fp32"))

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        with without_telemetry():
            model = engine().convert_model(io.BytesIO(graph))  # read_model leaves shape arithmetic around every bias
        name_by_reader(model)
        engine().save_model(model, folder / MODEL_FILE, compress_to_fp16=options.precision == "fp16")


def name_by_reader(model: Any) -> None:
    """Name what had no name in ONNX after the operation that reads it first: "stages.0.0.convs.0.constant".

    OpenVINO counts such operations through the whole process: the bytes would tell what ran before.
    """
    operations = model.get_ordered_ops()
    place = {operation.get_name(): i for i, operation in enumerate(operations)}  # these names are unique, and stay
    names = {operation.get_friendly_name() for operation in operations}
    for operation in reversed(operations):
        if not COUNTED.fullmatch(operation.get_friendly_name()):
            continue
        readers = [target.get_node() for output in operation.outputs() for target in output.get_target_inputs()]
        reader = min(readers, key=lambda node: place[node.get_name()]).get_friendly_name()
        kind = operation.get_type_name().lower()
        name = next(name for n in count() if (name := f"{reader}.{kind}_{n}".removesuffix("_0")) not in names)
        names.add(name)
        operation.set_friendly_name(name)


FORMAT = OpenVinoFormat()
