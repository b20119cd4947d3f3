"""What in pre-activation matters: the order of norm and activation, and the activation itself. Trained, not guessed."""

from .engine.designs import BASE, EPOCHS, SEEDS, Design, compared, controls, curves
from .engine.records import Claim, Condition, Settings, above, below
from .engine.study import Study, grid
from .engine.trials import METRICS

ORDERS = ("norm-act-conv", "act-norm-conv", "norm-conv")
USUAL: Condition = {"order": "norm-act-conv"}

CLAIMS = (
    Claim(
        key="wrong-order",
        hypothesis="With the activation before the norm a network is worse by at least 2 points.",
        textbook="the wrong order hurts the gradient",
        paper="",
        contrast=compared("accuracy", {"order": "act-norm-conv"}, USUAL, below(-2)),
    ),
    Claim(
        key="no-activation",
        hypothesis="Without activations, so that branches are linear, a network loses less than 3 points.",
        textbook="works, though not optimally",
        paper="",
        contrast=compared("accuracy", {"order": "norm-conv"}, USUAL, above(-3)),
    ),
    Claim(
        key="no-activation-trains-worse",
        hypothesis="Without activations the training images are learnt worse as well, by at least 5 points.",
        textbook="",
        paper="",
        contrast=compared("train", {"order": "norm-conv"}, USUAL, below(-5)),
    ),
)


def arch_of(condition: Condition, settings: Settings) -> str:
    return f"{BASE[settings.scale]}+order={condition['order']}"


DESIGN = Design(networks=lambda settings: grid({"order": ORDERS}), arch=arch_of, epochs=EPOCHS)

STUDY = Study(
    name="ablation",
    title="What in pre-activation matters",
    question="Does the order of norm and activation matter, and do residual branches need an activation?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls(CLAIMS),
    conditions=DESIGN.conditions,
    measure=DESIGN.measure,
    trains=True,
    figures=curves(("order",)),
    caveats=(
        "The textbook compares the gradient's norm of untrained blocks. It says nothing of what they learn: see "
        "`gradient-flow`.",
        "Without activations in the branches, the one before the classifier is the only one in the network.",
    ),
)
