"""Integer multipliers that give exactly the integers of a real rescaling: for every sum that can occur, not for most.

A requantization is a staircase: from a sum x to `clip(round(x * slope + offset), least, 255)`. `(x * m + c) >> s` is
another one. Both are the same if they agree on both sides of each of the at most 255 stairs, as neither ever goes down.
So the stairs of the reference are found first, and m and c are chosen to fit them: with m given, each stair bounds c
from one side, and what is left between the bounds is every c that is exact. (gemmlowp and TensorFlow Lite round the
multiplier to 31 bits and differ from real arithmetic at some stairs: Jacob et al. 2018, section 2.2.)
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError
from .integer import in_steps, rescale
from .layers import along
from .program import Addition, GlobalPool, Pick, Product, Step, exact

Integers = NDArray[np.int64]
Reference = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # (channels, n) sums to steps, not yet rounded

WORD = 32  # vector kernels take the upper half of a 64-bit product, and shift that
MOST_SHIFT = 21  # of the upper half: 255 * 2^(32 + 21) stays below 2^62
MOST_BITS = 30  # of a multiplier; one bit is left for a sum with others
POOL_BITS = 40  # of a pool's, whose kernel has 64 bits for it; sums of 2^22 are left
TRIES = 64  # multipliers on either side of the nearest one
ADD_SHIFT = 30
HALF = 15  # an addition's multipliers are used in two halves of so many bits
MAP_SHIFT = 20  # bytes times multipliers then stay below 2^31


class Rescale(NamedTuple):
    """q = clip((sum * multiplier + constant) >> shift, least, 255), each (channels,)."""

    multiplier: Integers
    constant: Integers
    shift: Integers
    least: int


class RescaledSum(NamedTuple):
    """q = clip((a * first + b * second + constant) >> shift, least, 255)."""

    first: int
    second: int
    constant: int
    shift: int
    least: int


def of_product(step: Product) -> Rescale:
    """For raw sums of input * weight, without any zero point: all constants are in the result's own."""
    layer, output = step.layer, step.output
    rows = (
        np.moveaxis(layer.weight_values, layer.channel_axis, 0).reshape(len(layer.weight_values), -1).astype(np.int64)
    )
    if layer.weights.zero_point.any():
        raise ReszooError(f"{step.name} has weights with a zero point", "Quantize weights symmetrically.")
    zero = step.inputs[0].zero
    totals = zero * rows.sum(axis=1, keepdims=True)

    def steps(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        shaped = (sums - totals).T.reshape(-1, len(rows), 1, 1)
        return in_steps(output.affine, rescale(layer, shaped)).reshape(-1, len(rows)).T

    low, high = 255 * np.minimum(rows, 0).sum(axis=1), 255 * np.maximum(rows, 0).sum(axis=1)
    slope = float(step.inputs[0].scale) * along(layer.weights.scale.astype(np.float64), 0, 1) / output.scale
    return _fitted(step.name, steps, np.broadcast_to(slope, len(rows)), low, high, output.zero if layer.relu else 0)


def of_map(step: Product) -> Rescale:
    """For bytes that are multiplied by one weight of their channel: the weight is in the multiplier, sums are bytes."""
    layer, output, zero = step.layer, step.output, step.inputs[0].zero
    weights = layer.weight_values.reshape(-1, 1).astype(np.float64)

    def steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
        shaped = ((values - zero) * weights).T.reshape(-1, len(weights), 1, 1)
        return in_steps(output.affine, rescale(layer, shaped)).reshape(-1, len(weights)).T

    scales = along(layer.weights.scale.astype(np.float64), 0, 1)
    slope = np.broadcast_to(float(step.inputs[0].scale) * scales / output.scale, len(weights)) * weights[:, 0]
    return _fitted_bytes(step.name, steps, slope, output.zero if layer.relu else 0)


def of_pick(step: Pick) -> Rescale:
    channels = step.output.shape[0]
    slope = np.full(channels, step.inputs[0].scale / step.output.scale)
    return _fitted_bytes(step.name, lambda values: exact(step, values), slope, 0)


def of_pool(step: GlobalPool) -> Rescale:
    """For sums of all pixels; the same for every channel."""
    (tensor,) = step.inputs
    pixels = tensor.shape[1] * tensor.shape[2]
    slope = np.array([tensor.scale / pixels / step.output.scale])
    ends = np.array([0]), np.array([255 * pixels])
    return _fitted(step.name, lambda sums: exact(step, sums), slope, *ends, 0, bits=POOL_BITS)


def of_addition(step: Addition) -> RescaledSum:
    """Tried on all 65,536 pairs."""
    a, b = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    wanted = np.rint(exact(step, a, b)).astype(np.int64)
    least = step.output.zero if step.relu else 0
    ratios = [tensor.scale / step.output.scale for tensor in step.inputs]
    shift = min(ADD_SHIFT, MOST_BITS - 1 - math.ceil(math.log2(max(ratios))))
    if shift > HALF:
        nearest = [round(ratio * 2**shift) for ratio in ratios]
        for first in _around(nearest[0], 2):
            for second in _around(nearest[1], 2):
                sums = a.astype(np.int64) * first + b.astype(np.int64) * second
                low = np.where(wanted > least, (wanted << shift) - sums, np.iinfo(np.int64).min).max()
                high = np.where(wanted < 255, ((wanted + 1) << shift) - 1 - sums, np.iinfo(np.int64).max).min()
                if low <= high:
                    return RescaledSum(first, second, int(low + (high - low) // 2), shift, least)
    raise _inexact(step, 0)


def apply(rescale_: Rescale, sums: Integers) -> Integers:
    """What the kernels compute of (channels, n) sums."""
    multiplier, constant, shift = (each[:, None] for each in rescale_[:3])
    found: Integers = np.clip((sums * multiplier + constant) >> shift, rescale_.least, 255)
    return found


def _around(nearest: int, tries: int) -> list[int]:
    return sorted(range(nearest - tries, nearest + tries + 1), key=lambda value: abs(value - nearest))


def _fitted(
    name: str,
    steps: Reference,
    slope: NDArray[np.float64],
    low: Integers,
    high: Integers,
    least: int,
    bits: int = WORD - 1,
) -> Rescale:
    """One multiplier a channel, with at most `bits` bits; sums lie between `low` and `high` (channels,)."""
    if not (np.isfinite(slope) & (slope > 0)).all():
        raise ReszooError(f"{name} has a scale that is not above 0", "Export the network to another format.")
    slope = np.where(low == high, 2.0**-WORD, slope)  # without a weight, only the constant matters
    shift = WORD + np.clip(np.floor(MOST_BITS - WORD - np.log2(slope)), 0, MOST_SHIFT).astype(np.int64)
    if (slope * 2.0**shift >= 2.0**bits).any():
        raise ReszooError(
            f"{name} has an output that is {slope.max():.2g} times as fine as its sums, too fine to be exact: "
            "its input or its output hardly changed during the calibration",
            "Calibrate with other or with more images, or export the network to another format.",
        )
    stairs = _stairs(steps, low, high, least)
    nearest = np.rint(slope * 2.0**shift).astype(np.int64)
    return _chosen(name, stairs, nearest, shift, low, high, least)


def _stairs(steps: Reference, low: Integers, high: Integers, least: int) -> Integers:
    """(channels, 255 - least): the first sum that gives more than `least`, `least` + 1, ...; above `high` for none.

    Found by halving: the reference never goes down.
    """
    levels = np.arange(least, 255)
    below = np.broadcast_to(low[:, None] - 1, (len(low), len(levels))).copy()
    above = np.broadcast_to(high[:, None] + 1, (len(low), len(levels))).copy()
    while ((above - below) > 1).any():
        middle = (below + above) // 2
        is_more = np.rint(steps(middle.astype(np.float64))) > levels
        above, below = np.where(is_more, middle, above), np.where(is_more, below, middle)
    return above


def _chosen(
    name: str, stairs: Integers, nearest: Integers, shift: Integers, low: Integers, high: Integers, least: int
) -> Rescale:
    """The multiplier nearest to `nearest` with a constant that meets every stair."""
    levels = np.arange(least, 255)
    found = np.zeros(len(nearest), bool)
    multiplier, constant = nearest.copy(), np.zeros_like(nearest)
    is_met, is_left = stairs <= high[:, None], stairs > low[:, None]
    limits = np.iinfo(np.int64)
    for distance in sorted(range(-TRIES, TRIES + 1), key=abs):
        tried = np.maximum(nearest + distance, 0)
        top = (levels + 1) << shift[:, None]
        lower = np.where(is_met, top - stairs * tried[:, None], limits.min).max(axis=1)
        upper = np.where(is_left, top - 1 - (stairs - 1) * tried[:, None], limits.max).min(axis=1)
        new = ~found & (lower <= upper)
        middle = np.where(
            lower == limits.min, upper, np.where(upper == limits.max, lower, lower + (upper - lower) // 2)
        )
        multiplier[new], constant[new] = tried[new], middle[new]
        found |= new
        if found.all():
            return Rescale(multiplier, constant, shift, least)
    raise _inexact_named(name, int(np.flatnonzero(~found)[0]))


def _fitted_bytes(name: str, steps: Reference, slope: NDArray[np.float64], least: int) -> Rescale:
    """Of 256 values each is tried; multipliers may be negative."""
    values = np.broadcast_to(np.arange(256), (len(slope), 256))
    wanted = np.rint(steps(values.astype(np.float64))).astype(np.int64)
    limits = np.iinfo(np.int64)
    room = MAP_SHIFT - np.maximum(np.ceil(np.log2(np.maximum(np.abs(slope), 1e-300))), -2)
    shift = np.clip(room, 0, MAP_SHIFT).astype(np.int64)
    nearest = np.rint(slope * 2.0**shift).astype(np.int64)
    found, multiplier, constant = np.zeros(len(slope), bool), nearest.copy(), np.zeros_like(nearest)
    for distance in sorted(range(-TRIES, TRIES + 1), key=abs):
        tried = nearest + distance
        products = values * tried[:, None]
        lower = np.where(wanted > least, (wanted << shift[:, None]) - products, limits.min).max(axis=1)
        upper = np.where(wanted < 255, ((wanted + 1) << shift[:, None]) - 1 - products, limits.max).min(axis=1)
        new = ~found & (lower <= upper)
        middle = np.where(
            lower == limits.min, upper, np.where(upper == limits.max, lower, lower + (upper - lower) // 2)
        )
        multiplier[new], constant[new] = tried[new], middle[new]
        found |= new
        if found.all():
            return Rescale(multiplier, constant, shift, least)
    raise _inexact_named(name, int(np.flatnonzero(~found)[0]))


def _inexact(step: Step, channel: int) -> ReszooError:
    return _inexact_named(step.name, channel)


def _inexact_named(name: str, channel: int) -> ReszooError:
    return ReszooError(
        f"no integer multiplier rounds as {name} does in channel {channel}: its scales make ties",
        "Quantize it with other images (`images`, `seed`) or another `calibration`.",
    )
