"""Which layers to keep in float so that a budget is met: a search that knows nothing of how it is measured."""

from collections.abc import Callable, Sequence
from functools import cache

from .contract import Layer

Names = frozenset[str]


def climb(
    order: Sequence[Layer], meets: Callable[[Names], bool], left: Callable[[int], None] = lambda most: None
) -> Names | None:
    """The fewest layers that have to stay in float, given that none is too few; None if the budget cannot be met.

    `order` begins with the layer that does the most damage when it is quantized. The first 1, 2, 4, ... are kept in
    float until `meets` says yes, and halving finds the least number that does. Then each of them is given back, the
    dearest first, if the budget is still met without it. At least one layer that multiplies is always quantized: of
    those, the last. `meets` is never asked about one set twice. `left` is told how many sets it will still be asked
    about, at most: before the first, and when the least number is found.
    """
    meets = cache(meets)
    spared = next((layer for layer in reversed(order) if layer.macs), None)
    rungs = [layer for layer in order if layer is not spared]
    if spared is None or not rungs:
        return None
    left(2 * len(rungs).bit_length() + len(rungs))  # doubling, halving, giving back
    enough = _least(len(rungs), lambda count: meets(_names(rungs[:count])))
    if enough is None:
        return None
    kept = rungs[:enough]
    left(len(kept) if len(kept) > 1 else 0)
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
