"""What can be done on any machine, as functions of what can be pickled: exporting, evaluating, fine-tuning.

Machines that work together need the folder of the search and the cache (`RESZOO_CACHE`) in common.
"""

import hashlib
import math
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...bench.accuracy import Paired, compare_predictions
from ...bench.evaluate import classes_of, evaluate
from ...bench.predictions import Predictions
from ...bench.target import Target
from ...core.errors import ReszooError
from ...core.files import cache_dir, explained
from ...core.hosts import versions
from ...core.locks import locked
from ...core.measured import Failure
from ...core.progress import uncounted
from ...core.refs import inside
from ...core.types import Artifact, Checkpoint
from ...datasets.info import Split, info
from .candidates import options_of
from .records import CONTROL, Built, Configuration, Missing, Trained

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...training import Recipe

BATCH = 100
MOST_VIEWS = 40  # of an image, of which a teacher's answers are kept: 36 MB of CIFAR-10
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
    reference: Checkpoint,
    artifact: Path,
    runtime: str,
    data: str,
    split: Split,
    positions: "NDArray[np.int64] | None",
    place: Target | None = None,
) -> Judgement:
    """Let a candidate and its reference answer these images of a split; None is all of them.

    `place` is where the candidate runs, if not in this process.
    """
    from ...export import artifacts
    from ..evaluating import loaded_at
    from ..predicting import loaded_model

    expected = answers(reference, data, split, positions)
    model = artifacts.read(artifact)
    known = classes_of(model, data, split)
    loaded = loaded_at(place, model, runtime) if place else loaded_model(model, runtime)
    with loaded as (candidate, _, session):
        found = evaluate(session, candidate, data, split, BATCH, uncounted, known, positions)
    return Judgement(compare_predictions(expected, found), found.correct, expected.correct)


def answers(source: Checkpoint, data: str, split: Split, positions: "NDArray[np.int64] | None" = None) -> Predictions:
    """Its own answers to these images, or all, in PyTorch; kept in the cache under all that decides them."""
    from ...core.documents import encode
    from ...datasets.info import info
    from ..predicting import loaded_model

    which = b"all" if positions is None else positions.tobytes()
    decisive = (encode(info(data)), split.encode(), which, repr(versions(("reszoo", "torch"))).encode())
    digest = hashlib.sha256(b"".join(decisive)).hexdigest()[:16]
    path = inside(cache_dir() / "answers", f"{source.ref}-{source.identity[:12]}-{digest}.safetensors")
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


class TooLongError(Exception):
    """The first steps say how long all of them take."""

    def __init__(self, needs_s: float, left_s: float) -> None:
        minutes = f"{needs_s / 60:.0f} min, and {left_s / 60:.0f} are left of the `budget`"
        super().__init__(f"fine-tuning would take about {minutes}")
        self.needs_s = needs_s


class Guard:
    """A watcher of training that ends it where the time left is not enough.

    Before an epoch that shows a new view, the teacher answers to all images, or its answers are read: so an epoch's
    first step tells nothing of the others, and each view takes the time of the first one.
    """

    STEPS = 20

    def __init__(self, left_s: float | None, per_epoch: int, views: int) -> None:
        self.left_s, self.per_epoch, self.views = left_s, per_epoch, views

    def began(self, steps: int, done: int) -> None:
        self.steps, self.first, self.at = steps, done + 1, time.monotonic()

    def stepped(self, step: int, loss: float) -> None:
        if step == self.first:
            self.view_s, self.at = time.monotonic() - self.at, time.monotonic()
        if self.left_s is not None and step == self.first + self.STEPS:
            step_s = (time.monotonic() - self.at) / self.STEPS
            views = max(min(self.views, self._epochs(self.steps)) - self._epochs(step), 0)
            needs_s = step_s * (self.steps - step) + self.view_s * views
            if needs_s > self.left_s:
                raise TooLongError(needs_s, self.left_s)

    def _epochs(self, steps: int) -> int:
        """That have begun after so many steps."""
        return math.ceil(steps / self.per_epoch)

    def epoch_ended(self, row: object) -> None: ...
    def ended(self) -> None: ...


def train(source: Checkpoint, plan: str, folder: Path, recipe: str, left_s: float | None) -> Trained | Missing:
    """Fine-tune the pruned network, or the whole one, with its source as the teacher, if the time is enough for it.

    The first steps say how long all of them take. What the source answers is kept in the cache, where it can be, for
    the other networks that it teaches.
    """
    from ...training import load, tidy
    from ...training.health import DivergedError
    from ..training import train as run

    began, what, path = time.monotonic(), f"{source.ref}/{plan}", trained_folder(folder)
    if path.exists():  # whoever trained it was killed before saying so
        tidy(path)
        return Trained(network=source.ref, plan=plan, path=path)
    chosen = load(recipe)
    views = chosen.teacher_views or views_for(chosen, source.dataset)
    try:
        run(
            data=source.dataset,
            init=pruned(source, plan, folder) if plan != CONTROL else source,
            teacher=source,
            recipe=chosen,
            changes={"train_on": "train", "teacher_views": views},  # val judges it
            resume=True,
            out=path,
            watchers=[Guard(left_s, info(source.dataset).counts["train"] // chosen.batch, views)],
        )
    except TooLongError as error:
        return Missing(
            what=what,
            kind="not tried",
            reason=str(error),
            fix="Give a longer `budget`.",
            needs_s=error.needs_s,
            seconds=time.monotonic() - began,
        )
    except DivergedError as error:
        reason, seconds = error.problem, time.monotonic() - began
        return Missing(what=what, kind="failed", reason=reason, fix=error.fix, seconds=seconds)
    return Trained(network=source.ref, plan=plan, path=path, seconds=time.monotonic() - began)


def views_for(recipe: "Recipe", data: str) -> int:
    """Of each image one for each epoch, so that all networks with one teacher are shown the same ones.

    0 where no answers can be kept: the teacher answers in every step.
    """
    if info(data).image is None or recipe.mixup or recipe.cutmix:
        return 0
    return min(recipe.epochs + recipe.epochs % 2, MOST_VIEWS)  # to mirror in turn takes an even number


def trained_folder(folder: Path) -> Path:
    """Where the pruned network goes after training."""
    return folder.with_name(f"{folder.name}-trained")
