"""Networks whose stages are of different families: v1 in some, v2 in others."""

from .engine.designs import BASE, EPOCHS, SEEDS, Design, compared, controls, curves
from .engine.records import Claim, Condition, Settings, Where, above, within
from .engine.study import Study, grid
from .engine.trials import METRICS

MIXED = ("v1,v1,v2", "v1,v2,v2", "v2,v1,v1", "v2,v2,v1")
PURE_V1, PURE_V2 = "v1,v1,v1", "v2,v2,v2"
OF_BOTH: Where = {"stages": MIXED}

CLAIMS = (
    Claim(
        key="better-than-v2",
        hypothesis="A network of both families is better than v2 alone, by at least 2 points.",
        textbook="worth trying",
        paper="",
        contrast=compared("accuracy", OF_BOTH, {"stages": PURE_V2}, above(2)),
    ),
    Claim(
        key="as-good-as-v2",
        hypothesis="A network of both families is as good as v2 alone, within 3 points.",
        textbook="",
        paper="",
        contrast=compared("accuracy", OF_BOTH, {"stages": PURE_V2}, within(3)),
    ),
    Claim(
        key="as-good-as-v1",
        hypothesis="A network of both families is as good as v1 alone, within 3 points.",
        textbook="",
        paper="",
        contrast=compared("accuracy", OF_BOTH, {"stages": PURE_V1}, within(3)),
    ),
)


def arch_of(condition: Condition, settings: Settings) -> str:
    return f"{BASE[settings.scale]}+families={condition['stages']}"


DESIGN = Design(networks=lambda settings: grid({"stages": (PURE_V2, PURE_V1, *MIXED)}), arch=arch_of, epochs=EPOCHS)

STUDY = Study(
    name="hybrid",
    title="Both families in one network",
    question="Is a network better whose stages are of v1 and v2 than one of either alone?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls(CLAIMS),
    conditions=DESIGN.conditions,
    measure=DESIGN.measure,
    trains=True,
    figures=curves(("stages",)),
    caveats=("A few seeds of a small network for a few epochs: differences of a point cannot be shown.",),
)
