"""Other norms and other activations in the place of batch norm and ReLU.

Wu & He 2018 (group norm), Ba et al. 2016 (layer norm), Clevert et al. 2016 (ELU), Hendrycks & Gimpel 2016 (GELU).
"""

from .engine.records import Claim, Condition, Contrast, Measured, Scale, Settings, above, below, within
from .engine.study import Study
from .engine.trials import METRICS, controls, curves, trial, with_controls

NORMS = ("group", "layer", "none")
ACTIVATIONS = ("leaky_relu", "elu", "silu", "gelu", "mish")
DEPTHS: dict[Scale, int] = {"smoke": 8, "cpu": 20, "gpu": 56}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 3, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 3, "gpu": 5}
CHANGES: dict[Scale, dict[str, str]] = {"smoke": {"batch": "32"}, "cpu": {}, "gpu": {}}
REFERENCE: Condition = {"norm": "batch", "activation": "relu"}

CLAIMS = (
    Claim(
        key="other-norms-are-as-good",
        hypothesis="Group and layer norm are as good as batch norm, within 3 points.",
        textbook="",
        paper="Wu 2018: with 32 images a GPU on ImageNet group norm is 0.5 points worse",
        contrast=Contrast(
            metric="accuracy",
            where={"norm": ("group", "layer"), "training": "usual"},
            against={"norm": "batch"},
            region=within(3),
        ),
    ),
    Claim(
        key="none-is-worse",
        hypothesis="Without norms a network is worse by at least 5 points.",
        textbook="",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"norm": "none", "training": "usual"},
            against={"norm": "batch"},
            region=below(-5),
        ),
    ),
    Claim(
        key="smooth-is-better",
        hypothesis="A smooth activation is better than ReLU, by at least a point.",
        textbook="",
        paper="Hendrycks 2016: GELU is, in shallow networks",
        contrast=Contrast(
            metric="accuracy",
            where={"activation": ("elu", "silu", "gelu", "mish"), "training": "usual"},
            against={"activation": "relu"},
            region=above(1),
        ),
    ),
    Claim(
        key="activations-are-equal",
        hypothesis="Which activation a network has changes its accuracy by less than 3 points.",
        textbook="",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"activation": ACTIVATIONS, "training": "usual"},
            against={"activation": "relu"},
            region=within(3),
        ),
    ),
)


def arch_of(condition: Condition, settings: Settings) -> str:
    fields = "".join(f"+{field}={condition[field]}" for field in REFERENCE)
    return f"resnet{DEPTHS[settings.scale]}_v2{fields}"


def conditions(settings: Settings) -> list[Condition]:
    """One of the two is varied at a time."""
    norms: list[Condition] = [REFERENCE | {"norm": norm} for norm in NORMS]
    activations: list[Condition] = [REFERENCE | {"activation": activation} for activation in ACTIVATIONS]
    return with_controls([REFERENCE, *norms, *activations], REFERENCE)


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    arch, epochs = arch_of(condition, settings), EPOCHS[settings.data][settings.scale]
    changes, training = CHANGES[settings.scale], str(condition["training"])
    return trial(arch, settings, seed, epochs, changes, training=training).measured(settings.data)


STUDY = Study(
    name="normalisation-activation",
    title="Other norms, other activations",
    question="Does it matter which norm and which activation a residual network has?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls({"norm": "batch", "activation": "relu"}),
    conditions=conditions,
    measure=measure,
    figures=curves(("norm", "activation")),
    caveats=(
        "Every network has the recipe that was made for batch norm and ReLU: others may do better with their own.",
        "Batches are of 128 images; what speaks for group norm is that it does not mind small ones.",
    ),
)
