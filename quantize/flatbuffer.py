"""A LiteRT file, read: its operators by name, and refused with a reason where it cannot be quantized; and written."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .contract import Layer
from .refusals import already_quantized, check_kinds, check_weights

PRODUCTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
QUANTIZABLE = (*PRODUCTS, "ADD", "SUB", "MUL", "MEAN", "AVERAGE_POOL_2D", "LOGISTIC", "GELU", "HARD_SWISH", "RSQRT")
# They give what they read, elsewhere or limited: in integers or in float, as what is around them.
MOVERS = ("BROADCAST_TO", "MAX_POOL_2D", "PAD", "PADV2", "RELU", "RESHAPE", "TRANSPOSE")
FLOATS = ("CAST", "LEAKY_RELU")  # the quantizer leaves them in float
SHIFTS = ("ADD", "SUB", "MUL")  # with a constant: they normalise raw pixels, and always stay in float
MINUS_INFINITY = np.float32("-inf").tobytes()
IDENTIFIER = b"TFL3"  # of the schema
ALIGNMENT = 16  # of every buffer in the file, as the schema asks


class Operator(NamedTuple):
    """An operator: its name, which is that of what it writes, its kind, and what it reads and writes."""

    name: str
    kind: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


class Model:
    """The one graph of a file. `tensors` are the schema's, and `input` is the one that is fed."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        kinds = {number: kind for kind, number in vars(schema.BuiltinOperator).items()}
        self.float = schema.TensorType.FLOAT32
        self.model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
        (graph,) = self.model.subgraphs
        self.tensors: list[Any] = graph.tensors
        (fed,) = graph.inputs
        self.input = self.tensors[fed]
        self.operators = []
        for operator in graph.operators:
            kind = kinds[self.model.operatorCodes[operator.opcodeIndex].builtinCode]
            read, written = ([self.tensors[i] for i in some if i >= 0] for some in (operator.inputs, operator.outputs))
            self.operators.append(Operator(written[0].name.decode(), kind, tuple(read), tuple(written)))

    @property
    def names(self) -> list[str]:
        return [operator.name for operator in self.operators]

    def constant(self, tensor: Any) -> bytes | None:
        """The bytes that a tensor holds in the file, or None for one that is computed."""
        data = self.model.buffers[tensor.buffer].data
        return None if data is None or not len(data) else bytes(data)

    def padders(self) -> list[Operator]:
        """What pads with minus infinity, as maxima are padded. The quantizer makes that the least integer."""
        pads = (operator for operator in self.operators if operator.kind == "PADV2")
        return [operator for operator in pads if self.constant(operator.inputs[2]) == MINUS_INFINITY]

    def observable(self) -> dict[int, str]:
        """The float tensors that are computed, by their index, but for those padded with minus infinity."""
        padded = {id(operator.outputs[0]) for operator in self.padders()}
        return {
            index: tensor.name.decode()
            for index, tensor in enumerate(self.tensors)
            if tensor.type == self.float and self.constant(tensor) is None and id(tensor) not in padded
        }

    def check(self) -> None:
        """Refuse a graph that is quantized already, operators that are not known, and weights that are not finite."""
        padding = {id(operator.inputs[2]) for operator in self.padders()}
        for tensor in self.tensors:
            if tensor.quantization is not None and tensor.quantization.scale is not None:
                raise already_quantized(f"tensor {tensor.name.decode()!r} has a scale")
            is_weight = tensor.type == self.float and id(tensor) not in padding
            if is_weight and (data := self.constant(tensor)) is not None:
                check_weights(tensor.name.decode(), np.frombuffer(data, np.float32))
        check_kinds({operator.kind for operator in self.operators}, {*QUANTIZABLE, *MOVERS, *FLOATS})

    def shifting(self) -> list[Operator]:
        return [
            operator
            for operator in self.operators
            if operator.kind in SHIFTS and any(self.constant(tensor) is not None for tensor in operator.inputs)
        ]

    def layers(self) -> Iterator[Layer]:
        """The operators that can be quantized, or kept in float."""
        shifts = self.shifting()
        for operator in self.operators:
            if operator.kind in QUANTIZABLE and operator not in shifts:
                yield Layer(operator.name, operator.kind, _macs(operator))

    def kept_float(self, names: Collection[str]) -> Iterator[Operator]:
        """The operators that stay in float if those of these names do: also what moves what these read or write."""
        writer = {id(tensor): operator.name for operator in self.operators for tensor in operator.outputs}
        readers: dict[int, set[str]] = defaultdict(set)
        for operator in self.operators:
            for tensor in operator.inputs:
                readers[id(tensor)].add(operator.name)
        floats = set(names)
        for operator in (*self.operators, *reversed(self.operators)):
            if operator.kind in MOVERS:
                reading = readers[id(operator.outputs[0])]
                if writer.get(id(operator.inputs[0])) in floats or (reading and reading <= floats):
                    floats.add(operator.name)
        floats |= {operator.name for operator in self.shifting()}
        return (operator for operator in self.operators if operator.name in floats)


def _macs(operator: Operator) -> int:
    """For one image: every weight of a convolution is used once for each pixel of its output, (N, H, W, C)."""
    if operator.kind not in PRODUCTS:
        return 0
    return prod(map(int, operator.inputs[1].shape)) * prod(map(int, operator.outputs[0].shape[1:-1]))


def packed(model: Any) -> bytes:
    """The file of the schema's objects."""
    import flatbuffers

    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802, N803
            # the schema's Python code aligns what is in buffers to single bytes
            return super().StartVector(elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment)

    builder = Builder(1 << 10)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def inlined(content: bytes) -> bytes:
    """The file with all weights inside the flatbuffer.

    The quantizer appends those of larger files to it. TensorFlow Lite for Microcontrollers does not look for them
    there: without an error, it computes with whatever lies in its memory.
    """
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.size:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return packed(model)
