"""`evaluate`: top-1 accuracy on a whole split, without any timing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..core.measured import LOCAL
from ..core.progress import Progress, silent
from ..core.statistics import Interval, proportion_interval
from ..core.types import Artifact, Checkpoint

if TYPE_CHECKING:
    from ..bench.client import Worker
    from ..bench.predictions import Predictions
    from ..core.measured import Among
    from ..datasets.classes import ClassMap, Given
    from ..datasets.info import Split

BATCH = 100


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Every answer of a model to a split, and the accuracy that follows from them.

    Attributes:
        predictions: The true classes and the five best answers to each image.
        runtime: What ran the model.
        classes: Which of the network's outputs each class of the data set is.
    """

    predictions: "Predictions"
    runtime: str
    classes: "ClassMap"

    @property
    def n(self) -> int:
        """How many images there were."""
        return self.predictions.n

    @property
    def correct(self) -> int:
        """How many of them were classified rightly."""
        return self.predictions.correct

    @property
    def among(self) -> "Among | None":
        """What an answer was chosen among, where the network knows more classes than the data set has; else None."""
        return self.classes.among if self.classes.is_partial else None

    @property
    def accuracy(self) -> float:
        """Top-1, a fraction from 0 to 1."""
        return self.correct / self.n

    @property
    def interval(self) -> Interval:
        """The accuracy's 95 % interval (Wilson 1927)."""
        return proportion_interval(self.correct, self.n)

    def __repr__(self) -> str:
        p, (low, high) = self.predictions, self.interval
        share = f"{100 * self.accuracy:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
        classes = f", {self.classes}" if self.classes.is_partial else ""
        return f"Evaluation({p.source_ref} on {p.dataset}/{p.split}: {share}, n = {self.n}, {self.runtime}{classes})"


def evaluate(
    model: Checkpoint | Artifact,
    data: str | None = None,
    *,
    split: "Split" = "test",
    classes: "Given | None" = None,
    among: "Among" = "network",
    runtime: str | None = None,
    target: str = LOCAL,
    progress: Progress = silent,
) -> Evaluation:
    """Count how many images of a split the model classifies rightly.

    Args:
        model: A checkpoint, which runs in PyTorch unless `runtime` says otherwise, or an artifact.
        data: The name of a data set of the model's classes, or of some of them, in any order; None is the one that it
            was trained on. Classes are found by their WordNet ids, else by their names.
        split: test, val, train or trainval.
        classes: Says instead which class of the data set is which of the model's: a CSV file of two columns, or a
            mapping, from the data set's class to the model's name of it, its number from 0 or its WordNet id.
        among: Where the model knows more classes than the data set has: "network" takes the best of all that it knows
            for its answer, "data" the best of those that the data set has.
        runtime: The engine; None is the first that runs the model there.
        target: The machine: "local", or a board, as "ssh://pi@board", which is sent the images.
        progress: Is told of the images that are done.

    Returns:
        The accuracy, its interval, and every single prediction.

    Raises:
        UsageError: The data set has a class that the model does not know or no such split, or the runtime does not
            run the model.
        UnavailableError: The data set is not on this machine, the runtime not on the target, or that cannot be reached.
        ReszooError: The model gave something other than finite logits, or the line to the target was lost.
    """
    from ..bench.evaluate import classes_of
    from ..bench.evaluate import evaluate as run
    from .predicting import loaded_model

    name = data or model.dataset
    known = classes_of(model, name, split, classes, among)
    loaded = loaded_model(model, runtime) if target == LOCAL else loaded_there(model, runtime, target, progress)
    with loaded as (candidate, engine, session):
        found = run(session, candidate, name, split, BATCH, partial(progress, "evaluating"), known)
    return Evaluation(found, engine, known)


@contextmanager
def loaded_there(
    model: Checkpoint | Artifact, runtime: str | None, target: str, progress: Progress
) -> "Iterator[tuple[Artifact, str, Worker]]":
    """The model in a worker of the target; how fast that is does not matter."""
    from ..bench import protocol
    from ..bench.client import PATIENCE_S
    from ..bench.harness import load_request
    from ..bench.target import parse_target
    from .benchmarking import chosen, own_batch, scenario_of

    with parse_target(target) as place:
        common = scenario_of("cpu", place.host().cores, own_batch(model), 1, 0, False)
        item = chosen(model, runtime, common, False, None, place, progress)
        with place.worker(item.artifact, item.scenario, patience_s=PATIENCE_S) as worker:
            worker.ask(load_request(worker, place.host()), protocol.Loaded)
            yield item.artifact, item.scenario.runtime_name, worker
