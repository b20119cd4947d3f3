"""How many pixels and vectors of channels each set of kernels computes together."""

from itertools import product
from typing import NamedTuple

MOST_PIXELS = 16  # as many as convolve.h has names for
VECTORS = (1, 2, 3)


class Tile(NamedTuple):
    rows: int
    columns: int
    vectors: int


class Registers(NamedTuple):
    """The outputs in a vector of a set, and how many vectors of sums there is room for; twice, if they wait."""

    lanes: int
    sums: int


# In the order in which TILE of the kernels counts them.
SETS = {"avx512vnni": Registers(16, 8), "avx2": Registers(8, 10), "neon": Registers(4, 24)}


def tile_for(name: str, height: int, width: int, channels: int) -> Tile:
    """The tile that covers the output without a rest and loads least for each product, among those that fit."""
    registers = SETS[name]
    vectors = -(-channels // registers.lanes)
    fitting = [
        Tile(rows, columns, beside)
        for beside, rows, columns in product(VECTORS, _divisors(height), _divisors(width))
        if vectors % beside == 0
        and rows * columns <= MOST_PIXELS
        and rows * columns * beside <= registers.sums
        and (rows == 1 or columns == width)
    ]
    return min(fitting, key=lambda tile: (1 / tile.vectors + 1 / (tile.rows * tile.columns), tile.rows))


def _divisors(size: int) -> list[int]:
    return [each for each in range(1, min(size, MOST_PIXELS) + 1) if size % each == 0]
