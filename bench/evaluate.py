"""Every prediction of a loaded model on a whole split: what the accuracy is counted from."""

import hashlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import datasets
from ..core.errors import ReszooError, UsageError
from ..core.measured import Accuracy, Among
from ..core.progress import Count
from ..core.types import Artifact, Candidate, Checkpoint
from ..datasets.classes import ClassMap, Given, own_class_map
from ..datasets.info import Split
from ..datasets.loading import check_split
from ..export.feeding import feed
from . import protocol
from .predictions import KEPT, Predictions


class Predictor(Protocol):
    """What gives the logits of a batch that is as the artifact wants it: a `Session`, or a worker."""

    def predict(self, batch: NDArray[Any], /) -> NDArray[Any]: ...


def classes_of(
    model: Checkpoint | Artifact,
    dataset: str,
    split: Split,
    classes: Given | None = None,
    among: Among = "network",
) -> ClassMap:
    """What the model's answers to this split mean. Raises UsageError where its classes are not the data set's."""
    check_split(dataset, split)
    ref = model.ref if isinstance(model, Checkpoint) else model.source_ref
    return datasets.class_map(dataset, model.labels, ref, classes=classes, among=among, own=model.dataset)


def evaluate(
    session: Predictor,
    model: Candidate,
    dataset: str,
    split: Split,
    batch: int,
    count: Count,
    classes: ClassMap | None = None,
    positions: "NDArray[np.int64] | None" = None,
) -> Predictions:
    """Run the split through `session` in batches of `batch` images, or of the nearest number that the model takes.

    One batch of images is held at a time. After each, `count` is told of the images. `classes` is how the model's
    logits are read; None is by the classes' names. `positions` are those of
    the images to run; None is all. Raises ReszooError where the logits are not a finite number for each class: such a
    network is broken, not inaccurate. UsageError where the classes are not the model's.
    """
    if classes is None:
        classes = own_class_map(dataset, model.labels, model.source_ref)
    data = datasets.load(dataset, split).relabelled(classes.names, classes.positions)
    data = data if positions is None else data.subset(positions)
    outputs = list(classes.outputs)
    n, k = len(data), min(KEPT, len(data.classes))
    top5, logits = np.empty((n, k), np.uint16), np.empty((n, k), np.float32)
    fingerprint = hashlib.sha256()
    done = 0
    for images, labels in data.batches(model.preprocess, batch_size(model, batch)):
        fingerprint.update(np.ascontiguousarray(images).data)
        found = predict(session, model, images)
        batch_slice = slice(done, done + len(labels))
        where = f"images {done} to {batch_slice.stop - 1} of {dataset}/{split}"
        _check(found, (len(labels), len(model.labels)), model, where)
        top5[batch_slice], logits[batch_slice] = _best(found[:, outputs], k)
        done = batch_slice.stop
        count(done, n)
    return Predictions(
        dataset=dataset,
        split=split,
        classes=data.classes,
        images_sha256=fingerprint.hexdigest(),
        source_ref=model.source_ref,
        artifact_sha256=model.sha256,
        labels=data.labels.astype(np.uint16),
        top5=top5,
        logits=logits,
    )


def accuracy(session: Predictor, model: Candidate, request: protocol.Evaluate, count: Count) -> Accuracy:
    """Evaluate, and write the predictions where the request says."""
    made = evaluate(session, model, request.dataset, request.split, request.batch, count, request.classes)
    return Accuracy(
        dataset=request.dataset,
        split=request.split,
        n=made.n,
        correct=made.correct,
        among=request.classes.among if request.classes.is_partial else None,
        classes=request.classes_file,
        predictions=made.write(request.predictions),
    )


def batch_size(model: Candidate, wanted: int) -> int:
    """How many images at a time: as many as wanted, or the nearest number that the model takes."""
    least, most = model.input.batch_limits
    return max(least, min(wanted, most or wanted))


def check_batch(artifact: Artifact, batch: int) -> None:
    """Refuse a batch that the model does not take."""
    least, most = artifact.input.batch_limits
    if batch_size(artifact, batch) == batch:
        return
    takes = f"has a fixed batch of {least}" if least == most else f"takes batches of {least} to {most}"
    raise UsageError(
        f"{artifact.path} {takes}", f"Use `batch={batch_size(artifact, batch)}`, or export it again with another."
    )


def predict(session: Predictor, model: Candidate, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The logits of one batch of images, uint8 (n, H, W, C) -> (n, classes).

    A batch smaller than the model takes is filled up, and its logits cut.
    """
    filled = np.resize(images, (batch_size(model, len(images)), *images.shape[1:]))
    logits: NDArray[np.float32] = session.predict(feed(filled, model.input, model.preprocess))[: len(images)]
    return logits


def _check(logits: NDArray[np.float32], shape: tuple[int, int], model: Candidate, where: str) -> None:
    if logits.shape != shape:
        raise ReszooError(
            f"{model.path} gave logits of shape {logits.shape} for {where}, expected {shape}",
            f"Its labels are not those of its files: export {model.source_ref} again.",
        )
    if not np.isfinite(logits).all():
        kind = "NaN" if np.isnan(logits).any() else "infinite"
        raise ReszooError(
            f"{model.path} gave {kind} logits for the batch of {where}",
            f"Export {model.source_ref} again with `precision=fp32`; if that does not help, its weights are broken.",
        )


def _best(logits: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(N, classes) -> the k best classes and their logits, (N, k); a tie goes to the first class, as in argmax."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(logits, order, axis=1)
