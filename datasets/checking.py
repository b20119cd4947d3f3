"""What may not be meant in images that were added: it is said, and kept in the data set's `warnings`."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .classes import some
from .listing import Entry


class Part(NamedTuple):
    """The images of one split: where each came from, its class and the hash of what it shows, (N,) each."""

    entries: list[Entry]
    labels: NDArray[np.int64]
    keys: NDArray[np.uint64]

    def at(self, positions: NDArray[np.int64]) -> "Part":
        """Some of them."""
        return Part([self.entries[position] for position in positions], self.labels[positions], self.keys[positions])


def warnings_of(classes: tuple[str, ...], splits: Mapping[str, Part]) -> Iterator[str]:
    """One class only, a split without some class, and the same image in two splits."""
    if len(classes) == 1:
        yield f"there is one class only, {classes[0]}: a network has nothing to tell apart"
    splits = {name: part for name, part in splits.items() if part.entries}
    for name, part in splits.items():
        if missing := [classes[label] for label in np.setdiff1d(np.arange(len(classes)), part.labels)]:
            yield f"{name} has no image of {some(missing)}"
    for (name, part), (other, another) in combinations(splits.items(), 2):
        if copies := np.flatnonzero(np.isin(another.keys, part.keys)).tolist():
            many = "an image" if len(copies) == 1 else f"{len(copies)} images"
            where = another.entries[copies[0]].member.where
            yield f"{many} of {other} can be found in {name} as well, such as {where}"
