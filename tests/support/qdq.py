"""Small quantized networks in the QDQ format, one layer after the other."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]


class Network:
    """A float input, quantized; layers are added; `finish` gives the model. Activations have one scale and zero."""

    def __init__(self, shape: tuple[int, ...], *, scale: float = 0.02, zero: int = 128, dtype: type = np.uint8) -> None:
        self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {
            "scale": np.array(scale, np.float32),
            "zero": np.array(zero, dtype),
        }
        self.layers = 0
        self.tensor = "input"
        self._requantize()

    def layer(self, op_type: str, weights: Array, scales: Array, bias: Array | None = None, **options: Any) -> None:
        """Conv, Gemm or MatMul with s8 weights; `scales` () or one a channel, `bias` int32 of scale * scales.

        Beside the node's own attributes: `axis` of the scales, `relu`, and `requantize`.
        """
        axis, relu, requantize = options.pop("axis", 0), options.pop("relu", False), options.pop("requantize", True)
        name = f"layer{self.layers}"
        self.layers += 1
        inputs = [self.tensor, self._constant(f"{name}.weight", weights, scales, axis)]
        if bias is not None:
            inputs.append(self._constant(f"{name}.bias", bias, scales * self.constants["scale"], 0))
        self._node(op_type, inputs, name, **options)
        if relu:
            self._node("Relu", [self.tensor], f"{name}.relu")
        if requantize:
            self._requantize()

    def finish(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *self.shape])],
            [helper.make_tensor_value_info(self.tensor, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)

    def _requantize(self) -> None:
        for op_type in ("QuantizeLinear", "DequantizeLinear"):
            self._node(op_type, [self.tensor, "scale", "zero"], f"{self.tensor}.{op_type[:-6].lower()}")

    def _constant(self, name: str, values: Array, scales: Array, axis: int) -> str:
        parts = {
            f"{name}.values": values,
            f"{name}.scale": scales,
            f"{name}.zero": np.zeros(scales.shape, values.dtype),
        }
        self.constants |= parts
        self.nodes.append(helper.make_node("DequantizeLinear", list(parts), [name], axis=axis))
        return name

    def _node(self, op_type: str, inputs: list[str], name: str, **options: Any) -> None:
        self.tensor = name
        self.nodes.append(helper.make_node(op_type, inputs, [name], name, **options))


def random_weights(shape: tuple[int, ...], seed: int = 0, largest: int = 127) -> Array:
    return np.random.default_rng(seed).integers(-largest, largest + 1, shape, dtype=np.int8)


def random_scales(channels: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(0.001, 0.01, channels).astype(np.float32)
