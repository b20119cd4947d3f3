"""A QDQ graph as a list of steps on 8-bit integers, and the exact result of each: what a generator of code starts from.

`read` takes the graph that the scheme `int8` makes with u8 activations. Each step reads tensors of integers and gives
one; what a step computes is defined by `evaluate`, in real numbers (float64), rounded once to an integer, half to even.
Of convolutions and matrix products the definition is that of `integer.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from ..core.errors import ReszooError
from .graph import Graph, attributes
from .integer import Array, accumulate, in_steps, rescale
from .layers import Affine, IntegerLayer, affine, integer_layers

MOVES = ("Reshape", "Flatten")


@dataclass(frozen=True)
class Tensor:
    """Integers 0 to 255 of one image, (channels, height, width): q stands for (q - zero) * scale."""

    name: str
    shape: tuple[int, int, int]
    affine: Affine

    @property
    def scale(self) -> float:
        return float(self.affine.scale)

    @property
    def zero(self) -> int:
        return int(self.affine.zero_point)


@dataclass(frozen=True)
class Fed:
    """What is fed, as integers: float32 (N, C, H, W), or bytes (N, H, W, C) that `scale` and `shift` (C,) normalise."""

    name: str
    output: Tensor
    scale: Array | None = None
    shift: Array | None = None
    inputs: tuple[Tensor, ...] = ()

    def table(self) -> Array:
        """(C, 256): the integer of each byte."""
        if self.scale is None or self.shift is None:
            raise ValueError(f"{self.name} is fed with floats")
        bytes_ = np.arange(256, dtype=np.float32)
        floats = bytes_ * self.scale[:, None] + self.shift[:, None]  # in float32, as the graph does
        return _rounded(self.output, floats.astype(np.float64))


@dataclass(frozen=True)
class Product:
    """A convolution, (N, I, H, W)."""

    name: str
    layer: IntegerLayer
    inputs: tuple[Tensor]
    output: Tensor

    @property
    def weights(self) -> Array:
        """(O, I / groups, kH, kW)."""
        return self.layer.weight_values

    @property
    def is_map(self) -> bool:
        """Whether each result comes from one input of its own channel: a batch norm."""
        return self.weights.shape[1:] == (1, 1, 1) and self.groups == len(self.weights)

    @property
    def groups(self) -> int:
        return int(self._option("group", 1))

    @property
    def strides(self) -> tuple[int, int]:
        return tuple(self._option("strides", [1, 1]))

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Rows above, columns before, rows below, columns behind."""
        return tuple(self._option("pads", [0] * 4))

    def _option(self, name: str, default: Any) -> Any:
        return attributes(self.layer.node).get(name, default)


@dataclass(frozen=True)
class Logits:
    """A matrix product, (N, I), whose result stays float32."""

    name: str
    layer: IntegerLayer
    inputs: tuple[Tensor]
    output: None = None


@dataclass(frozen=True)
class Addition:
    name: str
    inputs: tuple[Tensor, Tensor]
    output: Tensor
    relu: bool


@dataclass(frozen=True)
class MaxPool:
    name: str
    inputs: tuple[Tensor]
    output: Tensor
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]


@dataclass(frozen=True)
class GlobalPool:
    name: str
    inputs: tuple[Tensor]
    output: Tensor


@dataclass(frozen=True)
class Pick:
    """Every n-th pixel, in the steps of the output.

    In floats it may get channels of zeros as well: `before` its own, and behind them what the output has more.
    """

    name: str
    inputs: tuple[Tensor]
    output: Tensor
    strides: tuple[int, int]
    before: int = 0


Step = Fed | Product | Logits | Addition | MaxPool | GlobalPool | Pick
Program = tuple[Step, ...]


def read(model: onnx.ModelProto) -> Program:
    """The steps of a quantized network, in an order in which they can run; the last one gives the logits.

    Raises ReszooError for what is not computed in integers throughout: the node and its layer are named.
    """
    return Reader(model).program()


def evaluate(program: Program, fed: Array) -> dict[str, Array]:
    """Every tensor of integers by its name, uint8 (N, C, H, W), and the logits as "logits", float32 (N, classes)."""
    values: dict[str, Array] = {}
    for step in program:
        read = [values[each.name] for each in step.inputs] or [fed]
        values[step.output.name if step.output else "logits"] = _RESULTS[type(step)](step, *read)
    return values


def exact(step: Step, *values: Array) -> Array:
    """The real results of an addition or a pool, in steps of its output, from integers: not yet rounded."""
    if isinstance(step, Addition):
        first, second = (_real(tensor, value) for tensor, value in zip(step.inputs, values, strict=True))
        real = first + second
        return in_steps(step.output.affine, np.maximum(real, 0) if step.relu else real)
    if isinstance(step, GlobalPool):  # `values` are sums over all pixels
        (tensor,) = step.inputs
        pixels = tensor.shape[1] * tensor.shape[2]
        real = (values[0] - float(pixels * tensor.zero)) * tensor.scale / pixels
        return in_steps(step.output.affine, real)
    if isinstance(step, Pick):
        return in_steps(step.output.affine, _real(step.inputs[0], values[0]))
    raise TypeError(type(step))


def _real(tensor: Tensor, integers: Array) -> Array:
    return (integers.astype(np.float64) - tensor.zero) * tensor.scale


def _rounded(tensor: Tensor, real: Array) -> Array:
    return np.rint(in_steps(tensor.affine, real)).astype(np.uint8)


def _fed(step: Fed, fed: Array) -> Array:
    if step.scale is None:
        return _rounded(step.output, fed.astype(np.float64))
    return np.stack([row[channel] for channel, row in zip(np.moveaxis(fed, -1, 0), step.table(), strict=True)], 1)


def _product(step: Product, x: Array) -> Array:
    return _rounded(step.output, rescale(step.layer, accumulate(step.layer, x)))


def _logits(step: Logits, x: Array) -> Array:
    real = rescale(step.layer, accumulate(step.layer, x.reshape(len(x), -1)))
    return real.astype(np.float32)


def _max_pool(step: MaxPool, x: Array) -> Array:
    top, left, bottom, right = step.pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))  # 0 is the least
    windows = np.lib.stride_tricks.sliding_window_view(padded, step.kernel, axis=(2, 3))
    largest: Array = windows[:, :, :: step.strides[0], :: step.strides[1]].max(axis=(4, 5))
    return largest


def _global_pool(step: GlobalPool, x: Array) -> Array:
    return np.rint(exact(step, x.sum(axis=(2, 3), keepdims=True, dtype=np.int64))).astype(np.uint8)


def _pick(step: Pick, x: Array) -> Array:
    chosen = x[:, :, :: step.strides[0], :: step.strides[1]]
    return np.rint(exact(step, chosen)).astype(np.uint8).reshape(len(x), *step.output.shape)


_RESULTS: dict[type, Callable[..., Array]] = {
    Fed: _fed,
    Product: _product,
    Logits: _logits,
    Addition: lambda step, a, b: np.rint(exact(step, a, b)).astype(np.uint8),
    MaxPool: _max_pool,
    GlobalPool: _global_pool,
    Pick: _pick,
}


class Reader:
    """Goes from each QuantizeLinear back to the integers that its value comes from."""

    kernel = "integer kernel"  # what errors say that there is none of, and how to do without
    fix = "Leave `keep_float` away if it names that layer; else export to another format, such as onnx."

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = Graph(model)
        (self.fed,) = model.graph.input
        (self.logits,) = model.graph.output
        self.layers = {layer.node.output[0]: layer for layer in integer_layers(model)}
        self.tensors: dict[str, Tensor] = {}
        self.steps: list[Step] = []

    def program(self) -> Program:
        for node in self.graph.nodes:
            if node.op_type == "QuantizeLinear":
                self._quantized(node)
        last = self.graph.writer[self.logits.name]
        layer = self.layers.get(self.logits.name)
        if layer is None or layer.node.op_type != "Gemm":
            raise self._no_kernel(last)
        self.steps.append(Logits(layer.name, layer, (self._read(last, last.input[0]),)))
        return tuple(self.steps)

    def _quantized(self, quantize: onnx.NodeProto) -> None:
        form = affine(self.graph, quantize)
        if form.zero_point.dtype != np.uint8 or form.scale.size != 1:
            raise ReszooError(f"{quantize.name} gives {form.zero_point.dtype}", "Quantize activations to u8.")
        source = self.graph.writer.get(quantize.input[0])
        relu = source is not None and source.op_type == "Relu"
        node = self.graph.writer.get(source.input[0]) if source is not None and relu else source
        name = str(quantize.output[0])
        if node is None or node.op_type in ("Transpose", "Cast", "Mul") or self._is_shift(node):
            step: Fed | Product | Addition | MaxPool | GlobalPool | Pick = self._fed(node, name, form)
        elif node.op_type == "Conv" and node.output[0] in self.layers:
            step = self._convolution(self.layers[node.output[0]], name, form)
        elif relu and node.op_type != "Add":
            raise self._no_kernel(node)
        elif node.op_type == "Add":
            first, second = (self._read(node, each) for each in node.input)
            if first.shape != second.shape:
                raise self._no_kernel(node)
            step = Addition(node.name, (first, second), Tensor(name, first.shape, form), relu)
        elif node.op_type == "GlobalAveragePool":
            read = self._read(node, node.input[0])
            step = GlobalPool(node.name, (read,), Tensor(name, (read.shape[0], 1, 1), form))
        elif node.op_type == "MaxPool":
            step = self._max_pool(node, name, form)
        elif node.op_type == "AveragePool":
            step = self._pick(node, name, form)
        elif node.op_type in MOVES:
            self._move(node, name, form)
            return
        elif node.op_type == "DequantizeLinear":  # the same value in other steps
            read = self._read(quantize, quantize.input[0])
            step = Pick(quantize.name, (read,), Tensor(name, read.shape, form), (1, 1))
        else:
            raise self._no_kernel(node)
        self.tensors[name] = step.output
        self.steps.append(step)

    def _read(self, reader: onnx.NodeProto, name: str) -> Tensor:
        """The integers behind a float value: it has to be dequantized from them."""
        node = self.graph.writer.get(name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[0] not in self.tensors:
            raise self._no_kernel(reader if node is None or node.op_type == "DequantizeLinear" else node)
        return self.tensors[node.input[0]]

    def _is_shift(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "Add" and any(name in self.graph.weights for name in node.input)

    def _fed(self, node: onnx.NodeProto | None, name: str, form: Affine) -> Fed:
        sizes = [dim.dim_value for dim in self.fed.type.tensor_type.shape.dim][1:]
        if node is None:
            channels, height, width = sizes
            return Fed("input", Tensor(name, (channels, height, width), form))
        height, width, channels = sizes
        factors = {"Mul": np.ones(channels, np.float32), "Add": np.zeros(channels, np.float32)}
        while node is not None:
            constants = [each for each in node.input if each in self.graph.weights]
            if node.op_type in factors and constants:
                values = self.graph.array(constants[0]).astype(np.float32).ravel()
                factors[node.op_type] = np.broadcast_to(values, channels)
            elif node.op_type not in ("Transpose", "Cast"):
                raise self._no_kernel(node)
            node = self.graph.writer.get(next(each for each in node.input if each not in self.graph.weights))
        return Fed("input", Tensor(name, (channels, height, width), form), factors["Mul"], factors["Add"])

    def _convolution(self, layer: IntegerLayer, name: str, form: Affine) -> Product:
        read = self._read(layer.node, layer.node.input[0])
        options = attributes(layer.node)
        if {*options.get("dilations", [1])} != {1} or layer.weight_values.ndim != 4:
            raise self._no_kernel(layer.node, "dilated ")
        strides, pads = options.get("strides", [1, 1]), options.get("pads", [0] * 4)
        sides = _sides(read, layer.weight_values.shape[2:], strides, pads)
        step = Product(layer.name, layer, (read,), Tensor(name, (len(layer.weight_values), *sides), form))
        if step.groups != 1 and (not step.is_map or any(pads)):
            raise self._no_kernel(layer.node, "grouped ")
        return step

    def _max_pool(self, node: onnx.NodeProto, name: str, form: Affine) -> MaxPool:
        read, options = self._read(node, node.input[0]), attributes(node)
        if (read.scale, read.zero) != (float(form.scale), int(form.zero_point)) or options.get("ceil_mode", 0):
            raise self._no_kernel(node, "rescaling ")
        kernel, strides, pads = options["kernel_shape"], options.get("strides", [1, 1]), options.get("pads", [0] * 4)
        sides = _sides(read, kernel, strides, pads)
        output = Tensor(name, (read.shape[0], *sides), form)
        return MaxPool(node.name, (read,), output, tuple(kernel), tuple(strides), tuple(pads))

    def _pick(self, node: onnx.NodeProto, name: str, form: Affine) -> Pick:
        read, options = self._read(node, node.input[0]), attributes(node)
        strides = tuple(options.get("strides", [1, 1]))
        if {*options["kernel_shape"]} != {1} or any(options.get("pads", [0])):
            raise self._no_kernel(node)
        sides = _sides(read, (1, 1), strides, (0,) * 4)
        return Pick(node.name, (read,), Tensor(name, (read.shape[0], *sides), form), strides)

    def _move(self, node: onnx.NodeProto, name: str, form: Affine) -> None:
        """Of one pixel, nothing moves: it is another name."""
        read = self._read(node, node.input[0])
        if read.shape[1:] != (1, 1) or (read.scale, read.zero) != (float(form.scale), int(form.zero_point)):
            raise self._no_kernel(node)
        self.tensors[name] = read

    def _no_kernel(self, node: onnx.NodeProto, kind: str = "") -> ReszooError:
        place = node.name or node.output[0]
        return ReszooError(f"there is no {self.kernel} in C for {kind}{node.op_type}, at {place}", self.fix)


def _sides(read: Tensor, kernel: Any, strides: Any, pads: Any) -> tuple[int, int]:
    _, height, width = read.shape
    rows = (height + pads[0] + pads[2] - kernel[0]) // strides[0] + 1
    columns = (width + pads[1] + pads[3] - kernel[1]) // strides[1] + 1
    return int(rows), int(columns)
