"""What may make a quantized layer err: what one of its tensors holds, set against what its 8 bits cover."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Protocol

import numpy as np
import onnx

from ..core.types import Record
from .graph import Graph
from .integer import Array, product
from .layers import Affine, IntegerLayer, along
from .layerwise import represented

MOST = 0.5  # of an error: what carries more than that is its reason
CLIPPED = 0.51  # of a step: rounding alone moves no value farther than half
SQUEEZED = 0.1  # of a range: a channel that fills less has lost more than three of its eight bits
STRETCHING = 10.0  # times as wide as a usual channel
TAILS = 0.001  # of the values, both ends together, that are not counted as usual
BINS = 128
STEPS = 255
LARGEST = 127  # of symmetric 8-bit weights
NAMED = 5  # channels that a sentence names

Reason = Literal["outliers", "clipping", "dead channel", "weights", "rounding"]
Pair = tuple[float, float]


class Histogram(Record, frozen=True, kw_only=True):
    """What a tensor holds on real images, and what its 8 bits cover. Pairs are (lowest, highest).

    counts     over equal bins of `span`
    covered    by the integers
    usual      of 99.9 % of the values
    channel    the same of the channel of the median width, among those that vary
    stretched  the channels more than ten times as wide as that
    Weights are counted in steps, as each of their channels has a scale of its own.
    """

    tensor: str
    counts: tuple[int, ...]
    span: Pair
    covered: Pair
    usual: Pair
    channel: Pair
    stretched: tuple[int, ...]


class Cause(NamedTuple):
    reason: Reason
    what: str
    histogram: Histogram


class CandidateCause(Protocol):
    """A source of a layer's error, which may be why it errs: its energy alone behind the layer, and its cause."""

    def energy(self) -> float: ...

    def cause(self) -> Cause: ...


@dataclass
class Activation:
    """A quantized tensor: its float values, (N, C, ...), and the energy that an error of it has behind the layer.

    `affine` has one scale for all its channels.
    """

    tensor: str
    affine: Affine
    values: Array
    effect: Callable[[Array], float]

    @cached_property
    def held(self) -> Array:
        return represented(self.affine, self.values)

    @cached_property
    def error(self) -> Array:
        return self.held - self.values

    def energy(self) -> float:
        return self.effect(self.error)

    def cause(self) -> Cause:
        step, (lowest, highest) = self.affine.scale.item(), _covered(self.affine)
        seen = _histogram(self.tensor, _rows(self.values, 1), (lowest, highest))
        within = f"the range of {self.tensor}, {lowest:.3g} to {highest:.3g}"
        outside = np.abs(self.error) > CLIPPED * step
        if (share := self._share(outside)) > MOST:
            what = f"{outside.mean():.2%} of the values lie outside of {within}: clipped, they make {share:.0%} of"
            return Cause("clipping", f"{what} the error", seen)
        usual = seen.channel[1] - seen.channel[0]
        if usual < SQUEEZED * (highest - lowest):
            who = _channels(seen.stretched) if seen.stretched else "a few values"
            loss = f"leaves a usual channel {usual / step:.1f} of {STEPS} steps"
            return Cause("outliers", f"{within}, is stretched by {who}; that {loss}", seen)
        dead = self._dead()
        if (share := self._share(along(dead, 1, self.values.ndim))) > MOST:
            who = _channels(np.flatnonzero(dead).tolist())
            what = f"{who} of {self.tensor} varies by less than a step, {step:.2g}: constant in integers, that makes"
            return Cause("dead channel", f"{what} {share:.0%} of the error", seen)
        return Cause(
            "rounding", f"{within}, is filled well: the error is that of rounding to its steps of {step:.2g}", seen
        )

    def _share(self, where: Array) -> float:
        """Of the error's energy, what is left if it errs only there."""
        return self.effect(self.error * where) / (self.energy() or 1.0)

    def _dead(self) -> Array:
        """(C,): whether a channel is constant in integers, but not in float."""
        held, values = (np.ptp(_rows(array, 1), axis=1) for array in (self.held, self.values))
        dead: Array = (held == 0) & (values > 0)
        return dead


class Weights:
    """The weights of an integer layer, made from those of a float node that reads `x`, float32 (N, C, ...).

    `effect` is the energy that an error before the ReLU has behind it.
    """

    def __init__(
        self, layer: IntegerLayer, node: onnx.NodeProto, floats: Graph, x: Array, effect: Callable[[Array], float]
    ) -> None:
        self.layer, self.x, self.effect = layer, x, effect
        self.name = node.input[1]
        self.values = floats.array(self.name)
        self.bias = floats.array(node.input[2]) if len(node.input) > 2 else np.zeros(1, np.float32)

    def product(self, x: Array) -> Array:
        """What the float weights make of an input, without the bias."""
        return product(self.layer, x, self.values)

    def energy(self) -> float:
        layer, bias = self.layer, np.zeros(1, np.float32)
        if layer.bias_values is not None:
            bias = layer.bias_values * layer.bias.scale if layer.bias else layer.bias_values
        change = product(layer, self.x, layer.weight_values * self._scale() - self.values)
        axis = 1 if layer.node.op_type == "Conv" else -1
        return self.effect(change + along(bias - self.bias, axis, change.ndim))

    def cause(self) -> Cause:
        axis = self.layer.channel_axis
        coarse = np.abs(_rows(self.layer.weight_values.astype(int), axis)).max(axis=1) < LARGEST
        what = "its weights lose more by being rounded than its activations do"
        if coarse.any():
            what += f"; {coarse.sum()} of {coarse.size} channels were made coarser, so that no 16-bit sum saturates"
        seen = _histogram(self.name, _rows(self.values / self._scale(), axis), (-LARGEST, LARGEST))
        return Cause("weights", what, seen)

    def _scale(self) -> Array:
        return along(self.layer.weights.scale, self.layer.channel_axis, self.values.ndim)


def _covered(affine: Affine) -> Pair:
    limits, zero, step = np.iinfo(affine.zero_point.dtype), affine.zero_point.item(), affine.scale.item()
    return (limits.min - zero) * step, (limits.max - zero) * step


def _rows(values: Array, axis: int) -> Array:
    """(C, n): a row for each channel."""
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _histogram(tensor: str, rows: Array, covered: Pair) -> Histogram:
    tails = (TAILS / 2, 1 - TAILS / 2)
    low, high = np.quantile(rows, tails, axis=1)
    widths = high - low
    by_width = np.argsort(widths, kind="stable")[np.count_nonzero(widths == 0) :]
    median = by_width[(len(by_width) - 1) // 2] if len(by_width) else 0
    span = min(float(rows.min()), covered[0]), max(float(rows.max()), covered[1])
    return Histogram(
        tensor=tensor,
        counts=tuple(np.histogram(rows, BINS, range=span)[0].tolist()),
        span=span,
        covered=covered,
        usual=_pair(np.quantile(rows, tails)),
        channel=_pair((low[median], high[median])),
        stretched=tuple(np.flatnonzero(widths > STRETCHING * widths[median]).tolist()),
    )


def _pair(ends: Array | tuple[float, float]) -> Pair:
    return float(ends[0]), float(ends[1])


def _channels(numbers: Sequence[int]) -> str:
    """ "channel 3", "channels 3, 5 and 9", "12 channels"."""
    if len(numbers) == 1:
        return f"channel {numbers[0]}"
    if len(numbers) > NAMED:
        return f"{len(numbers)} channels"
    return f"channels {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
