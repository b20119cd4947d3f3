"""What became of a quantized graph's layers."""

from pathlib import Path

import onnx

from ..core.types import Record
from .layers import PRODUCTS, integer_layers


class Layers(Record, frozen=True, kw_only=True):
    """Convolutions and matrix products: how many are computed in integers, and the names of those that are not."""

    quantized: int
    floats: tuple[str, ...]


def layers(path: Path) -> Layers:
    """The layers of the Q/DQ graph in `path`."""
    model = onnx.load(path)
    integer = {layer.name for layer in integer_layers(model)}
    names = [node.name or node.output[0] for node in model.graph.node if node.op_type in PRODUCTS]
    return Layers(quantized=len(integer), floats=tuple(name for name in names if name not in integer))
