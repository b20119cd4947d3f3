"""What quantizing each layer alone does to the answers: the order in which layers are kept in float."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import datasets
from ...bench.evaluate import batch_size, predict
from ...core.progress import Count, uncounted
from ...core.types import Candidate
from ...datasets.splits import shuffled
from ...export.contract.runtime import Session
from ...export.quantizing import Calibrated
from ...quantize.contract import Layer

IMAGES = 1000
SEED = 0

Load = Callable[[Candidate], Session]
Images = Sequence[NDArray[np.uint8]]


class Damage(NamedTuple):
    """One layer quantized and all others in float, against the float model on the same `n` images.

    kl     Kullback-Leibler divergence of its class probabilities from the float model's, mean over the images, nats
    flips  images whose answer is another one
    """

    layer: Layer
    kl: float
    flips: int
    n: int


def damages(
    model: Calibrated,
    load: Load,
    batch: int,
    count: Count = uncounted,
    *,
    keep_float: Collection[str] = (),
) -> tuple[Damage, ...]:
    """Of every layer that is not in `keep_float`, the greatest first; of equals, the cheaper layer.

    Measured on up to 1000 images of the network's `val` split. `count` is told of the layers.
    """
    images = _sample(model, batch)
    with load(model.floats) as session:
        reference = _log_probabilities(session, model.floats, images)
    names = [layer.name for layer in model.variants.layers]
    layers = [layer for layer in model.variants.layers if layer.name not in keep_float]
    found = []
    for done, layer in enumerate(layers, start=1):
        others = [*keep_float, *(name for name in names if name != layer.name)]
        with model.keeping(others) as alone, load(alone) as session:
            found.append(_compare(layer, reference, _log_probabilities(session, alone, images)))
        count(done, len(layers))
    return tuple(sorted(found, key=lambda damage: (-damage.kl, damage.layer.macs)))


def _sample(model: Calibrated, batch: int) -> Images:
    """Batches of images, decoded once for all layers: 150 MB at 224x224."""
    val = datasets.load(model.checkpoint.dataset, "val")
    drawn = val.subset(shuffled(len(val), SEED)[:IMAGES])
    return [images for images, _ in drawn.batches(model.checkpoint.preprocess, batch_size(model.floats, batch))]


def _log_probabilities(session: Session, model: Candidate, images: Images) -> NDArray[np.float64]:
    """(n, classes)"""
    logits = np.concatenate([predict(session, model, part) for part in images]).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return found


def _compare(layer: Layer, reference: NDArray[np.float64], found: NDArray[np.float64]) -> Damage:
    divergence = (np.exp(reference) * (reference - found)).sum(axis=1)
    flips = reference.argmax(axis=1) != found.argmax(axis=1)
    return Damage(layer, float(divergence.mean()), int(flips.sum()), len(reference))
