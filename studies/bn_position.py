"""Where batch norms have to be in a residual block, whether they have to be there, and at which learning rates.

Ioffe & Szegedy 2015 (larger rates), He et al. 2016 (norms in front), De & Smith 2020 (a scalar at 0 can replace them).
"""

from .engine.records import Claim, Condition, Contrast, Figure, Measured, Region, Scale, Settings, above, below
from .engine.study import Study, grid
from .engine.trials import METRICS, controls, trial, with_controls

PLACES = {
    "none": "+norm=none",
    "after": "+norm_place=after",
    "before": "+norm_place=before",
    "both": "+norm_place=both",
    "skipinit": "+norm=none+skip=skipinit",
}
RATES = ("0.01", "0.1", "1")
DEPTHS: dict[Scale, int] = {"smoke": 8, "cpu": 20, "gpu": 56}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 2, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 3, "gpu": 5}
CHANGES: dict[Scale, dict[str, str]] = {"smoke": {"batch": "32"}, "cpu": {}, "gpu": {}}
REFERENCE: Condition = {"norms": "before", "rate": "0.1"}


def _of(norms: str, metric: str, region: Region, against: str) -> Contrast:
    """At every rate."""
    return Contrast(
        metric=metric, where={"norms": norms, "training": "usual"}, against={"norms": against}, region=region
    )


CLAIMS = (
    Claim(
        key="none-is-worse",
        hypothesis="Without norms a network is worse by at least 5 points.",
        textbook="unstable, converges poorly",
        paper="Ioffe 2015: norms allow larger rates; De 2020: they make the branch small",
        contrast=_of("none", "accuracy", below(-5), against="before"),
    ),
    Claim(
        key="none-diverges",
        hypothesis="Without norms most trainings diverge.",
        textbook="unstable",
        paper="",
        contrast=Contrast(metric="diverged", where={"norms": "none", "training": "usual"}, region=above(0.5)),
    ),
    Claim(
        key="before-is-better",
        hypothesis="Norms before the convolutions are better than after them, by at least a point.",
        textbook="pre-activation is optimal",
        paper="He 2016: 6.37 % of errors instead of 6.61 % at 110 layers, with the activations moved as well",
        contrast=_of("before", "accuracy", above(1), against="after"),
    ),
    Claim(
        key="before-is-faster",
        hypothesis="With norms before the convolutions the accuracy that is aimed at comes a tenth of an epoch sooner.",
        textbook="the best convergence",
        paper="",
        contrast=_of("before", "epochs_to", below(-0.1), against="after"),
    ),
    Claim(
        key="both-is-better",
        hypothesis="Norms before and after are better than before alone, by at least a point.",
        textbook="",
        paper="",
        contrast=_of("both", "accuracy", above(1), against="before"),
    ),
    Claim(
        key="skipinit-replaces-them",
        hypothesis="Without norms, and with a scalar on the branch that begins at 0, nothing is lost beyond 3 points.",
        textbook="",
        paper="De 2020: so 1,000 layers can be trained",
        contrast=_of("skipinit", "accuracy", above(-3), against="before"),
    ),
)


def arch_of(norms: str, settings: Settings) -> str:
    return f"resnet{DEPTHS[settings.scale]}_v2{PLACES[norms]}"


def conditions(settings: Settings) -> list[Condition]:
    rates = ("0.1",) if settings.scale == "smoke" else RATES
    return with_controls(grid({"norms": PLACES, "rate": rates}), REFERENCE)


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    arch, epochs = arch_of(str(condition["norms"]), settings), EPOCHS[settings.data][settings.scale]
    changes = CHANGES[settings.scale] | {"lr": str(condition["rate"])}
    return trial(arch, settings, seed, epochs, changes, training=str(condition["training"])).measured(settings.data)


STUDY = Study(
    name="bn-position",
    title="Where the norms are",
    question="Do residual networks need batch norms, and does it matter where in a block they are?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls({"norms": "before", "rate": "0.1"}),
    conditions=conditions,
    measure=measure,
    figures=(
        *(
            Figure(
                name=name,
                title=title,
                y=name,
                x="position",
                where={"training": "usual", "rate": "0.1"},
                lines=("norms",),
                x_title="epoch",
            )
            for name, title in (("train_curve", "Training at a rate of 0.1"), ("val_curve", "Validation at 0.1"))
        ),
    ),
    caveats=(
        "A few seeds and epochs: what can be trained at all, not which is the better by a point.",
        "Without norms the weights' initialisation decides, which is He's here. More layers are less forgiving.",
    ),
)
