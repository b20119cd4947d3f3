"""8-bit integers for ONNX: static, as Q/DQ pairs, weights symmetric per output channel, on onnxruntime.quantization.

u8 activations are placed for CPUs: around every operator, so that convolutions, additions and pools all become
integer kernels with a ReLU inside. s8 activations are symmetric and placed as TensorRT wants them: on the inputs
of convolutions and additions only, so that it can fuse what lies between.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.types import Unavailable
from ..config import QuantizeConfig
from ..contract import Feeds, Layer, Quantized, Scheme, Variants, check_names

if TYPE_CHECKING:
    import onnx

    from ..bias_correction import Array
    from ..ranges import Range

# What a classifier decides by: ties of 8-bit logits would change its answers.
FLOAT_OUTPUTS = ("Gemm", "MatMul")


class Int8(Scheme):
    name = "int8"
    precision = "int8"
    graph_kind = "onnx"
    packages = ("onnxruntime", "onnx", "numpy")
    calibrations = ("mse", "minmax", "percentile", "entropy")
    activations = ("u8", "s8")
    equalise = (False, True)
    bias_correction = (True, False)
    saturation = ("certify", "ignore")

    def unavailable(self) -> Unavailable | None:
        return None  # onnxruntime is a dependency of reszoo itself

    def passes(self, config: QuantizeConfig) -> int:
        return 1 if config.calibration == "minmax" else 2

    def variants(self, graph: bytes, feeds: Feeds, config: QuantizeConfig) -> "Int8Variants":
        from ..bias_correction import add_biases, linear_inputs
        from ..calibration import observe
        from ..nodes import names, quantizable
        from ..preparation import prepared
        from ..ranges import METHODS

        config = self.complete(config)
        model = prepared(graph, config)
        check_names(names(model), config.keep_float)
        if config.bias_correction:
            add_biases(model)
        layers = quantizable(model)
        means = linear_inputs(model) if config.bias_correction else set()
        seen = observe(model, _tensors(model, layers), feeds, histograms=self.passes(config) > 1, means=means)
        method = METHODS[config.calibration or self.calibrations[0]]
        return Int8Variants(
            layers=layers,
            graph=model,
            ranges={name: method(tensor, config.activations == "s8") for name, tensor in seen.items()},
            means={name: tensor.mean for name, tensor in seen.items() if tensor.mean is not None},
            config=config,
        )


@dataclass(frozen=True)
class Int8Variants(Variants):
    """`ranges` are those of every tensor that any variant quantizes, `means` the inputs' of its weighted layers."""

    layers: tuple[Layer, ...]
    graph: "onnx.ModelProto"
    ranges: "dict[str, Range]"
    means: "dict[str, Array]"
    config: QuantizeConfig

    def quantized(self, keep_float: Collection[str]) -> Quantized:
        from ..finishing import finish
        from ..nodes import names, shifting

        check_names(names(self.graph), keep_float)
        quantized = _quantize(self.graph, self.ranges, [*keep_float, *shifting(self.graph)], self.config)
        return finish(self.graph, quantized, self.means, self.config)


def _tensors(model: "onnx.ModelProto", layers: tuple[Layer, ...]) -> list[str]:
    """What the layers read and write. Before a ReLU that swallows it, a tensor is never quantized."""
    from ..graph import Graph

    graph = Graph(model)
    names = {layer.name for layer in layers}
    chosen: dict[str, None] = {}
    for node in graph.nodes:
        if node.name not in names:
            continue
        chosen |= dict.fromkeys(node.input)
        for name in node.output:
            reader = graph.sole_reader(name)
            chosen[reader.output[0] if reader is not None and reader.op_type == "Relu" else name] = None
    return [name for name in chosen if graph.is_float(name)]


def _quantize(
    model: "onnx.ModelProto", ranges: "dict[str, Range]", skipped: list[str], config: QuantizeConfig
) -> "onnx.ModelProto":
    """A quantized copy of `model`, in which the nodes named in `skipped` stay in float."""
    import numpy as np
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    from ..graph import Graph
    from ..layers import PRODUCTS
    from ..nodes import QUANTIZABLE

    graph = Graph(model)
    bounds: dict[str, Any] = {
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
        "QuantizeBias": is_u8,  # to 32 bits: TensorRT dequantizes 8 at most
        "OpTypesToExcludeOutputQuantization": list(FLOAT_OUTPUTS if is_u8 else (*PRODUCTS, "Add")),
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
        op_types_to_quantize=[*QUANTIZABLE, *(["Relu"] if is_u8 else [])],
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
