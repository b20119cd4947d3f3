"""A float graph as a list of steps: those of `quantize/program.py`, on values that stand for themselves."""

import numpy as np
import onnx

from ...quantize.graph import attributes
from ...quantize.integer import Array
from ...quantize.layers import Affine, IntegerLayer
from ...quantize.program import Addition, GlobalPool, Logits, Pick, Product, Program, Reader, Step, Tensor

REAL = Affine(onnx.NodeProto(), np.ones((), np.float32), np.zeros((), np.float32), 0)
PREPARES = ("Transpose", "Cast", "Mul")  # raw pixels; and an Add of constants
FUSED = ("Conv", "BatchNormalization", "Add")  # what an activation behind it is computed with


def read(model: onnx.ModelProto) -> Program:
    """The steps of a network in float32, in an order in which they can run; the last one gives the logits.

    Raises ReszooError for an operator that has no kernel: it and its layer are named.
    """
    return _FloatReader(model).program()


class _FloatReader(Reader):
    """Goes from node to node, in the graph's order."""

    kernel = "kernel"
    fix = "Export to another format, such as onnx."

    def program(self) -> Program:
        name = self.fed.name
        while preparing := self._preparing(name):
            name = preparing.output[0]
        self._keep(self._fed(self.graph.writer.get(name), name, REAL))
        for node in self.graph.nodes:
            if node.output[0] not in self.tensors and not self._is_done(node):
                self._node(node)
        return tuple(self.steps)

    def _preparing(self, name: str) -> onnx.NodeProto | None:
        node = self.graph.sole_reader(name)
        return node if node and (node.op_type in PREPARES or self._is_shift(node)) else None

    def _is_done(self, node: onnx.NodeProto) -> bool:
        """Whether it is a part of a step: of what is fed, or in front of an activation or of zeros that have one."""
        return node.op_type in PREPARES or self._is_shift(node) or self._behind(node).output[0] in self.tensors

    def _behind(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """The last node that is computed together with it."""
        reader = self.graph.sole_reader(node.output[0])
        pair = (node.op_type, reader.op_type) if reader else ()
        is_one = pair == ("AveragePool", "Pad") or (pair[1:] == ("Relu",) and node.op_type in FUSED)
        return reader if reader and is_one else node

    def _read(self, reader: onnx.NodeProto, name: str) -> Tensor:
        if name not in self.tensors:
            raise self._no_kernel(reader)
        return self.tensors[name]

    def _keep(self, step: Step) -> None:
        self.steps.append(step)
        if step.output:
            self.tensors[step.output.name] = step.output

    def _node(self, node: onnx.NodeProto) -> None:
        last = self._behind(node)
        name, relu = str(last.output[0]), last if last.op_type == "Relu" else None
        match node.op_type:
            case "Conv":
                step: Step = self._convolution(self._weighted(node, relu), name, REAL)
            case "BatchNormalization":
                step = self._map(node, name, relu, *self._norm(node))
            case "Relu":
                channels = self._read(node, node.input[0]).shape[0]
                step = self._map(node, name, node, np.ones(channels), np.zeros(channels))
            case "Add":
                first, second = (self._read(node, each) for each in node.input)
                if first.shape != second.shape:
                    raise self._no_kernel(node)
                step = Addition(node.name, (first, second), Tensor(name, first.shape, REAL), relu is not None)
            case "AveragePool" if last.op_type == "Pad":
                step = self._padded(last, name, self._pick(node, name, REAL))
            case "AveragePool":
                step = self._pick(node, name, REAL)
            case "Pad":
                read = self._read(node, node.input[0])
                step = self._padded(node, name, Pick(node.name, (read,), read, (1, 1)))
            case "MaxPool":
                step = self._max_pool(node, name, REAL)
            case "GlobalAveragePool":
                read = self._read(node, node.input[0])
                step = GlobalPool(node.name, (read,), Tensor(name, (read.shape[0], 1, 1), REAL))
            case "Reshape" | "Flatten":
                self._move(node, name, REAL)
                return
            case "Gemm" if name == self.logits.name:
                step = Logits(node.name, self._weighted(node, None), (self._read(node, node.input[0]),))
            case _:
                raise self._no_kernel(node)
        self._keep(step)

    def _weighted(self, node: onnx.NodeProto, relu: onnx.NodeProto | None) -> IntegerLayer:
        weights, *biases = (self.graph.array(each) for each in node.input[1:])
        return _layer(node, weights, biases[0] if biases else None, relu)

    def _norm(self, node: onnx.NodeProto) -> tuple[Array, Array]:
        """What a batch norm multiplies by, and what it adds."""
        weight, bias, mean, variance = (self.graph.array(each).astype(np.float64) for each in node.input[1:5])
        factors = weight / np.sqrt(variance + attributes(node)["epsilon"])
        return factors, bias - mean * factors

    def _map(self, node: onnx.NodeProto, name: str, relu: onnx.NodeProto | None, factors: Array, shifts: Array) -> Step:
        read = self._read(node, node.input[0])
        alone = onnx.helper.make_node("Conv", [], [name], name=node.name, group=len(factors))
        layer = _layer(alone, factors.astype(np.float32).reshape(-1, 1, 1, 1), shifts.astype(np.float32), relu)
        return Product(node.name, layer, (read,), Tensor(name, read.shape, REAL))

    def _padded(self, node: onnx.NodeProto, name: str, pick: Pick) -> Step:
        """With channels of zeros: pads are those in front of each axis, then those behind."""
        pads = self.graph.array(node.input[1])
        if (
            len(pads) != 8
            or any(np.delete(pads, [1, 5]))
            or any(self.graph.array(each).any() for each in node.input[2:3])
        ):
            raise self._no_kernel(node)
        channels, height, width = pick.output.shape
        output = Tensor(name, (int(pads[1]) + channels + int(pads[5]), height, width), REAL)
        return Pick(pick.name, pick.inputs, output, pick.strides, int(pads[1]))


def _layer(node: onnx.NodeProto, weights: Array, bias: Array | None, relu: onnx.NodeProto | None) -> IntegerLayer:
    return IntegerLayer(
        node=node, input=REAL, weights=REAL, weight_values=weights, bias=None, bias_values=bias, relu=relu, output=REAL
    )
