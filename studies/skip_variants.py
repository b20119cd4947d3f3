"""Ten other ways to join a block's shortcut and branch, against the identity, at equal cost.

He et al. 2016, figure 2 (scaled, gated and dropped shortcuts), De & Smith 2020 (SkipInit). Srivastava et al. dispute
the gated ones: how their gates are initialised decides. So they are here with biases of 0 and of -6, at which they
begin by carrying the shortcut.
"""

from .engine.designs import BASE, EPOCHS, Design, compared, controls, curves
from .engine.records import Claim, Condition, Contrast, Scale, Settings, above, below
from .engine.study import Study, grid
from .engine.trials import METRICS

SKIPS = {
    "identity": "identity",
    "scale": "scale",
    "gate": "gate",
    "shortcut_gate": "shortcut_gate",
    "dropout": "dropout",
    "gate-6": "gate+gate_bias=-6",
    "shortcut_gate-6": "shortcut_gate+gate_bias=-6",
    "channel_weight": "channel_weight",
    "attention": "attention",
    "dense": "dense",
    "skipinit": "skipinit",
}
OTHERS = tuple(skip for skip in SKIPS if skip != "identity")
OF_THE_PAPER = ("scale", "gate", "shortcut_gate", "dropout")
OPEN_SHORTCUTS = ("gate-6", "shortcut_gate-6")
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 8, "gpu": 8}
IDENTITY: Condition = {"skip": "identity"}

CLAIMS = (
    Claim(
        key="identity-is-near-optimal",
        hypothesis="No other way to join them is better than the identity by 3 points or more.",
        textbook="the identity is near-optimal; weights, attention and a second path improve on it a little",
        paper="He 2016: of all that were tried it is the best",
        contrast=compared("accuracy", {"skip": OTHERS}, IDENTITY, below(3)),
        is_universal=True,
    ),
    Claim(
        key="much-worse",
        hypothesis="Scaled, gated (from a bias of 0) and dropped shortcuts are worse than it by at least 3 points.",
        textbook="",
        paper="He 2016, v1 of 110 layers: 6.61 % of errors; halved 12.35, gated from 0: fails, of the shortcut alone "
        "12.86, dropped: fails",
        contrast=compared("accuracy", {"skip": OF_THE_PAPER}, IDENTITY, below(-3)),
    ),
    Claim(
        key="gates-that-begin-closed",
        hypothesis="Gates from a bias of -6, at which shortcuts begin as identities, lose less than 3 points.",
        textbook="",
        paper="He 2016, v1 of 110 layers: 8.70 % of errors, of the shortcut alone 6.91, instead of 6.61; Srivastava: "
        "the initialisation decides",
        contrast=compared("accuracy", {"skip": OPEN_SHORTCUTS}, IDENTITY, above(-3)),
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


def arch_of(condition: Condition, settings: Settings) -> str:
    return f"{BASE[settings.scale]}+skip={SKIPS[str(condition['skip'])]}"


DESIGN = Design(networks=lambda settings: grid({"skip": SKIPS}), arch=arch_of, epochs=EPOCHS, is_equal=True)

STUDY = Study(
    name="skip-variants",
    title="Ways to join shortcut and branch",
    question="Is the identity the best shortcut, or do gates, weights, attention or a second path improve on it?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls(CLAIMS),
    conditions=DESIGN.conditions,
    measure=DESIGN.measure,
    trains=True,
    figures=curves(("skip",)),
    caveats=(
        "The budget is of multiply-accumulates: a second path costs twice as much, and gets half the steps. Gates and "
        "attention are bound by memory, and take more time for the same budget.",
        "A few seeds of a small network for a few epochs: failures can be shown, differences of a point cannot.",
        "The paper's differences are of v1 networks of 110 layers, through which a factor on the shortcut acts 54 "
        "times; here they are v2.",
    ),
)
