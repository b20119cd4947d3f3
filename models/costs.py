"""What a network costs: the records."""

from ..core.types import Record


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
