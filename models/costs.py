"""What a network costs: the records."""

from ..core.types import Record


def kind_of(kernel: tuple[int, ...], stride: int) -> str:
    """ "conv3x3 /2", or "linear" of a layer that has no kernel."""
    if not kernel:
        return "linear"
    height, width = kernel
    return f"conv{height}x{width}" + (f" /{stride}" if stride > 1 else "")


class LayerCost(Record, frozen=True, kw_only=True):
    """A convolution or the classifier. `output` is its shape and `macs` its work for one image."""

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int


class Cost(Record, frozen=True, kw_only=True):
    """`params` are all learnable values, those of norms too; `macs` all of convolutions and matrix products."""

    params: int
    macs: int
    layers: tuple[LayerCost, ...]
