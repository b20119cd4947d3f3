"""What a runtime's integer kernels should give: an exact reference, and every place where a runtime differs from it.

A sum of products of 8-bit integers is an integer far below 2^53, so float64 convolutions hold it exactly in any order
of summation, and matrix products compute them fast. (In float32 that ends at 2^24.)

Each layer is checked alone, cut out of the model and fed with the integers that reach it there. So nothing inside it
is exposed, the runtime fuses it as ever, and a difference is this layer's, not its predecessor's. ONNX says: divide by
the scale, round half to even, saturate. Kernels multiply by a float32 factor instead, so that a value very near a tie
may fall on its other side: one step, and no error of the sum.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from ..core.errors import ReszooError, UsageError
from ..core.hosts import available_cores
from .convolution import convolve
from .graph import attributes
from .layers import Affine, IntegerLayer, along, integer_layers

Array = NDArray[Any]
Run = Callable[[onnx.ModelProto, Array], dict[str, Array]]

BATCH = 32  # the integers that a ResNet-50's layers read at 224x224 then take 0.4 GB
# A float32 requantization errs by about 5 * 2^-24 of at most 256 steps, below 1e-4; a layer that a runtime computes
# in float32 throughout, by a few times that.
NEAR = 1 / 128
INPUT, OUTPUT = "layer_input", "layer_output"


class LayerMismatch(NamedTuple):
    """One layer's outputs against the reference: what differs is either rounding or wrong.

    `rounding` counts results one step off whose exact value lies within `NEAR` steps of the tie between the two;
    `wrong` counts all others. `largest` is the greatest difference, in quantized steps.
    """

    layer: str
    elements: int
    rounding: int
    wrong: int
    largest: float


def mismatches(model_path: Path, feed: Array, run: Run | None = None) -> list[LayerMismatch]:
    """Check every integer layer of a QDQ model against the reference, on the inputs that `feed` (N, ...) brings it.

    `run(model, batch)` computes all outputs of a model with one input, by name; None is ONNX Runtime on this CPU with
    all its graph optimisations. Gives one entry a layer, in the graph's order, also where nothing differs. Of a model
    with a fixed batch, whole batches are run and a remainder of `feed` is left out.
    Raises UsageError for too few images, and ReszooError for a layer that the reference does not know.
    """
    run = run or run_onnxruntime
    model = onnx.load(model_path)
    layers = integer_layers(model)
    fixed = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value  # 0 where it is dynamic
    feed = feed[: len(feed) // (fixed or 1) * (fixed or 1)]
    if len(feed) == 0:
        raise UsageError("there are too few images to check the integer layers with", f"Give {fixed or 1} or more.")
    if not layers:
        return []
    shown = exposed(model, {layer.input.integers: element_type(layer.input) for layer in layers})
    batches = []
    for start in range(0, len(feed), fixed or BATCH):
        tensors = run(shown, feed[start : start + (fixed or BATCH)])
        batches.append([check(model, layer, tensors[layer.input.integers], run) for layer in layers])
    return [_total(parts) for parts in zip(*batches, strict=True)]


def check(model: onnx.ModelProto, layer: IntegerLayer, x: Array, run: Run) -> LayerMismatch:
    """One layer of `model` on the integers `x`, (N, ...), by `run` and by the reference."""
    (result,) = run(submodel(model, layer, x.shape), dequantize(layer.input, x)).values()
    exact = rescale(layer, accumulate(layer, x))
    if layer.output is None:  # of a float result, a step is what 8 bits would resolve; NaN is wrong
        distance = np.abs(result - exact) / (np.abs(exact).max() / 127 or 1.0)
        far = int(np.count_nonzero(~(distance <= NEAR)))
        return LayerMismatch(layer.name, exact.size, 0, far, float(distance.max()))
    position, found = in_steps(layer.output, exact), np.rint(in_steps(layer.output, result))
    difference = np.abs(found - np.rint(position))
    wrong = ~(np.abs(found - position) <= 0.5 + NEAR)
    rounding = (difference > 0) & ~wrong
    return LayerMismatch(layer.name, exact.size, int(rounding.sum()), int(wrong.sum()), float(difference.max()))


def accumulate(layer: IntegerLayer, x: Array) -> Array:
    """The exact sums of (x - zero point) * (w - zero point): integers held in float64, in the output's shape."""
    weights, ndim = layer.weights, layer.weight_values.ndim
    w = layer.weight_values - along(weights.zero_point.astype(np.float64), weights.axis, ndim)
    return product(layer, x - layer.input.zero_point.astype(np.float64), w)


def product(layer: IntegerLayer, x: Array, w: Array) -> Array:
    """What the layer's operator makes of an input and of weights, of one float type and of its shapes; no bias."""
    if layer.node.op_type == "Conv":
        return _convolve(layer, x, w)
    options = attributes(layer.node)
    if options.get("alpha", 1) != 1 or options.get("beta", 1) != 1 or options.get("transA", 0):
        raise ReszooError(f"Gemm {layer.name!r} has an alpha, beta or transA", "Write it as a plain matrix product.")
    sums: Array = x @ (w.T if options.get("transB") else w)
    return sums


def rescale(layer: IntegerLayer, sums: Array) -> Array:
    """From sums to the real numbers they stand for, with the bias added and Relu applied: float64, (N, O, ...)."""
    axis = 1 if layer.node.op_type == "Conv" else -1
    real: Array = sums * (layer.input.scale.astype(np.float64) * along(_scale(layer.weights), axis, sums.ndim))
    if layer.bias_values is not None:
        bias = layer.bias_values * (_scale(layer.bias) if layer.bias else np.float64(1))
        real += along(bias, axis, sums.ndim)
    return np.maximum(real, 0) if layer.relu else real


def in_steps(affine: Affine, real: Array) -> Array:
    """Where real numbers lie between the integers: saturated, not yet rounded; float64."""
    limits = np.iinfo(affine.zero_point.dtype)
    steps: Array = np.clip(real / _scale(affine) + affine.zero_point, limits.min, limits.max)
    return steps


def dequantize(affine: Affine, integers: Array) -> Array:
    """The float32 that stand for integers; quantizing them again gives the same integers."""
    real: Array = (integers.astype(np.float32) - affine.zero_point) * affine.scale
    return real


def submodel(model: onnx.ModelProto, layer: IntegerLayer, shape: tuple[int, ...]) -> onnx.ModelProto:
    """One layer as a model of its own, for inputs of this shape (N, ...); it takes and gives float32.

    A QuantizeLinear before it and a DequantizeLinear behind it are those of the whole model: without them, ONNX Runtime
    on x86 cannot turn s8 activations to u8, and computes the layer in float.
    """
    nodes = [helper.make_node("QuantizeLinear", [INPUT, *layer.input.node.input[1:]], [layer.input.integers])]
    nodes += layer.nodes
    if layer.output:
        ends = [layer.result, *layer.output.node.input[1:]]
        nodes.append(helper.make_node("DequantizeLinear", ends, [OUTPUT]))
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        layer.name,
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["batch", *shape[1:]])],
        [helper.make_tensor_value_info(nodes[-1].output[0], onnx.TensorProto.FLOAT, None)],
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def run_onnxruntime(model: onnx.ModelProto, batch: Array) -> dict[str, Array]:
    """All outputs of a model with one input, by ONNX Runtime's CPU provider with all graph optimisations."""
    return _run(model, batch, "ORT_ENABLE_ALL")


def run_as_written(model: onnx.ModelProto, batch: Array) -> dict[str, Array]:
    """The same with none: each node alone, so that what lies between Q/DQ nodes is computed in float32."""
    return _run(model, batch, "ORT_DISABLE_ALL")


def exposed(model: onnx.ModelProto, tensors: Mapping[str, int]) -> onnx.ModelProto:
    """A copy of the model whose outputs are these tensors, given with their ONNX element types."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    for name, elem_type in tensors.items():
        copy.graph.output.append(helper.make_tensor_value_info(name, elem_type, None))
    return copy


def element_type(affine: Affine) -> int:
    """ONNX's number for the type of the integers."""
    return int(helper.np_dtype_to_tensor_dtype(affine.zero_point.dtype))


def _run(model: onnx.ModelProto, batch: Array, optimisations: str) -> dict[str, Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, optimisations)
    options.intra_op_num_threads = available_cores()
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))


def _scale(affine: Affine) -> NDArray[np.float64]:
    return affine.scale.astype(np.float64)


def _convolve(layer: IntegerLayer, x: Array, w: Array) -> Array:
    options: dict[str, Any] = attributes(layer.node)
    if options.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise ReszooError(f"Conv {layer.name!r} has auto_pad", "Write its pads out.")
    ones = [1] * (x.ndim - 2)
    return convolve(
        x,
        w,
        strides=options.get("strides", ones),
        pads=options.get("pads", [0] * 2 * len(ones)),
        dilations=options.get("dilations", ones),
        group=options.get("group", 1),
    )


def _total(parts: tuple[LayerMismatch, ...]) -> LayerMismatch:
    _, elements, rounding, wrong, largest = zip(*parts, strict=True)
    return LayerMismatch(parts[0].layer, sum(elements), sum(rounding), sum(wrong), max(largest))
