"""An ONNX graph with an index of who writes and who reads each tensor, and its weights as arrays."""

from collections import defaultdict
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


class Graph:
    """A view of `model`. Weights may be replaced through it; after nodes have changed, make another."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = model.graph.node
        self.weights = {weight.name: weight for weight in model.graph.initializer}
        self.outputs = {output.name for output in model.graph.output}
        self.values = {value.name: value.type.tensor_type for value in typed_values(model)}
        self.writer = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                self.readers[name].append(node)

    def array(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = numpy_helper.to_array(self.weights[name])
        return array

    def replace(self, name: str, array: NDArray[Any]) -> None:
        self.weights[name].CopyFrom(numpy_helper.from_array(array, name))

    def sole_reader(self, tensor: str) -> onnx.NodeProto | None:
        """The node that reads `tensor`, if one does and it is no output of the graph."""
        readers = self.readers[tensor]
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def is_float(self, tensor: str) -> bool:
        """Whether it is computed (or fed) as float32; weights are not."""
        return (
            tensor in self.values
            and tensor not in self.weights
            and self.values[tensor].elem_type == onnx.TensorProto.FLOAT
        )

    def rank(self, tensor: str) -> int | None:
        value = self.values.get(tensor)
        return len(value.shape.dim) if value is not None and value.HasField("shape") else None


def typed_values(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    return [*model.graph.input, *model.graph.value_info, *model.graph.output]


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
