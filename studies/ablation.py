"""What in pre-activation matters: the order of norm and activation, and the activation itself. Trained, not guessed."""

from .engine.records import Claim, Condition, Contrast, Measured, Scale, Settings, above, below
from .engine.study import Study, grid
from .engine.trials import METRICS, controls, curves, trial, with_controls

ORDERS = ("norm-act-conv", "act-norm-conv", "norm-conv")
DEPTHS: dict[Scale, int] = {"smoke": 8, "cpu": 20, "gpu": 56}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 2, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 5, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 3, "gpu": 5}
CHANGES: dict[Scale, dict[str, str]] = {"smoke": {"batch": "32"}, "cpu": {}, "gpu": {}}
REFERENCE: Condition = {"order": "norm-act-conv"}

CLAIMS = (
    Claim(
        key="wrong-order",
        hypothesis="With the activation before the norm a network is worse by at least a point.",
        textbook="the wrong order hurts the gradient",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"order": "act-norm-conv", "training": "usual"},
            against=dict(REFERENCE),
            region=below(-1),
        ),
    ),
    Claim(
        key="no-activation",
        hypothesis="Without activations, so that branches are linear, a network loses less than 3 points.",
        textbook="works, though not optimally",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"order": "norm-conv", "training": "usual"},
            against=dict(REFERENCE),
            region=above(-3),
        ),
    ),
    Claim(
        key="no-activation-trains-worse",
        hypothesis="Without activations the training images are learnt worse as well, by at least 5 points.",
        textbook="",
        paper="",
        contrast=Contrast(
            metric="train",
            where={"order": "norm-conv", "training": "usual"},
            against=dict(REFERENCE),
            region=below(-5),
        ),
    ),
)


def arch_of(order: str, settings: Settings) -> str:
    return f"resnet{DEPTHS[settings.scale]}_v2+order={order}"


def conditions(settings: Settings) -> list[Condition]:
    return with_controls(grid({"order": ORDERS}), REFERENCE)


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    arch, epochs = arch_of(str(condition["order"]), settings), EPOCHS[settings.data][settings.scale]
    changes, training = CHANGES[settings.scale], str(condition["training"])
    return trial(arch, settings, seed, epochs, changes, training=training).measured(settings.data)


STUDY = Study(
    name="ablation",
    title="What in pre-activation matters",
    question="Does the order of norm and activation matter, and do residual branches need an activation?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls({"order": "norm-act-conv"}),
    conditions=conditions,
    measure=measure,
    figures=curves(("order",)),
    caveats=(
        "The textbook compares the gradient's norm of untrained blocks. It says nothing of what they learn: see "
        "`gradient-flow`.",
        "Without activations in the branches, the one before the classifier is the only one in the network.",
    ),
)
