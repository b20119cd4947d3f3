"""Which layers to keep in float so that a budget is met: a search that knows nothing of how it is measured."""

from collections.abc import Callable, Sequence
from functools import cache

from .contract import Layer

Names = frozenset[str]


def fewest_float_layers(
    order: Sequence[Layer], meets: Callable[[Names], bool], on_bound: Callable[[int], None] = lambda most: None
) -> Names | None:
    """The fewest layers that have to stay in float, given that none is too few; None if the budget cannot be met.

    `order` begins with the layer that does the most damage when it is quantized. The first 1, 2, 4, ... are kept in
    float until `meets` says yes, and halving finds the least number that does. Then each of them is given back, the
    dearest first, if the budget is still met without it. At least one layer that multiplies is always quantized: of
    those, the last. `meets` is never asked about one set twice. `on_bound` gets the most sets
    that it will still be asked about: before the first, and when the least number is found.
    """
    meets = cache(meets)
    quantized = next((layer for layer in reversed(order) if layer.macs), None)
    may_stay = [layer for layer in order if layer is not quantized]
    if quantized is None or not may_stay:
        return None
    on_bound(2 * len(may_stay).bit_length() + len(may_stay))  # doubling, halving, giving back
    enough = _least(len(may_stay), lambda count: meets(_names(may_stay[:count])))
    if enough is None:
        return None
    kept = may_stay[:enough]
    on_bound(len(kept) if len(kept) > 1 else 0)
    for layer in sorted(kept, key=lambda layer: layer.macs, reverse=True):
        fewer = [other for other in kept if other is not layer]
        if fewer and meets(_names(fewer)):
            kept = fewer
    return _names(kept)


def _least(most: int, suffices: Callable[[int], bool]) -> int | None:
    """The least number from 1 to `most` that suffices, if more never do less; None if not even `most` does."""
    too_few, enough = 0, 1
    while not suffices(enough):
        if enough == most:
            return None
        too_few, enough = enough, min(2 * enough, most)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if suffices(middle) else (middle, enough)
    return enough


def _names(layers: Sequence[Layer]) -> Names:
    return frozenset(layer.name for layer in layers)
