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
    least: int = 1  # sums that have to be on their way at once, so that none waits for the one before it


# In the order in which TILE of the kernels counts them. AVX2 would have room for ten sums of bytes, but gcc makes so
# many products before it adds them that sums go to memory.
INTEGERS = (Registers(16, 8, 6), Registers(8, 4), Registers(4, 24))  # avx512vnni, avx2, neon
FLOATS = (Registers(16, 24, 8), Registers(8, 12, 8), Registers(4, 24, 8), Registers(4, 8), Registers(1, 8))


def tiles_for(registers: Registers, height: int, width: int, channels: int) -> list[Tile]:
    """Those that fit, and cover the output without a rest; first the one that loads least for each product."""
    vectors = -(-channels // registers.lanes)
    fitting = [
        Tile(rows, columns, beside)
        for beside, rows, columns in product(VECTORS, _divisors(height), _divisors(width))
        if vectors % beside == 0
        and rows * columns <= MOST_PIXELS
        and rows * columns * beside <= registers.sums
        and (rows == 1 or columns == width)
    ]
    return sorted(fitting, key=lambda tile: _cost(tile, registers))


def _cost(tile: Tile, registers: Registers) -> tuple[bool, float, int]:
    """Loads for each product count, and before them whether the processor waits."""
    pixels = tile.rows * tile.columns
    return pixels * tile.vectors < registers.least, 1 / tile.vectors + 1 / pixels, tile.rows


def _divisors(size: int) -> list[int]:
    return [each for each in range(1, min(size, MOST_PIXELS) + 1) if size % each == 0]
