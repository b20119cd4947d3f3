"""Whether residual blocks with the activations in front (v2) train faster or to a better accuracy than those of v1.

He et al. 2016: 6.37 % of errors instead of 6.61 % at 110 layers, 5.46 % instead of 5.93 % at 164; 4.92 % instead of
7.61 % at 1001.
"""

from .engine.records import Claim, Condition, Contrast, Measured, Region, Scale, Settings, above, below, within
from .engine.study import Study, grid
from .engine.trials import METRICS, controls, curves, trial, with_controls

DEPTHS: dict[Scale, tuple[int, ...]] = {"smoke": (8,), "cpu": (8, 20), "gpu": (8, 20, 56, 110)}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 2, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 10, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 15}
CHANGES: dict[Scale, dict[str, str]] = {"smoke": {"batch": "32"}, "cpu": {}, "gpu": {}}
REFERENCE: Condition = {"family": "v1", "depth": 8}


def _v2_less_v1(metric: str, region: Region) -> Contrast:
    """Of the same seed, which has the same images in the same order."""
    return Contrast(metric=metric, where={"family": "v2", "training": "usual"}, against={"family": "v1"}, region=region)


CLAIMS = (
    Claim(
        key="better",
        hypothesis="v2 is better than v1 of the same depth, by at least 2 points.",
        textbook="2 to 3 % better at the same depth",
        paper="He 2016: 0.24 points at 110 layers, 0.47 at 164, 2.7 at 1001",
        contrast=_v2_less_v1("accuracy", above(2)),
    ),
    Claim(
        key="equivalent",
        hypothesis="v1 and v2 of the same depth are equal within half a point.",
        textbook="",
        paper="He 2016: so they are up to 164 layers",
        contrast=_v2_less_v1("accuracy", within(0.5)),
    ),
    Claim(
        key="faster",
        hypothesis="v2 comes to the accuracy that is aimed at a tenth of an epoch before v1, or more.",
        textbook="v2 converges faster",
        paper="He 2016: at 1001 layers its loss falls faster from the beginning",
        contrast=_v2_less_v1("epochs_to", below(-0.1)),
    ),
    Claim(
        key="steadier",
        hypothesis="From one epoch to the next v2's accuracy never falls as far as v1's, by at least a point.",
        textbook="v2 trains more stably",
        paper="",
        contrast=_v2_less_v1("largest_fall", below(-1)),
    ),
)


def conditions(settings: Settings) -> list[Condition]:
    return with_controls(grid({"family": ("v1", "v2"), "depth": DEPTHS[settings.scale]}), REFERENCE)


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    arch, epochs = f"resnet{condition['depth']}_{condition['family']}", EPOCHS[settings.data][settings.scale]
    changes, training = CHANGES[settings.scale], str(condition["training"])
    return trial(arch, settings, seed, epochs, changes, training=training).measured(settings.data)


STUDY = Study(
    name="preactivation",
    title="Pre-activation",
    question="Do residual networks with pre-activation train faster, or to a better accuracy, than those without?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls({"family": "v1", "depth": 8}),
    conditions=conditions,
    measure=measure,
    figures=curves(("family", "depth")),
    caveats=(
        "Small networks and few epochs; the paper's differences are of 110 layers and more.",
        "Trainings that differ by their seed alone differ by some tenths of a point: 5 pairs can show 2 points, and "
        "hardly half a point. `--seeds 15` can.",
        "The control `reseeded` says what different seeds do: differences as small as that mean nothing.",
    ),
)
