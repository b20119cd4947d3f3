"""Where each tensor lies in the workspace: planned once, so that nothing is allocated when the network runs.

All sizes are in values of a tensor, which are a byte or a float each.

Tensors that are not needed at the same time share bytes; an addition overwrites its residual where nobody reads that
afterwards. The largest are placed first, each at the lowest free place (Pisarchyk & Lee 2020, "greedy by size").
"""

from collections import defaultdict
from dataclasses import dataclass

from ...quantize.program import Product, Tensor
from .lowering import Call

ALIGNMENT = 64
SLACK = 64  # behind a tensor: vectors and groups of values may read a little further


@dataclass(frozen=True)
class Place:
    """A tensor in the workspace: values from its start, with a border of so many pixels."""

    start: int
    shape: tuple[int, int, int]  # channels, height, width
    border: int

    @property
    def row(self) -> int:
        channels, _, width = self.shape
        return channels * (width + 2 * self.border)

    @property
    def size(self) -> int:
        size = self.row * (self.shape[1] + 2 * self.border) + SLACK
        return -(-size // ALIGNMENT) * ALIGNMENT

    @property
    def first(self) -> int:
        """The first pixel inside the border."""
        return self.start + self.border * (self.row + self.shape[0])


@dataclass(frozen=True)
class Memory:
    places: dict[str, Place]
    size: int  # of the workspace
    filled: dict[int, int]  # number of a call -> the value of the border that has to be filled before it


def plan(calls: list[Call]) -> Memory:
    """`filled` leaves out borders that an earlier tensor of the same form has left."""
    owner, spans, tensors = _lifetimes(calls)
    borders = _borders(calls)
    free = {name: Place(0, tensor.shape, borders[tensor.shape]) for name, tensor in tensors.items()}
    placed: dict[str, Place] = {}
    for name in sorted(free, key=lambda each: (-free[each].size, spans[each])):
        start = 0
        for other in sorted(
            (placed[each] for each in placed if _meet(spans[name], spans[each])), key=lambda p: p.start
        ):
            if start + free[name].size <= other.start:
                break
            start = max(start, other.start + other.size)
        placed[name] = Place(start, free[name].shape, free[name].border)
    places = {name: placed[root] for name, root in owner.items()}
    size = max(place.start + place.size for place in placed.values())
    return Memory(places, size, _to_fill(calls, places))


def _lifetimes(calls: list[Call]) -> tuple[dict[str, str], dict[str, tuple[int, int]], dict[str, Tensor]]:
    """Which tensor's bytes each uses, from which call to which those are needed, and what owns bytes."""
    last = {tensor.name: number for number, call in enumerate(calls) for tensor in call.reads}
    owner: dict[str, str] = {}
    spans: dict[str, tuple[int, int]] = {}
    tensors: dict[str, Tensor] = {}
    for number, call in enumerate(calls):
        if call.output is None:
            continue
        name, residual = call.output.name, call.residual
        end = last.get(name, number)
        if residual is not None and last[residual.name] == number and residual not in call.step.inputs:
            owner[name] = owner[residual.name]
            spans[owner[name]] = spans[owner[name]][0], end
        else:
            owner[name], spans[name], tensors[name] = name, (number, end), call.output
    return owner, spans, tensors


def _borders(calls: list[Call]) -> dict[tuple[int, int, int], int]:
    """Of each shape, the widest that a convolution reads: tensors of one shape can take each other's place."""
    borders: dict[tuple[int, int, int], int] = defaultdict(int)
    for call in calls:
        for tensor in call.reads:
            needed = max(call.step.pads) if isinstance(call.step, Product) and tensor in call.step.inputs else 0
            borders[tensor.shape] = max(borders[tensor.shape], needed)
    return borders


def _to_fill(calls: list[Call], places: dict[str, Place]) -> dict[int, int]:
    padded = {
        tensor.name
        for call in calls
        if isinstance(call.step, Product) and any(call.step.pads)
        for tensor in call.step.inputs
    }
    intact: dict[Place, int] = {}
    filled = {}
    for number, call in enumerate(calls):
        if call.output is None:
            continue
        place, zero = places[call.output.name], call.output.zero
        intact = {other: value for other, value in intact.items() if other == place or not _overlap(other, place)}
        if call.output.name in padded and intact.get(place) != zero:
            filled[number] = intact[place] = zero
    return filled


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _overlap(one: Place, other: Place) -> bool:
    return one.start < other.start + other.size and other.start < one.start + one.size
