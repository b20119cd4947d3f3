"""LiteRT's flatbuffer, through litert-torch. fp16 is that of the weights on disk."""

from pathlib import Path
from typing import Any

from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Checkpoint, Unavailable
from ...quantize.config import QuantizeConfig
from ...quantize.flatbuffer import inlined, packed
from .. import files
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions, input_spec
from ..exporters import example
from ..naming_litert import name_by_modules
from ..rewriting import rewrite
from .onnx import deployed

MODEL_FILE = files.LITERT


class LiteRtFormat(GraphFormat):
    name = "litert"
    parity_runtime = "litert"
    precisions = ("fp32", "fp16", "int8")
    graph_kind = "litert"
    natural_int8 = QuantizeConfig(scheme="int8-litert")
    inputs = ("float", "uint8")
    has_static_batch = True
    packages = ("litert-torch", "torch", "litert-converter", "ai-edge-quantizer")

    def unavailable(self) -> Unavailable | None:
        return not_installed("litert", "litert_torch", "ai_edge_litert")

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        with quietly():
            model = _convert(checkpoint, options)
            if not options.batch:
                _free_batch(model)
            return packed(model)

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        with quietly():
            content = _halve_weights(graph) if options.precision == "fp16" else graph
        (folder / MODEL_FILE).write_bytes(content)


def _convert(checkpoint: Checkpoint, options: ExportOptions) -> Any:
    """The schema's objects."""
    import litert_torch
    import msgspec
    from ai_edge_litert import schema_py_generated as schema

    from ...zoo import build

    litert_torch.config.show_progress = False
    model = build(checkpoint)
    rewrite(model)
    floats = msgspec.structs.replace(options, precision="fp32")
    module = deployed(model, checkpoint.preprocess, floats)
    converted = litert_torch.convert(module, (example(input_spec(checkpoint, options), batch=1),))
    flatbuffer: Any = schema.ModelT.InitFromPackedBuf(bytes(converted.model_content()), 0)
    name_by_modules(flatbuffer, module)
    return flatbuffer


def _halve_weights(content: bytes) -> bytes:
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName
    from ai_edge_quantizer.quantizer import AlgorithmName, Quantizer

    quantizer: Any = Quantizer(content)
    quantizer.add_weight_only_config(
        regex=".*",
        operation_name=TFLOperationName.ALL_SUPPORTED,
        num_bits=16,
        granularity=QuantGranularity.TENSORWISE,
        algorithm_key=AlgorithmName.FLOAT_CASTING,
    )
    return inlined(bytes(quantizer.quantize().quantized_model))


def _free_batch(model: Any) -> None:
    """Let the interpreter resize the batch. The converter knows no dynamic one: it writes a batch of 1."""
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    (graph,) = model.subgraphs
    for index in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[index]
        tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)
    for operator in graph.operators:  # a transpose of one channel is written as a reshape
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.RESHAPE:
            constant = model.buffers[graph.tensors[operator.inputs[1]].buffer]
            _, *rest = np.frombuffer(bytes(constant.data), np.int32)
            constant.data = np.frombuffer(np.array([-1, *rest], np.int32).tobytes(), np.uint8)


FORMAT = LiteRtFormat()
