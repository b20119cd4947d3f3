"""Reading a float ONNX graph, and refusing what cannot be quantized with a reason."""

import onnx
from onnx import numpy_helper

from ..core.errors import ReszooError
from .refusals import already_quantized, check_weights

STANDARD = ("", "ai.onnx")
FIX = "Export the checkpoint again: `export(REF, to=onnx, out=FOLDER)`."


def read(content: bytes) -> onnx.ModelProto:
    """An ONNX file's model, with the shape of every tensor inferred; checked to be float, finite and standard ONNX."""
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise ReszooError(f"this is not an ONNX file: {error}", FIX) from error
    _check_float(model)
    _check_operators(model)
    _check_finite(model)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def _check_float(model: onnx.ModelProto) -> None:
    integer = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")
    for node in model.graph.node:
        if node.op_type in integer or node.op_type.startswith("QLinear"):
            raise already_quantized(f"node {node.name!r} is a {node.op_type}")


def _check_operators(model: onnx.ModelProto) -> None:
    opset = next((entry.version for entry in model.opset_import if entry.domain in STANDARD), 1)
    unknown = {
        f"{node.domain}::{node.op_type}" if node.domain not in STANDARD else node.op_type
        for node in model.graph.node
        if node.domain not in STANDARD or not onnx.defs.has(node.op_type, opset)
    }
    if unknown:
        raise ReszooError(
            f"the graph has operators that ONNX's opset {opset} does not: {', '.join(sorted(unknown))}",
            "Quantize a graph of standard operators only.",
        )


def _check_finite(model: onnx.ModelProto) -> None:
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype.kind == "f":
            check_weights(weight.name, values)
