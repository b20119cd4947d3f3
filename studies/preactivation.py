"""Whether residual blocks with the activations in front (v2) train faster or to a better accuracy than those of v1.

He et al. 2016: 6.37 % of errors instead of 6.61 % at 110 layers, 5.46 % instead of 5.93 % at 164; 4.92 % instead of
7.61 % at 1001.
"""

from functools import partial

from .engine.convergence import CONVERGENCE, WITH_CONVERGENCE, measured
from .engine.designs import WIDTHS, Design, compared, controls, curves
from .engine.records import Claim, Condition, Scale, Settings, above, within
from .engine.study import Study, grid

DEPTHS: dict[Scale, tuple[int, ...]] = {"smoke": (8,), "cpu": (20,), "gpu": (20, 56, 110)}
EPOCHS: dict[str, dict[Scale, float]] = {
    "digits": {"smoke": 2, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 4, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 12, "gpu": 15}
V1: Condition = {"family": "v1"}
V2: Condition = {"family": "v2"}

CLAIMS = (
    Claim(
        key="better",
        hypothesis="v2 is better than v1 of the same depth, by at least 2 points.",
        textbook="2 to 3 % better at the same depth",
        paper="He 2016: 0.24 points at 110 layers, 0.47 at 164, 2.7 at 1001",
        contrast=compared("accuracy", V2, V1, above(2)),
    ),
    Claim(
        key="equivalent",
        hypothesis="v1 and v2 of the same depth are equal within a point.",
        textbook="",
        paper="He 2016: so they are up to 164 layers",
        contrast=compared("accuracy", V2, V1, within(1)),
    ),
    Claim(
        key="faster",
        hypothesis="v2 is ahead of v1 on the training images by at least a point, over all epochs.",
        textbook="v2 converges faster",
        paper="He 2016: at 1001 layers its loss falls faster from the beginning",
        contrast=compared(CONVERGENCE, V2, V1, above(1)),
    ),
)


def arch_of(condition: Condition, settings: Settings) -> str:
    return f"resnet{condition['depth']}_{condition['family']}{WIDTHS[settings.scale]}"


DESIGN = Design(
    networks=lambda settings: grid({"family": ("v1", "v2"), "depth": DEPTHS[settings.scale]}),
    arch=arch_of,
    epochs=EPOCHS,
)

STUDY = Study(
    name="preactivation",
    title="Pre-activation",
    question="Do residual networks with pre-activation train faster, or to a better accuracy, than those without?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=WITH_CONVERGENCE,
    claims=CLAIMS,
    controls=controls(CLAIMS),
    conditions=DESIGN.conditions,
    measure=partial(measured, DESIGN),
    trains=True,
    figures=curves(("family", "depth")),
    caveats=(
        "Small networks, on a CPU with half of the paper's channels, and few epochs; its differences are of 110 layers "
        "and more.",
        "Trainings that differ by their seed alone differ by up to a point. Twelve pairs show a difference of two, and "
        "mostly that there is none of one point, but not the 0.24 points of the paper.",
        "The control `reseeded` says what different seeds do: differences as small as that mean nothing.",
    ),
)
