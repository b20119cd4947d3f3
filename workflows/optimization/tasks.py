"""What can be done on any machine, as functions of what can be pickled: exporting, evaluating, fine-tuning.

Machines that work together need the folder of the search and the cache (`RESZOO_CACHE`) in common.
"""

import hashlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...bench.accuracy import Paired, compare_predictions
from ...bench.evaluate import classes_of, evaluate
from ...bench.predictions import Predictions
from ...core.errors import ReszooError
from ...core.files import cache_dir, explained
from ...core.hosts import versions
from ...core.locks import locked
from ...core.measured import LOCAL, Failure
from ...core.progress import silent, uncounted
from ...core.refs import inside
from ...core.types import Artifact, Checkpoint
from ...datasets.info import Split
from .candidates import options_of
from .records import Built, Configuration, Missing, Trained

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 100
LEAST_FREE = 1 << 20  # bytes: an export that failed with less has failed for that


class Judgement(NamedTuple):
    """Some images of a split, answered by a candidate and by its source."""

    paired: Paired
    correct: int
    source_correct: int


def build(checkpoint: Checkpoint, c: Configuration, max_drop: float | None, folder: Path | None) -> Built | Missing:
    """Export it, or take it from the cache. A pruned network that is not trained goes, unproven, to `folder`."""
    from ...export.attempts import attempt
    from ...export.exporting import exported, unproven

    began, options = time.monotonic(), options_of(c)

    def make() -> Artifact:
        if folder is not None:
            return unproven(checkpoint, c.format, out=folder, options=options)
        chosen = options
        if c.kept and max_drop is not None:
            from ..quantization.budget_search import search_within_budget

            chosen = search_within_budget(checkpoint, c.format, options, max_drop).options
        return exported(checkpoint, c.format, chosen)

    outcome = attempt(checkpoint, c.format, options, make)
    seconds = time.monotonic() - began
    if isinstance(outcome, Artifact):
        size, is_trained = outcome.size_bytes, folder is None
        return Built(build=c.build, path=outcome.path, size_bytes=size, is_trained=is_trained, seconds=seconds)
    reason, fix = outcome.reason, outcome.fix
    if isinstance(outcome, Failure):
        check_space()
        return Missing(what=c.build, kind="failed", reason=reason, fix=fix, seconds=seconds)
    return Missing(what=c.build, kind="unavailable", reason=reason, fix=fix, seconds=seconds)


def check_space() -> None:
    """Raises ReszooError where the disk is full: what failed for that may well succeed later, and is no answer."""
    for place in (cache_dir(), Path(tempfile.gettempdir())):
        there = next((folder for folder in (place, *place.parents) if folder.exists()), place)
        if shutil.disk_usage(there).free < LEAST_FREE:
            fix = "Free some space, or choose another disk with RESZOO_CACHE or TMPDIR; then give the same again."
            raise ReszooError(f"no space left on the disk for {place}", fix)


def judge(
    source: Checkpoint,
    artifact: Path,
    runtime: str,
    data: str,
    split: Split,
    positions: "NDArray[np.int64] | None",
    target: str = LOCAL,
) -> Judgement:
    """Let a candidate answer these images of a split; None is all of them."""
    from ...export import artifacts
    from ..evaluating import loaded_there
    from ..predicting import loaded_model

    expected = _expected(source, data, split, positions)
    model = artifacts.read(artifact)
    known = classes_of(model, data, split)
    loaded = loaded_model(model, runtime) if target == LOCAL else loaded_there(model, runtime, target, silent)
    with loaded as (candidate, _, session):
        found = evaluate(session, candidate, data, split, BATCH, uncounted, known, positions)
    return Judgement(compare_predictions(expected, found), found.correct, expected.correct)


def _expected(source: Checkpoint, data: str, split: Split, positions: "NDArray[np.int64] | None") -> Predictions:
    """The source's own answers, in PyTorch; kept in the cache under all that decides them."""
    from ...core.documents import encode
    from ...datasets.info import info
    from ..predicting import loaded_model

    which = b"all" if positions is None else positions.tobytes()
    decisive = (encode(info(data)), split.encode(), which, repr(versions(("reszoo", "torch"))).encode())
    digest = hashlib.sha256(b"".join(decisive)).hexdigest()[:16]
    path = inside(cache_dir() / "answers", f"{source.ref}-{source.sha256[:12]}-{digest}.safetensors")
    with explained(path), locked(path):
        if path.exists():
            try:
                return Predictions.read(path)
            except ReszooError:
                path.unlink()  # damaged: it is made again
        known = classes_of(source, data, split)
        with loaded_model(source, None) as (candidate, _, session):
            found = evaluate(session, candidate, data, split, BATCH, uncounted, known, positions)
        found.write(path)
    return found


def pruned(source: Checkpoint, plan: str, folder: Path) -> Checkpoint:
    """The network without what the plan removes, its weights as they were; made once."""
    from ... import zoo
    from ...models.cost import cost_of
    from ...prune import PruneConfig, prune
    from ...prune.config import FINE

    with locked(folder):
        if folder.exists():
            return zoo.read(folder)
        kind, share = plan.split()
        config = PruneConfig(remove="blocks") if kind == "blocks" else PruneConfig(round_to=FINE)
        limit = float(share) * cost_of(source.spec).macs
        ref = f"{source.ref}-{kind}-macs{share}"
        return prune(source, config, lambda spec: cost_of(spec).macs, limit, folder, ref, what="macs")


class _TooLongError(Exception):
    """Not before its time: the first steps say how long all of them take."""


class _Guard:
    """A watcher of training that ends it where the time left is not enough."""

    STEPS = 20

    def __init__(self, left_s: float | None) -> None:
        self.left_s = left_s

    def began(self, steps: int, done: int) -> None:
        self.steps, self.first, self.at = steps, done + 1, time.monotonic()

    def stepped(self, step: int, loss: float) -> None:
        if step == self.first:
            self.at = time.monotonic()  # what is done once is no measure of all
        if self.left_s is not None and step == self.first + self.STEPS:
            needed = (time.monotonic() - self.at) / self.STEPS * (self.steps - step)
            if needed > self.left_s:
                minutes = f"{needed / 60:.0f} min, and {self.left_s / 60:.0f} are left of the `budget`"
                raise _TooLongError(f"fine-tuning would take about {minutes}")

    def epoch_ended(self, row: object) -> None: ...
    def ended(self) -> None: ...


def train(source: Checkpoint, plan: str, folder: Path, recipe: str, left_s: float | None) -> Trained | Missing:
    """Fine-tune the pruned network with its source as the teacher, if its first steps say that time is enough."""
    from ..training import train as run

    began, what = time.monotonic(), f"{source.ref}/{plan}"
    try:
        made = run(
            data=source.dataset,
            init=pruned(source, plan, folder),
            teacher=source,
            recipe=recipe,
            resume=True,
            out=trained_folder(folder),
            watchers=[_Guard(left_s)],
        )
    except _TooLongError as error:
        fix = "Give a longer `budget`."
        return Missing(what=what, kind="not tried", reason=str(error), fix=fix, seconds=time.monotonic() - began)
    path = made.weights_path.parent
    return Trained(network=source.ref, plan=plan, path=path, seconds=time.monotonic() - began)


def trained_folder(folder: Path) -> Path:
    """Where the pruned network goes after training."""
    return folder.with_name(f"{folder.name}-trained")
