"""Trainings as trials: a network under a recipe, with its curves. One that diverges is a result like any other.

The networks of one seed see the same images in the same order. They are trained on the split `train`. The curves are of
`val`; `test` is read once, after a number of epochs that was fixed before, so that nothing is chosen by it.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple

from .records import Condition, Contrast, Control, Figure, Measured, Settings, Where, below, within

if TYPE_CHECKING:
    from torch import nn

    from ...training import Recipe
    from ...training.progress import Epoch

Probe = Callable[["nn.Module"], tuple[float, ...]]

TARGETS = {"digits": 80.0, "cifar10": 60.0}  # accuracy on val, %, whose epoch says how fast a network is trained
SHORT = 10  # the control `short` has so much less training
OTHER_SEEDS = 1000  # how far those of the control `reseeded` are from all others
MARGIN = 5.0  # points by which the mean of a few small trainings may differ from that of a few others

METRICS = {
    "accuracy": "accuracy on test, read once after the last epoch, %",
    "train": "accuracy in the last epoch on the augmented training images, %",
    "val_mean": "accuracy on val, mean over the epochs, %",
    "epochs_to": "epochs to 60 % on val (80 % on digits), one more than there are where it stays below",
    "largest_fall": "largest fall of the accuracy on val from one epoch to the next, points",
    "diverged": "share of trainings whose numbers went to infinity",
    "train_curve": "accuracy on the augmented training images, %",
    "val_curve": "accuracy on val, %",
    "loss_curve": "loss on the training images",
}


class Trial(NamedTuple):
    """What came of one training. The curves have a value an epoch.

    accuracy  on test, %; chance where it diverged
    images    that it was trained with, repeated ones counted
    probed    what the probe gave before the first step and after each epoch, where there is one
    """

    accuracy: float
    train: tuple[float, ...]
    val: tuple[float, ...]
    loss: tuple[float, ...]
    diverged: bool
    images: int
    probed: tuple[tuple[float, ...], ...]

    def measured(self, data: str, values: Mapping[str, float] | None = None) -> Measured:
        """The figures of `METRICS`, with more values of the study's own."""
        return Measured(
            values={
                "accuracy": self.accuracy,
                "train": self.train[-1],
                "val_mean": fmean(self.val),
                "epochs_to": epochs_to(TARGETS[data], self.val),
                "largest_fall": max(before - after for before, after in pairwise((self.val[0], *self.val))),
                "diverged": float(self.diverged),
                **(values or {}),
            },
            series={"train_curve": self.train, "val_curve": self.val, "loss_curve": self.loss},
            images=self.images,
        )


def trial(
    arch: str,
    settings: Settings,
    seed: int,
    epochs: int,
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
        changes: Fields of the recipe that differ.
        training: `usual`, or that of a control: `short`, a tenth of the steps, or `reseeded`, other seeds.
        budget_of: An architecture whose epochs are the budget: what costs more than it gets fewer steps, what costs
            less more; "" is the architecture itself.
        probe: Figures of a copy of the network in training mode, before the first step and after each epoch.
        out: Where the checkpoint is kept, if the training does not diverge; None keeps none.
    """
    from ... import datasets
    from ... import training as trainings
    from ...models.cost import cost_of
    from ...training.health import DivergedError
    from .networks import recipe_for, spec_for

    seed += OTHER_SEEDS if training == "reseeded" else 0
    spec = spec_for(arch, settings.data)
    usual = spec_for(budget_of, settings.data) if budget_of else spec
    affordable = epochs * cost_of(usual).macs / cost_of(spec).macs  # epochs
    fields = {"epochs": str(math.ceil(affordable)), "seed": str(seed), "threads": "1", "train_on": "train"}
    recipe = trainings.override(recipe_for(settings.data), fields | dict(changes or {}))
    steps = round(affordable * (len(datasets.load(settings.data, "train")) // recipe.batch))
    steps = min(steps, recipe.steps or steps) // (SHORT if training == "short" else 1)
    recipe = trainings.override(recipe, {"steps": str(max(steps, 1))})
    model = trainings.initialised(spec, seed)
    device: Literal["cpu", "cuda"] = "cuda" if settings.scale == "gpu" else "cpu"
    seen = _Seen(model, probe)
    accuracy: float | None = None
    with TemporaryDirectory() as folder, suppress(DivergedError):
        checkpoint = trainings.fit(
            model,
            spec,
            settings.data,
            recipe,
            out or f"{folder}/run",
            ref=arch,
            device=device,
            watchers=(seen,),
        )
        accuracy = 100 * checkpoint.metrics[0].value
    return seen.trial(accuracy, recipe, spec.num_classes)


def epochs_to(target: float, curve: Sequence[float]) -> float:
    """Where the curve first reaches the target, between two epochs as if it rose evenly."""
    for epoch, (before, after) in enumerate(pairwise((0.0, *curve))):
        if after >= target:
            return epoch + (target - before) / (after - before)
    return len(curve) + 1.0


def with_controls(networks: Sequence[Condition], reference: Condition) -> list[Condition]:
    """All of these trained as usual, and the reference, which is one of them, as the controls are."""
    controls = [reference | {"training": training} for training in ("short", "reseeded")]
    return [*({**network, "training": "usual"} for network in networks), *controls]


def controls(reference: Where) -> tuple[Control, Control]:
    """Of every study that compares trainings: a difference that is there is seen, and none where there is none."""

    def against_usual(training: str) -> Where:
        return {**reference, "training": training}

    return (
        Control(
            key="short",
            kind="positive",
            says="a network with a tenth of its training is worse",
            contrast=Contrast(
                metric="accuracy", where=against_usual("short"), against={"training": "usual"}, region=below(-2)
            ),
        ),
        Control(
            key="reseeded",
            kind="negative",
            says="networks of other seeds, trained in the same way, are as good",
            contrast=Contrast(
                metric="accuracy",
                where=against_usual("reseeded"),
                against={"training": "usual"},
                region=within(MARGIN),
            ),
        ),
    )


def curves(lines: tuple[str, ...], where: Where | None = None) -> tuple[Figure, ...]:
    """Training and validation curves, a line for each combination of these."""
    titles = {"train_curve": "Training accuracy", "val_curve": "Validation accuracy"}
    return tuple(
        Figure(
            name=name.replace("_", "-"),
            title=title,
            y=name,
            x="position",
            where={"training": "usual", **(where or {})},
            lines=lines,
            x_title="epoch",
        )
        for name, title in titles.items()
    )


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

    def trial(self, accuracy: float | None, recipe: "Recipe", classes: int) -> Trial:
        """All of it; a training that diverged stays at chance from there on, a short one as it was."""
        chance = 100 / classes
        rows = [(100 * row.accuracy, 100 * (row.val_accuracy or 0.0), row.loss) for row in self.rows]
        last = rows[-1] if rows and accuracy is not None else (chance, chance, math.log(classes))
        left = recipe.epochs - len(rows)
        train, val, loss = zip(*rows, *[last] * left, strict=True)
        return Trial(
            accuracy=chance if accuracy is None else accuracy,
            train=train,
            val=val,
            loss=loss,
            diverged=accuracy is None,
            images=self.step * recipe.batch,
            probed=(*self.probed, *self.probed[-1:] * left),
        )
