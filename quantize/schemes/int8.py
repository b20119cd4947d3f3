"""8-bit integers for ONNX: static, as Q/DQ pairs, weights symmetric per output channel, on onnxruntime.quantization.

u8 activations are placed for CPUs: around every operator, so that convolutions, additions and pools all become
integer kernels with a ReLU inside. s8 activations are symmetric and placed as TensorRT wants them: on the inputs
of convolutions and additions only, so that it can fuse what lies between.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.registry import unknown
from ...core.types import Certificate, Unavailable
from ..config import QuantizeConfig
from ..contract import Feeds, Scheme

if TYPE_CHECKING:
    import onnx

    from ..ranges import Range

WEIGHTED = ("Conv", "Gemm", "MatMul")
POOLS = ("GlobalAveragePool", "AveragePool", "MaxPool")
MOVES = ("Pad", "Concat", "Reshape", "Flatten")
# What a classifier decides by: ties of 8-bit logits would change its answers.
FLOAT_OUTPUTS = ("Gemm", "MatMul")


class Int8(Scheme):
    name = "int8"
    precision = "int8"
    formats = ("onnx",)
    natural_for = ("onnx",)
    packages = ("onnxruntime", "onnx", "numpy")

    def unavailable(self) -> Unavailable | None:
        return None  # onnxruntime is a dependency of reszoo itself

    def passes(self, config: QuantizeConfig) -> int:
        return 1 if config.calibration == "minmax" else 2

    def apply(self, model: Path, out: Path, feeds: Feeds, config: QuantizeConfig) -> Certificate | None:
        from ..bias_correction import add_biases, correct_biases, linear_inputs
        from ..calibration import observe
        from ..equalisation import equalise
        from ..preparation import prepare
        from ..ranges import METHODS
        from ..reading import read

        graph = read(model)
        prepare(graph)
        if config.equalise:
            equalise(graph)
        if config.bias_correction:
            add_biases(graph)
        means = linear_inputs(graph) if config.bias_correction else set()
        skipped = _skipped(graph, config)
        seen = observe(graph, _tensors(graph, skipped), feeds, histograms=self.passes(config) > 1, means=means)
        method = METHODS[config.calibration]
        ranges = {name: method(tensor, config.activations == "s8") for name, tensor in seen.items()}
        quantized = _quantize(graph, ranges, skipped, config)
        certificate = None
        if config.saturation == "certify":
            from ..saturation import reduce_weights

            quantized, certificate = reduce_weights(quantized)
        if config.bias_correction:
            inputs = {name: tensor.mean for name, tensor in seen.items() if tensor.mean is not None}
            correct_biases(graph, quantized, inputs)
        out.write_bytes(quantized.SerializeToString(deterministic=True))
        return certificate


def _skipped(model: "onnx.ModelProto", config: QuantizeConfig) -> list[str]:
    """The nodes that stay in float: those the user named, and additions of constants (raw pixels' normalisation)."""
    constants = {weight.name for weight in model.graph.initializer}
    names = [node.name for node in model.graph.node]
    for name in config.keep_float:
        if name not in names:
            raise unknown(name, names, "graph node")
    shifts = [node.name for node in model.graph.node if node.op_type == "Add" and constants & set(node.input)]
    return [*config.keep_float, *shifts]


def _tensors(model: "onnx.ModelProto", skipped: list[str]) -> list[str]:
    """What the quantized operators read and write. Before a ReLU that swallows it, a tensor is never quantized."""
    from ..graph import Graph

    graph = Graph(model)
    chosen: dict[str, None] = {}
    for node in graph.nodes:
        if node.name in skipped or node.op_type not in (*WEIGHTED, "Add", *POOLS, *MOVES):
            continue
        chosen |= dict.fromkeys(node.input)
        for name in node.output:
            reader = graph.sole_reader(name)
            chosen[reader.output[0] if reader is not None and reader.op_type == "Relu" else name] = None
    return [name for name in chosen if graph.is_float(name)]


def _quantize(
    model: "onnx.ModelProto", ranges: "dict[str, Range]", skipped: list[str], config: QuantizeConfig
) -> "onnx.ModelProto":
    import numpy as np
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    from ..graph import Graph

    graph = Graph(model)
    bounds = {
        name: TensorData(lowest=np.float32(found.lowest), highest=np.float32(found.highest))
        for name, found in ranges.items()
    }
    for node in graph.nodes:
        if node.op_type == "Relu" and node.output[0] in bounds and node.input[0] not in bounds:
            bounds[node.input[0]] = bounds[node.output[0]]
    is_u8 = config.activations == "u8"
    options: dict[str, Any] = {
        "ForceQuantizeNoInputCheck": True,  # pools and pads too, though they are met before what they read is
        "ActivationSymmetric": not is_u8,
        "OpTypesToExcludeOutputQuantization": list(FLOAT_OUTPUTS if is_u8 else (*WEIGHTED, "Add")),
    }
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8 if is_u8 else QuantType.QInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, bounds),
        nodes_to_quantize=[],
        nodes_to_exclude=skipped,
        op_types_to_quantize=[*WEIGHTED, "Add", *POOLS, *MOVES, *(["Relu"] if is_u8 else [])],
        extra_options=options,
    )
    facts = list(model.metadata_props)
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(facts)  # without the quantizer's own note
    return quantized


SCHEME = Int8()
