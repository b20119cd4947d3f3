"""Why a quantized layer is as far from the float one as it is: its sources of error, switched on one at a time.

A layer errs in three places: its input is rounded and clipped to 8 bits, its weights are rounded, and so is its
output. The likely source is then looked at for its cause (`causes`).
"""

from math import ceil
from typing import Literal

import numpy as np
import onnx

from ..core.types import Record
from .causes import Activation, CandidateCause, Histogram, Reason, Weights
from .contract import Feeds
from .graph import Graph
from .integer import Array, exposed, run_as_written
from .layerwise import FLOAT, Place
from .noise import decibels, energy

# The error is then a tenth as large as the signal; layers of healthy networks have 30 to 50.
LEAST_DB = 20.0
# The most values of a tensor that are looked at; with what is computed of them, they take some 300 MB.
MOST_VALUES = 2**22

Source = Literal["input", "weights", "output"]


class Diagnosis(Record, frozen=True, kw_only=True):
    """A layer and what its own error most likely comes from.

    source_db  its SQNR with one source of error alone
    histogram  of the tensor that `source` reads or writes
    """

    layer: str
    source: Source
    reason: Reason
    what: str
    source_db: dict[Source, float]
    histogram: Histogram


def diagnose(place: Place, floats: onnx.ModelProto, feeds: Feeds) -> Diagnosis:
    """Why the layer errs, on the images that `feeds` gives: all, or where its tensors are large, evenly spread ones."""
    x, before = _tensors(place, floats, feeds)
    after = _rectified(place, before)

    def effect(error: Array) -> float:
        return energy(_rectified(place, before + error) - after)

    candidates: dict[Source, CandidateCause] = {}
    if place.layer:
        weights = Weights(place.layer, place.node, Graph(floats), x, effect)
        candidates["input"] = Activation(
            place.node.input[0], place.layer.input, x, lambda error: effect(weights.product(error))
        )
        candidates["weights"] = weights
    if place.output:
        candidates["output"] = Activation(place.tensor, place.output, after, energy)
    source_db: dict[Source, float] = {
        source: decibels(energy(after), candidate.energy()) for source, candidate in candidates.items()
    }
    source = _likely(source_db)
    cause = candidates[source].cause()
    return Diagnosis(
        layer=place.node.name,
        source=source,
        reason=cause.reason,
        what=cause.what,
        source_db=source_db,
        histogram=cause.histogram,
    )


def _likely(source_db: dict[Source, float]) -> Source:
    """The worst. But activations that are bad alone come before weights, which are small where those are large."""
    activations: dict[Source, float] = {
        source: db for source, db in source_db.items() if source != "weights" and db < LEAST_DB
    }
    candidates = activations or source_db
    return min(candidates, key=lambda source: candidates[source])


def _tensors(place: Place, floats: onnx.ModelProto, feeds: Feeds) -> tuple[Array, Array]:
    """What the layer reads, and what it gives before its ReLU, in the float graph: float32 (N, C, ...).

    Of all images, every n-th is kept, so that no tensor has more than `MOST_VALUES` values (or those of one image).
    """
    read, given = place.node.input[0], place.node.output[0]
    fed = floats.graph.input[0].name
    shown = exposed(floats, dict.fromkeys({read, given} - {fed}, FLOAT))
    images, seen = sum(len(batch) for batch in feeds()), 0
    kept: list[tuple[Array, Array]] = []
    for batch in feeds():
        tensors = {fed: batch} | run_as_written(shown, batch)
        x, y = tensors[read], tensors[given]
        every = ceil(images / max(MOST_VALUES // max(x[0].size, y[0].size), 1))
        chosen = slice(-seen % every, None, every)
        kept.append((x[chosen].copy(), y[chosen].copy()))  # a view would keep the whole batch
        seen += len(batch)
    return np.concatenate([x for x, _ in kept]), np.concatenate([y for _, y in kept])


def _rectified(place: Place, values: Array) -> Array:
    return np.maximum(values, 0) if place.is_rectified else values
