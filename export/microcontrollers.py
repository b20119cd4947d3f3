"""A LiteRT graph as microcontrollers and their NPUs want it: integers in and out, channels last, pools for means."""

import platform
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.missing import not_installed
from ..core.types import TensorSpec, Unavailable
from ..quantize.flatbuffer import Model, packed

NAME = "tflite-micro"  # of the extra, the format and the runtime
MODEL_FILE = "model.tflite"
PIXELS = {1, 2}  # the axes of a mean over all pixels, (N, H, W, C)
VERSION = 2  # of the pool, which has int8 from there on


def unavailable(*modules: str, what: str = NAME) -> Unavailable | None:
    """Why TensorFlow Lite Micro is not here, or one of these modules, which its extra brings too."""
    if (machine := platform.machine()) != "x86_64":
        reason, fix = f"its package is for x86-64, and this is {machine}", "Export there; the file is for any device."
        return Unavailable(what=what, reason=reason, fix=fix)
    return not_installed(NAME, "tflite_micro", *modules, what=what)


def with_pools(content: bytes) -> bytes:
    """The float graph with an average pool in the place of every mean over the pixels: NPUs have no other mean."""
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    model = Model(content)
    (graph,) = model.model.subgraphs
    pool = schema.OperatorCodeT()
    pool.builtinCode = pool.deprecatedBuiltinCode = schema.BuiltinOperator.AVERAGE_POOL_2D
    pool.version = VERSION
    model.model.operatorCodes.append(pool)
    for operator, named in zip(graph.operators, model.operators, strict=True):
        if named.kind != "MEAN" or {*np.frombuffer(model.constant(named.inputs[1]) or b"", np.int32)} != PIXELS:
            continue
        options = schema.Pool2DOptionsT()
        options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
        _, options.filterHeight, options.filterWidth, channels = (int(size) for size in named.inputs[0].shape)
        operator.opcodeIndex = len(model.model.operatorCodes) - 1
        operator.inputs = operator.inputs[:1]
        operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Pool2DOptions, options
        named.outputs[0].shape = np.array([1, 1, 1, channels], np.int32)
        named.outputs[0].shapeSignature = None
    for operator, named in zip(graph.operators, model.operators, strict=True):
        if named.kind == "FULLY_CONNECTED":
            operator.builtinOptions.keepNumDims = False  # whatever it reads, it gives (1, classes)
    return _packed(model.model)


def with_integer_ends(content: bytes) -> bytes:
    """The quantized graph, fed with integers (1, H, W, C), that gives integers: what converts at its ends goes.

    Raises UsageError where the first or the last layer is in float.
    """
    model = Model(content)
    (graph,) = model.model.subgraphs
    first, turned, *_, last = model.operators
    if first.kind != "QUANTIZE" or turned.kind not in ("TRANSPOSE", "RESHAPE") or last.kind != "DEQUANTIZE":
        raise UsageError(
            "a file for microcontrollers takes and gives integers, but its first or last layer would stay in float",
            "Quantize these two: leave them out of `keep_float`.",
        )
    graph.inputs, graph.outputs = graph.operators[1].outputs, graph.operators[-1].inputs
    graph.operators = graph.operators[2:-1]
    return _packed(model.model)


def ends(file: Path) -> tuple[TensorSpec, TensorSpec]:
    """What the integer model in a file takes and gives."""
    model = Model(file.read_bytes())
    (graph,) = model.model.subgraphs
    fed, given = model.tensors[graph.inputs[0]], model.tensors[graph.outputs[0]]
    return _spec("input", "NHWC", fed), _spec("logits", "NC", given)


def _spec(name: str, layout: Any, tensor: Any) -> TensorSpec:
    (scale,), (zero,) = tensor.quantization.scale.tolist(), tensor.quantization.zeroPoint.tolist()
    shape = tuple(int(size) for size in tensor.shape)
    return TensorSpec(name=name, shape=shape, dtype="int8", layout=layout, scale=scale, zero_point=zero)


def operators(content: bytes) -> list[str]:
    """The kinds of operators that a program has to register, each once, in their order."""
    return list(dict.fromkeys(operator.kind for operator in Model(content).operators))


def _packed(model: Any) -> bytes:
    """Without operator codes, tensors and constants that no operator has any more: each would cost memory there."""
    import numpy as np

    (graph,) = model.subgraphs
    model.signatureDefs = []  # they name tensors, for other interpreters
    codes = sorted({operator.opcodeIndex for operator in graph.operators})
    for operator in graph.operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)
    model.operatorCodes = [model.operatorCodes[code] for code in codes]
    lists = [graph, *graph.operators]
    used = sorted({int(i) for each in lists for i in (*each.inputs, *each.outputs) if i >= 0})
    place = {-1: -1} | {old: new for new, old in enumerate(used)}
    for each in lists:
        each.inputs, each.outputs = (
            np.array([place[int(i)] for i in ends], np.int32) for ends in (each.inputs, each.outputs)
        )
    graph.tensors = [graph.tensors[i] for i in used]
    held = [0, *sorted({tensor.buffer for tensor in graph.tensors} - {0})]  # the first one is always there, and empty
    for tensor in graph.tensors:
        tensor.buffer = held.index(tensor.buffer)
    kept = [model.buffers[i] for i in held]
    for entry in model.metadata or []:
        kept.append(model.buffers[entry.buffer])
        entry.buffer = len(kept) - 1
    model.buffers = kept
    return packed(model)
