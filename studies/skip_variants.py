"""Eight other ways to join a block's shortcut and branch, against the identity, at equal cost.

He et al. 2016, figure 2 (scaled, gated and dropped shortcuts), De & Smith 2020 (SkipInit). Srivastava et al. dispute
the gated ones: how their gates are initialised decides.
"""

from .engine.records import Claim, Condition, Contrast, Measured, Region, Scale, Settings, above, below
from .engine.study import Study, grid
from .engine.trials import METRICS, controls, curves, trial, with_controls

OF_THE_PAPER = ("scale", "gate", "shortcut_gate", "dropout")
OF_THE_TEXTBOOK = ("channel_weight", "attention", "dense")
OTHERS = (*OF_THE_PAPER, *OF_THE_TEXTBOOK, "skipinit")
DEPTHS: dict[Scale, int] = {"smoke": 8, "cpu": 20, "gpu": 56}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 5, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 3, "gpu": 5}
CHANGES: dict[Scale, dict[str, str]] = {"smoke": {"batch": "32"}, "cpu": {}, "gpu": {}}
REFERENCE: Condition = {"skip": "identity"}


def _less_identity(metric: str, skips: tuple[str, ...], region: Region) -> Contrast:
    return Contrast(metric=metric, where={"skip": skips, "training": "usual"}, against=dict(REFERENCE), region=region)


CLAIMS = (
    Claim(
        key="identity-is-near-optimal",
        hypothesis="No other way to join them is better than the identity by a point or more.",
        textbook="the identity is near-optimal",
        paper="He 2016: of all that were tried it is the best",
        contrast=_less_identity("accuracy", OTHERS, below(1)),
        is_universal=True,
    ),
    Claim(
        key="slightly-better",
        hypothesis="Weights for the channels, attention and a second path are better than the identity.",
        textbook="each of them improves a little",
        paper="",
        contrast=_less_identity("accuracy", OF_THE_TEXTBOOK, above(0)),
    ),
    Claim(
        key="much-worse",
        hypothesis="Scaled, gated and dropped shortcuts are worse than the identity by at least 3 points.",
        textbook="",
        paper="He 2016, 110 layers: 6.61 % of errors; scaled 12.35, gated 8.70, shortcut gated 6.91, dropped: fails",
        contrast=_less_identity("accuracy", OF_THE_PAPER, below(-3)),
    ),
    Claim(
        key="all-can-be-trained",
        hypothesis="Whatever joins them, the network learns: its accuracy is above 30 %, always.",
        textbook="all variants can be trained",
        paper="He 2016: some fail at 110 layers",
        contrast=Contrast(metric="accuracy", where={"skip": OTHERS, "training": "usual"}, region=above(30)),
        is_universal=True,
    ),
)


def arch_of(skip: str, settings: Settings) -> str:
    return f"resnet{DEPTHS[settings.scale]}_v2+skip={skip}"


def conditions(settings: Settings) -> list[Condition]:
    return with_controls(grid({"skip": ("identity", *OTHERS)}), REFERENCE)


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    epochs, training = EPOCHS[settings.data][settings.scale], str(condition["training"])
    arch, identity = (arch_of(skip, settings) for skip in (str(condition["skip"]), "identity"))
    found = trial(arch, settings, seed, epochs, CHANGES[settings.scale], training=training, budget_of=identity)
    return found.measured(settings.data)


STUDY = Study(
    name="skip-variants",
    title="Ways to join shortcut and branch",
    question="Is the identity the best shortcut, or do gates, weights, attention or a second path improve on it?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls({"skip": "identity"}),
    conditions=conditions,
    measure=measure,
    figures=curves(("skip",)),
    caveats=(
        "The budget is of multiply-accumulates: a second path costs twice as much, and gets half the steps.",
        "A few seeds of a small network for a few epochs: failures can be shown, differences of a point hardly.",
        "The paper's differences are of 110 layers, through which a factor on the shortcut acts 54 times.",
    ),
)
