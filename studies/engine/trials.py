"""A training as a trial: a network under a recipe, with its curves. One that diverges is a result like any other.

The networks of one seed see the same images in the same order. They are trained on the split `train`. The curves are of
`val`; `test` is read once, after a number of steps that was fixed before, so that nothing is chosen by it.
"""

import copy
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from .recipes import FIXED, recipe_for
from .records import Measured, Scale, Settings

if TYPE_CHECKING:
    from torch import nn

    from ...core.types import ModelSpec
    from ...training import Recipe
    from ...training.progress import Epoch

Probe = Callable[["nn.Module"], tuple[float, ...]]

FLOOR = 15.0  # %: a network that tells ten classes apart no better than this has learnt nothing

METRICS = {
    "accuracy": "accuracy on test, read once after the last step, %",
    "train": "accuracy in the last epoch on the augmented training images, %",
    "val_mean": "accuracy on val, mean over the ends of all epochs, %",
    "failed": "share of trainings that end at no more than 15 % on test",
    "diverged": "share of trainings whose numbers went to infinity",
    "budget": "share of the training",
    "train_curve": "accuracy on the augmented training images, %",
    "val_curve": "accuracy on val, %",
    "loss_curve": "loss on the training images",
}


class Training(NamedTuple):
    """How a trial is trained: as usual, or as a control is.

    changes  fields of the recipe that differ
    seeds    how far the seed is from all of those that are trained as usual
    """

    changes: Mapping[str, str] = {}
    seeds: int = 0


TRAININGS = {
    "usual": Training(),
    "coarse": Training(),  # in batches so many times as large as COARSENESS says
    "reseeded": Training(seeds=1000),
    "diverging": Training(changes={"lr": "1e30", "warmup": "0"}),
}
# Steps of so many times the images, and so fewer: what loses some points, where more steps still give some.
COARSENESS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 2, "cpu": 8, "gpu": 8},
    "cifar10": {"smoke": 2, "cpu": 2, "gpu": 16},
}


class Trial(NamedTuple):
    """What came of one training. The curves have a value an epoch.

    accuracy  on test, %; chance where it diverged
    budget    what share of all steps was taken at each of their places
    images    that it was trained with, repeated ones counted
    probed    what the probe gave before the first step and after each epoch, where there is one
    """

    accuracy: float
    train: tuple[float, ...]
    val: tuple[float, ...]
    loss: tuple[float, ...]
    budget: tuple[float, ...]
    diverged: bool
    images: int
    probed: tuple[tuple[float, ...], ...]

    def measured(self, values: Mapping[str, float] | None = None) -> Measured:
        """The figures of `METRICS`, with more values of the study's own."""
        return Measured(
            values={
                "accuracy": self.accuracy,
                "train": self.train[-1],
                "val_mean": fmean(self.val),
                "failed": float(self.accuracy <= FLOOR),
                "diverged": float(self.diverged),
                **(values or {}),
            },
            series={
                "budget": self.budget,
                "train_curve": self.train,
                "val_curve": self.val,
                "loss_curve": self.loss,
            },
            images=self.images,
        )


def trial(
    arch: str,
    settings: Settings,
    seed: int,
    epochs: float,
    changes: Mapping[str, str] | None = None,
    *,
    training: str = "usual",
    budget_of: str = "",
    probe: Probe | None = None,
    out: Path | None = None,
) -> Trial:
    """Train the named architecture with the data set's recipe.

    Args:
        arch: Its name.
        settings: Data and scale.
        seed: Of the weights and of the order of the images.
        epochs: How many, whatever comes of them.
        changes: Fields of the recipe that differ. What `recipes.FIXED` has stays.
        training: One of `TRAININGS`.
        budget_of: An architecture whose epochs are the budget: what costs more than it gets fewer steps, what costs
            less more; "" is the architecture itself.
        probe: Figures of a copy of the network in training mode, before the first step and after each epoch.
        out: Where the checkpoint is kept, if the training does not diverge; None keeps none.
    """
    from ... import datasets
    from ... import training as trainings
    from ...training.health import DivergedError

    seed += TRAININGS[training].seeds
    recipe = _recipe(settings, changes or {}, training)
    spec = trainings.spec_for(arch, settings.data, recipe)
    usual = trainings.spec_for(budget_of, settings.data, recipe_for(settings.data)) if budget_of else spec
    per_epoch = len(datasets.load(settings.data, "train")) // recipe.batch
    recipe = _within(recipe, epochs * relative_cost(usual, spec), per_epoch, seed)
    model = trainings.initialised(spec, seed)
    device: Literal["cpu", "cuda"] = "cuda" if settings.scale == "gpu" else "cpu"
    seen = _Seen(model, probe)
    accuracy: float | None = None
    with TemporaryDirectory() as folder, suppress(DivergedError):
        kept = out or Path(folder) / "run"
        checkpoint = trainings.fit(model, spec, settings.data, recipe, kept, ref=arch, device=device, watchers=(seen,))
        accuracy = 100 * checkpoint.metrics[0].value
    return seen.trial(accuracy, recipe, per_epoch, spec.num_classes)


def relative_cost(one: "ModelSpec", other: "ModelSpec") -> float:
    """The multiply-accumulates of one network over those of another: how many epochs of the second one of it buys."""
    from ...models.cost import cost_of

    return cost_of(one).macs / cost_of(other).macs


def _recipe(settings: Settings, changes: Mapping[str, str], training: str) -> "Recipe":
    from ...training import override

    recipe = override(recipe_for(settings.data), {**changes, **TRAININGS[training].changes, **FIXED})
    if training != "coarse":
        return recipe
    return override(recipe, {"batch": str(recipe.batch * COARSENESS[settings.data][settings.scale])})


def _within(recipe: "Recipe", epochs: float, per_epoch: int, seed: int) -> "Recipe":
    """The recipe with as many steps as these epochs have, or as it has itself if these are fewer."""
    from ...training import override

    steps = max(round(epochs * per_epoch), 1)
    steps = min(steps, recipe.steps or steps)
    return override(recipe, {"epochs": str(math.ceil(steps / per_epoch)), "steps": str(steps), "seed": str(seed)})


class _Seen:
    """Watches a training: what is known of it outlives its end, whatever that is."""

    def __init__(self, model: "nn.Module", probe: Probe | None) -> None:
        self.model, self.probe = model, probe
        self.rows: list[Epoch] = []
        self.probed: list[tuple[float, ...]] = []
        self.step = 0

    def began(self, steps: int, done: int) -> None:
        self._look()

    def stepped(self, step: int, loss: float) -> None:
        self.step = step

    def epoch_ended(self, row: "Epoch") -> None:
        self.rows.append(row)
        self._look()

    def ended(self) -> None:
        pass

    def _look(self) -> None:
        """At a copy: a forward pass in training mode changes what batch norms remember."""
        if self.probe:
            self.probed.append(self.probe(copy.deepcopy(self.model).train()))

    def trial(self, accuracy: float | None, recipe: "Recipe", per_epoch: int, classes: int) -> Trial:
        """All of it; a training that diverged stays at chance from there on."""
        chance = 100 / classes
        rows = [(100 * row.accuracy, 100 * cast(float, row.val_accuracy), row.loss) for row in self.rows]
        left = recipe.epochs - len(rows)
        train, val, loss = zip(*rows, *[(chance, chance, math.log(classes))] * left, strict=True)
        return Trial(
            accuracy=chance if accuracy is None else accuracy,
            train=train,
            val=val,
            loss=loss,
            budget=tuple(min(epoch * per_epoch / recipe.steps, 1.0) for epoch in range(1, recipe.epochs + 1)),
            diverged=accuracy is None,
            images=self.step * recipe.batch,
            probed=(*self.probed, *self.probed[-1:] * left),
        )
