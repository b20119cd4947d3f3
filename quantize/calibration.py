"""What a float graph's tensors hold on the calibration images: ranges, means and histograms.

onnxruntime's own calibrators keep every batch's activations in memory and know no mean squared error; this one
keeps a few numbers a tensor. The images are gone through once, and once more where a method needs histograms.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..core.errors import ReszooError
from ..core.hosts import available_cores
from .contract import Feeds
from .graph import Graph
from .refusals import check_activations

BINS = 4096  # over [-limit, limit], so that zero lies on an edge
DATA_FIX = "Bring in real training images: `datasets.add(NAME, PATH..., replace=True)`."

Batch = dict[str, NDArray[Any]]


@dataclass
class Observation:
    """One tensor. `histogram` is int64 (BINS,) over [-limit, limit]; `mean` is over the images, float64 (C, ...)."""

    lowest: float = np.inf
    highest: float = -np.inf
    images: int = 0
    histogram: NDArray[np.int64] | None = None
    mean: NDArray[np.float64] | None = None

    @property
    def limit(self) -> float:
        return max(abs(self.lowest), abs(self.highest))

    def add(self, values: NDArray[np.float32]) -> None:
        self.lowest = float(np.minimum(self.lowest, values.min()))  # NaN stays, unlike with min
        self.highest = float(np.maximum(self.highest, values.max()))
        self.images += len(values)

    def add_to_mean(self, values: NDArray[np.float32]) -> None:
        """After `add` of the same values, (N, C, ...)."""
        before = np.zeros(values.shape[1:]) if self.mean is None else self.mean
        self.mean = before + (values - before).sum(axis=0, dtype=np.float64) / self.images

    def add_to_histogram(self, values: NDArray[np.float32]) -> None:
        """After `add` of all values."""
        limit = self.limit or 1.0  # all zeros
        counts, _ = np.histogram(values, BINS, range=(-limit, limit))
        self.histogram = counts if self.histogram is None else self.histogram + counts


def observe(
    model: onnx.ModelProto, tensors: Sequence[str], feeds: Feeds, *, histograms: bool, means: Collection[str] = ()
) -> dict[str, Observation]:
    """Run the graph on all feeds and look at `tensors`; keep the means of those in `means`.

    Raises ReszooError for images that tell nothing (none, all equal, or all of one colour) and for values that are
    not finite.
    """
    run = _Runner(model, tensors)
    found = {name: Observation() for name in tensors}
    for batch in run.batches(checked(feeds, input_size(model))):
        for name, values in batch.items():
            found[name].add(values)
            check_activations(name, found[name].lowest, found[name].highest)
            if name in means:
                found[name].add_to_mean(values)
    if histograms:
        for batch in run.batches(feeds()):
            for name, values in batch.items():
                found[name].add_to_histogram(values)
    return found


class _Runner:
    """The graph with the wanted tensors as outputs."""

    def __init__(self, model: onnx.ModelProto, tensors: Sequence[str]) -> None:
        import onnxruntime

        shown = onnx.ModelProto()
        shown.CopyFrom(model)
        self.input = model.graph.input[0].name
        self.tensors = tensors
        self.wanted = [name for name in tensors if name != self.input]
        values = {value.name: value for value in model.graph.value_info}
        known = Graph(model).outputs
        shown.graph.output.extend(values[name] for name in self.wanted if name not in known)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cores()
        options.log_severity_level = 3
        self.session: Any = onnxruntime.InferenceSession(
            shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def batches(self, inputs: Iterator[NDArray[np.generic]]) -> Iterator[Batch]:
        for batch in inputs:
            values = self.session.run(self.wanted, {self.input: batch}) if self.wanted else []
            found: Batch = dict(zip(self.wanted, values, strict=True))
            yield found | ({self.input: batch} if self.input in self.tensors else {})


def input_size(model: onnx.ModelProto) -> list[int]:
    """The shape of one image, as the model takes it."""
    _, *size = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim)
    return size


def checked(feeds: Feeds, size: Sequence[int]) -> Iterator[NDArray[np.generic]]:
    """The batches, and an error if an image is not of `size`, if none differs from the others, or all are blank."""
    first: NDArray[np.generic] | None = None
    images, differ, contrast = 0, False, False
    for batch in feeds():
        if tuple(batch.shape[1:]) != tuple(size):
            found, wanted = ("x".join(map(str, shape)) for shape in (batch.shape[1:], size))
            raise ReszooError(f"the calibration images are {found}, but the network takes {wanted}", DATA_FIX)
        first = batch[0] if first is None else first
        images += len(batch)
        differ = differ or bool((batch != first).any())
        contrast = contrast or bool(np.ptp(batch.reshape(len(batch), -1), axis=1).any())
        yield batch
    if first is None:
        raise ReszooError("there is no calibration image", DATA_FIX)
    if not contrast:
        raise ReszooError(f"all {images} calibration images are blank: every range is zero wide", DATA_FIX)
    if images > 1 and not differ:
        raise ReszooError(
            f"all {images} calibration images are equal: they give the ranges of one image only", DATA_FIX
        )
