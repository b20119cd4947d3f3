"""What a study is: claims and controls as data, and one function that measures a condition."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ...core.files import sha256_of
from .records import Claim, Condition, Control, Figure, Measured, Scale, Settings

Measure = Callable[[Condition, int, Settings], Measured]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question with the runs that answer it. `studies/NAME.py` defines one as `STUDY`.

    name        as on the command line
    title       of its page
    question    one sentence
    data        the data sets that it knows, the first of which is the default
    seeds       runs of each condition, by scale
    metrics     what the figures are, with their units, by the names that runs give them
    claims      what is to be decided
    controls    what is known beforehand, measured by the same probes
    conditions  what is run for each seed
    measure     one run: a condition, a seed and the settings give figures; the same ones always, but for times
    figures     what is plotted
    caveats     what the answer does not say, for the page
    alone       its runs measure time, so that they are done one after the other, however many workers there are
    """

    name: str
    title: str
    question: str
    data: tuple[str, ...]
    seeds: Mapping[Scale, int]
    metrics: Mapping[str, str]
    claims: tuple[Claim, ...]
    controls: tuple[Control, ...]
    conditions: Callable[[Settings], Sequence[Condition]]
    measure: Measure
    figures: tuple[Figure, ...] = ()
    caveats: tuple[str, ...] = ()
    alone: bool = False

    @property
    def file(self) -> Path:
        """The file that defines it."""
        return Path(str(sys.modules[self.measure.__module__].__file__))

    @property
    def sha256(self) -> str:
        return sha256_of(self.file)


def grid(factors: Mapping[str, Iterable[str | int]]) -> list[Condition]:
    """Every combination: {"family": ("v1", "v2"), "depth": (8, 20)} gives four conditions."""
    return [dict(zip(factors, values, strict=True)) for values in product(*factors.values())]
