"""Every prediction of a loaded artifact on a whole split: what the accuracy is counted from."""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .. import datasets
from ..core.errors import ReszooError
from ..core.types import Artifact
from ..datasets.info import Split
from ..export.contract import Session
from ..export.parity import feed
from .predictions import KEPT, Predictions


def evaluate(
    session: Session,
    artifact: Artifact,
    dataset: str,
    split: Split,
    batch: int,
    on_progress: Callable[[int, int], None],
) -> Predictions:
    """Run the split through `session` in batches of `batch` images, or of the artifact's own size where it is fixed.

    One batch of images is held at a time. After each, `on_progress(done, total)` is told. Raises ReszooError where
    the logits are not a finite number for each class: such a network is broken, not inaccurate.
    """
    data = datasets.load(dataset, split)
    fixed = artifact.input.shape[0]
    size = fixed if isinstance(fixed, int) else batch
    n, k = len(data), min(KEPT, len(data.classes))
    top5, logits = np.empty((n, k), np.uint16), np.empty((n, k), np.float32)
    fingerprint = hashlib.sha256()
    done = 0
    for images, labels in data.batches(artifact.preprocess, size):
        fingerprint.update(np.ascontiguousarray(images).data)
        if fixed == size:  # the last batch is filled up, and its logits cut
            images = np.resize(images, (size, *images.shape[1:]))
        found = session.predict(feed(images, artifact.input, artifact.preprocess))[: len(labels)]
        batch_slice = slice(done, done + len(labels))
        where = f"images {done} to {batch_slice.stop - 1} of {dataset}/{split}"
        _check(found, (len(labels), len(data.classes)), artifact, where)
        top5[batch_slice], logits[batch_slice] = _best(found, k)
        done = batch_slice.stop
        on_progress(done, n)
    return Predictions(
        dataset=dataset,
        split=split,
        classes=data.classes,
        images_sha256=fingerprint.hexdigest(),
        source_ref=artifact.source_ref,
        artifact_sha256=artifact.sha256,
        labels=data.labels.astype(np.uint16),
        top5=top5,
        logits=logits,
    )


def _check(logits: NDArray[np.float32], shape: tuple[int, int], artifact: Artifact, where: str) -> None:
    if logits.shape != shape:
        raise ReszooError(
            f"{artifact.path} gave logits of shape {logits.shape} for {where}, expected {shape}",
            f"Measure it on {artifact.dataset}, which it was made for.",
        )
    if not np.isfinite(logits).all():
        kind = "NaN" if np.isnan(logits).any() else "infinite"
        raise ReszooError(
            f"{artifact.path} gave {kind} logits for the batch of {where}",
            f"Export {artifact.source_ref} again with --precision fp32; if that does not help, its weights are broken.",
        )


def _best(logits: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(N, classes) -> the k best classes and their logits, (N, k); a tie goes to the first class, as in argmax."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(logits, order, axis=1)
