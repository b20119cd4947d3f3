"""Where batch norms have to be in a residual block, whether they have to be there, and at which learning rates.

Ioffe & Szegedy 2015 (larger rates), He et al. 2016 (norms in front), De & Smith 2020 (a scalar at 0 can replace them).
"""

from functools import partial

from .engine.convergence import CONVERGENCE, WITH_CONVERGENCE, measured
from .engine.designs import BASE, EPOCHS, Design, compared, controls, curves, failures
from .engine.records import Claim, Condition, Contrast, Scale, Settings, above, below
from .engine.study import Study, grid

PLACES = {
    "before": "+norm_place=before",
    "after": "+norm_place=after",
    "both": "+norm_place=both",
    "none": "+norm=none",
    "skipinit": "+norm=none+skip=skipinit",
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 8, "gpu": 10}
RATES = ("0.1", "0.01", "1")
BEFORE: Condition = {"norms": "before"}

CLAIMS = (
    Claim(
        key="none-is-worse",
        hypothesis="Without norms a network is worse by at least 5 points.",
        textbook="unstable, converges poorly",
        paper="Ioffe 2015: norms allow larger rates; De 2020: they make the branch small",
        contrast=compared("accuracy", {"norms": "none"}, BEFORE, below(-5)),
    ),
    Claim(
        key="none-fails",
        hypothesis="Without norms most trainings come to nothing.",
        textbook="unstable",
        paper="",
        contrast=Contrast(
            metric="failed", where={"norms": "none", "training": "usual"}, region=above(0.5), is_share=True
        ),
    ),
    Claim(
        key="before-is-better",
        hypothesis="Norms before the convolutions are better than after them, by at least 2 points.",
        textbook="pre-activation is optimal",
        paper="He 2016: 6.37 % of errors instead of 6.61 % at 110 layers, with the activations moved as well",
        contrast=compared("accuracy", BEFORE, {"norms": "after"}, above(2)),
    ),
    Claim(
        key="before-is-faster",
        hypothesis="With norms before the convolutions a network is ahead on the training images by 2 points or more, "
        "over all epochs.",
        textbook="the best convergence",
        paper="",
        contrast=compared(CONVERGENCE, BEFORE, {"norms": "after"}, above(2)),
    ),
    Claim(
        key="both-gain-little",
        hypothesis="Norms both before and after the convolutions are better than those before by less than 3 points.",
        textbook="pre-activation is optimal",
        paper="",
        contrast=compared("accuracy", {"norms": "both"}, BEFORE, below(3)),
    ),
    Claim(
        key="skipinit-replaces-them",
        hypothesis="Without norms, and with a scalar on the branch that begins at 0, nothing is lost beyond 3 points.",
        textbook="",
        paper="De 2020: so 1,000 layers can be trained",
        contrast=compared("accuracy", {"norms": "skipinit"}, BEFORE, above(-3)),
    ),
)


def networks(settings: Settings) -> list[Condition]:
    return grid({"norms": PLACES, "rate": RATES[:1] if settings.scale == "smoke" else RATES})


def arch_of(condition: Condition, settings: Settings) -> str:
    return BASE[settings.scale] + PLACES[str(condition["norms"])]


DESIGN = Design(
    networks=networks,
    arch=arch_of,
    epochs=EPOCHS,
    changes=lambda condition, settings: {"lr": str(condition["rate"])},
    controls=("coarse", "reseeded", "diverging"),
)

STUDY = Study(
    name="bn-position",
    title="Where the norms are",
    question="Do residual networks need batch norms, and does it matter where in a block they are?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=WITH_CONVERGENCE,
    claims=CLAIMS,
    controls=(*controls(CLAIMS), *failures()),
    conditions=DESIGN.conditions,
    measure=partial(measured, DESIGN),
    trains=True,
    figures=curves(("norms", "rate")),
    caveats=(
        "A few seeds and epochs: what can be trained at all, not which is the better by a point.",
        "Where both networks of a pair come to nothing, at a rate that is too high for either, it says nothing.",
        "Without norms the weights' initialisation decides, which is He's here. More layers are less forgiving.",
        "Convolutions have no biases here, with norms or without: the textbook's networks without norms have them.",
    ),
)
