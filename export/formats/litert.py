"""LiteRT's flatbuffer, through litert-torch. fp16 is that of the weights on disk."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...core.types import Checkpoint, Unavailable
from ..contract import ExportOptions, Format, input_spec, not_installed
from ..exporters import example, quiet
from .onnx import deployed

if TYPE_CHECKING:
    from torch import Tensor, nn

MODEL_FILE = "model.tflite"
IDENTIFIER = b"TFL3"  # of the flatbuffer's schema


class LiteRtFormat(Format):
    name = "litert"
    parity_runtime = "litert"
    precisions = ("fp32", "fp16")
    inputs = ("float", "uint8")
    has_static_batch = True
    packages = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer")

    def unavailable(self) -> Unavailable | None:
        return not_installed("litert", "litert_torch", "ai_edge_litert")

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        with quiet():
            content = _convert(checkpoint, options)
            if options.precision == "fp16":
                content = _halve_weights(content)
            if options.batch is None:
                content = _free_batch(content)
        (folder / MODEL_FILE).write_bytes(content)


def _convert(checkpoint: Checkpoint, options: ExportOptions) -> bytes:
    import litert_torch
    import msgspec
    from torch import nn

    from ...zoo import build

    class SpatialMean(nn.Module):
        """(N, C, H, W) -> (N, C), without a reshape."""

        def forward(self, x: "Tensor") -> "Tensor":
            return x.mean((2, 3))

    litert_torch.config.show_progress = False
    model = build(checkpoint)
    model.pool = SpatialMean()
    _project(model)
    floats = msgspec.structs.replace(options, precision="fp32")
    module = deployed(model, checkpoint.preprocess, floats)
    converted = litert_torch.convert(module, (example(input_spec(checkpoint, options), batch=1),))
    return bytes(converted.model_content())


def _project(model: "nn.Module") -> None:
    """Turn option A's shortcuts into the 1x1 convolutions, of zeros and ones, that they are equal to.

    The converter pads channels only where they come first: it would transpose before and after each.
    """
    import torch
    from torch import nn

    from ...models.blocks import PadShortcut
    from ...models.resnet import Unit

    for unit in model.modules():
        if isinstance(unit, Unit) and isinstance(pad := getattr(unit, "shortcut", None), PadShortcut):
            channels = unit.convs[0].get_parameter("weight").shape[1]
            unit.shortcut = nn.Conv2d(channels, pad.before + channels + pad.after, 1, pad.stride, bias=False)
            with torch.no_grad():
                unit.shortcut.weight.zero_()[pad.before : pad.before + channels, :, 0, 0] = torch.eye(channels)


def _halve_weights(content: bytes) -> bytes:
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName
    from ai_edge_quantizer.quantizer import AlgorithmName, Quantizer

    quantizer = Quantizer(content)
    quantizer.add_weight_only_config(
        regex=".*",
        operation_name=TFLOperationName.ALL_SUPPORTED,
        num_bits=16,
        granularity=QuantGranularity.TENSORWISE,
        algorithm_key=AlgorithmName.FLOAT_CASTING,
    )
    return bytes(quantizer.quantize().quantized_model)


def _free_batch(content: bytes) -> bytes:
    """Let the interpreter resize the batch. The converter knows no dynamic one: it writes a batch of 1."""
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    for index in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[index]
        tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)
    for operator in graph.operators:  # a transpose of one channel is written as a reshape
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.RESHAPE:
            constant = model.buffers[graph.tensors[operator.inputs[1]].buffer]
            _, *rest = np.frombuffer(bytes(constant.data), np.int32)
            constant.data = np.frombuffer(np.array([-1, *rest], np.int32).tobytes(), np.uint8)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


FORMAT = LiteRtFormat()
