"""Networks whose stages are of different families: v1 in some, v2 in others."""

from .engine.records import Claim, Condition, Contrast, Measured, Scale, Settings, above, within
from .engine.study import Study, grid
from .engine.trials import METRICS, controls, curves, trial, with_controls

MIXED = ("v1,v1,v2", "v1,v2,v2", "v2,v1,v1", "v2,v2,v1")
PURE_V1, PURE_V2 = "v1,v1,v1", "v2,v2,v2"
DEPTHS: dict[Scale, int] = {"smoke": 8, "cpu": 20, "gpu": 56}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 4, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 3, "gpu": 5}
CHANGES: dict[Scale, dict[str, str]] = {"smoke": {"batch": "32"}, "cpu": {}, "gpu": {}}
REFERENCE: Condition = {"stages": PURE_V2}

CLAIMS = (
    Claim(
        key="better-than-v2",
        hypothesis="A network of both families is better than v2 alone, by at least a point.",
        textbook="worth trying",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"stages": MIXED, "training": "usual"},
            against={"stages": PURE_V2},
            region=above(1),
        ),
    ),
    Claim(
        key="as-good-as-v2",
        hypothesis="A network of both families is as good as v2 alone, within 3 points.",
        textbook="",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"stages": MIXED, "training": "usual"},
            against={"stages": PURE_V2},
            region=within(3),
        ),
    ),
    Claim(
        key="as-good-as-v1",
        hypothesis="A network of both families is as good as v1 alone, within 3 points.",
        textbook="",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"stages": MIXED, "training": "usual"},
            against={"stages": PURE_V1},
            region=within(3),
        ),
    ),
)


def arch_of(stages: str, settings: Settings) -> str:
    return f"resnet{DEPTHS[settings.scale]}_v2+families={stages}"


def conditions(settings: Settings) -> list[Condition]:
    return with_controls(grid({"stages": (PURE_V1, *MIXED, PURE_V2)}), REFERENCE)


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    arch, epochs = arch_of(str(condition["stages"]), settings), EPOCHS[settings.data][settings.scale]
    changes, training = CHANGES[settings.scale], str(condition["training"])
    return trial(arch, settings, seed, epochs, changes, training=training).measured(settings.data)


STUDY = Study(
    name="hybrid",
    title="Both families in one network",
    question="Is a network better whose stages are of v1 and v2 than one of either alone?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls({"stages": PURE_V2}),
    conditions=conditions,
    measure=measure,
    figures=curves(("stages",)),
    caveats=("A few seeds of a small network for a few epochs: differences of a point can hardly be shown.",),
)
