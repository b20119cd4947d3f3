"""What comes out of a run: the checkpoint folder, with what was asked for, what happened, and the test accuracy."""

from pathlib import Path
from typing import ClassVar

import msgspec
from torch import Tensor

from .. import zoo
from ..core import hosts, migrations
from ..core.documents import read_json, to_builtins, write_json
from ..core.files import check_free, staged_folder
from ..core.hosts import LIBRARIES, versions
from ..core.measured import Accuracy, Host
from ..core.schemas import Schema
from ..core.statistics import proportion_interval
from ..core.types import Checkpoint, Metric, ModelSpec, Positive, Preprocess, ProvenanceStep, Record
from .progress import Epoch
from .recipe import Recipe
from .transfer import Head

DOCUMENT = "training.json"
CURVE = "curve.jsonl"
LICENCE = "MIT"


class Run(Record, frozen=True, kw_only=True):
    """All that decides which weights come out. `parent` is "ref sha256", of the weights.

    `teacher` is "ref sha256 identity" of a checkpoint, with 12 digits, "ref format precision sha256" of an artifact.

    head            what became of the parent's, see `transfer.head_for`; a network without a parent has its own
    dataset_sha256  of what the data set holds; "" where that is not known
    """

    schema: ClassVar[Schema] = migrations.RUN

    ref: str
    spec: ModelSpec
    dataset: str
    preprocess: Preprocess
    recipe: Recipe
    parent: str | None
    head: Head = "own"
    teacher: str | None
    device: str
    threads: Positive
    processes: Positive
    dataset_sha256: str = ""


class Training(Record, frozen=True, kw_only=True):
    """The card of a checkpoint that we trained.

    epoch      whose weights these are
    seconds    of training, validation left out
    accuracy   on test, read once; None for data without a test split
    interval   of the accuracy, with 95 % confidence
    """

    schema: ClassVar[Schema] = migrations.TRAINING

    run: Run
    host: Host
    epoch: Positive
    seconds: float
    accuracy: Accuracy | None
    interval: tuple[float, float] | None


def write(
    out: Path,
    weights: dict[str, Tensor],
    curve: bytes,
    run: Run,
    *,
    labels: tuple[str, ...],
    parent: Checkpoint | None,
    epoch: int,
    seconds: float,
    accuracy: Accuracy | None,
) -> None:
    """Make `out` appear in one rename: weights, checkpoint.json, training.json and curve.jsonl."""
    training = Training(
        run=run,
        host=hosts.describe(),
        epoch=epoch,
        seconds=seconds,
        accuracy=accuracy,
        interval=proportion_interval(accuracy.correct, accuracy.n) if accuracy else None,
    )
    with staged_folder(out) as staging:
        zoo.save(
            staging,
            weights,
            ref=run.ref,
            spec=run.spec,
            preprocess=run.preprocess,
            labels=labels,
            dataset=run.dataset,
            metrics=(_metric(accuracy),) if accuracy else (),
            licence=parent.licence if parent else LICENCE,
            provenance=((*parent.provenance, _step(run, parent.sha256)) if parent else (_step(run, ""),)),
        )
        (staging / CURVE).write_bytes(curve)
        write_json(staging / DOCUMENT, training)
        check_still_free(out)


def check_still_free(out: Path) -> None:
    """Hours after the run was entered, something may have appeared in the place of its result."""
    check_free(out, "Every step is saved: move it away, and run it again with `resume=True`.")


def _metric(accuracy: Accuracy) -> Metric:
    return Metric(
        name="accuracy",
        value=accuracy.value,
        dataset=accuracy.dataset,
        split=accuracy.split,
        origin="measured",
        source="reszoo train",
        n=accuracy.n,
    )


def _step(run: Run, input_sha256: str) -> ProvenanceStep:
    """The recipe's fields and what else decided the weights, by name."""
    fields = to_builtins(run.recipe)
    fields |= {
        name: getattr(run, name) for name in ("dataset", "parent", "head", "teacher", "device", "threads", "processes")
    }
    if run.dataset_sha256:
        fields["dataset_sha256"] = run.dataset_sha256
    config = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in fields.items()
    }
    return ProvenanceStep(name="train", config=config, versions=versions(LIBRARIES), input_sha256=input_sha256)


def describe(folder: Path) -> Training:
    """The card of the checkpoint in a folder."""
    return read_json(folder / DOCUMENT, Training, f"Make {folder} again.")


def val_accuracy(checkpoint: Checkpoint) -> float | None:
    """On all of val, as its run saw the weights that count; None where val was trained on."""
    folder = checkpoint.weights_path.parent
    epoch = describe(folder).epoch
    row = msgspec.json.decode((folder / CURVE).read_bytes().splitlines()[epoch - 1], type=Epoch)
    return row.val_accuracy
