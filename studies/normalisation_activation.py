"""Other norms and other activations in the place of batch norm and ReLU.

Wu & He 2018 (group norm), Ba et al. 2016 (layer norm), Clevert et al. 2016 (ELU), Hendrycks & Gimpel 2016 (GELU).
"""

from .engine.designs import BASE, EPOCHS, SEEDS, Design, compared, controls, curves
from .engine.records import Claim, Condition, Settings, above, below, within
from .engine.study import Study
from .engine.trials import METRICS

NORMS = ("group", "layer", "none")
ACTIVATIONS = ("leaky_relu", "elu", "silu", "gelu", "mish")
SMOOTH = ("elu", "silu", "gelu", "mish")
USUAL: Condition = {"norm": "batch", "activation": "relu"}

CLAIMS = (
    Claim(
        key="other-norms-are-as-good",
        hypothesis="Group and layer norm are as good as batch norm, within 3 points.",
        textbook="",
        paper="Wu 2018: with 32 images a GPU on ImageNet group norm is 0.5 points worse",
        contrast=compared("accuracy", {"norm": ("group", "layer")}, {"norm": "batch"}, within(3)),
    ),
    Claim(
        key="none-is-worse",
        hypothesis="Without norms a network is worse by at least 5 points.",
        textbook="",
        paper="",
        contrast=compared("accuracy", {"norm": "none"}, {"norm": "batch"}, below(-5)),
    ),
    Claim(
        key="smooth-is-better",
        hypothesis="A smooth activation is better than ReLU, by at least 2 points.",
        textbook="",
        paper="Hendrycks 2016: GELU is, in shallow networks",
        contrast=compared("accuracy", {"activation": SMOOTH}, {"activation": "relu"}, above(2)),
    ),
    Claim(
        key="activations-are-equal",
        hypothesis="Which activation a network has changes its accuracy by less than 3 points.",
        textbook="",
        paper="",
        contrast=compared("accuracy", {"activation": ACTIVATIONS}, {"activation": "relu"}, within(3)),
    ),
)


def networks(settings: Settings) -> list[Condition]:
    """One of the two is varied at a time."""
    norms: list[Condition] = [USUAL | {"norm": norm} for norm in NORMS]
    activations: list[Condition] = [USUAL | {"activation": activation} for activation in ACTIVATIONS]
    return [USUAL, *norms, *activations]


def arch_of(condition: Condition, settings: Settings) -> str:
    return BASE[settings.scale] + "".join(f"+{field}={condition[field]}" for field in USUAL)


DESIGN = Design(networks=networks, arch=arch_of, epochs=EPOCHS)

STUDY = Study(
    name="normalisation-activation",
    title="Other norms, other activations",
    question="Does it matter which norm and which activation a residual network has?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls(CLAIMS),
    conditions=DESIGN.conditions,
    measure=DESIGN.measure,
    trains=True,
    figures=curves(("norm", "activation")),
    caveats=(
        "Every network has the recipe that was made for batch norm and ReLU: others may do better with their own.",
        "Batches are of 128 images; what speaks for group norm is that it does not mind small ones.",
        "Convolutions have no biases here, with norms or without.",
    ),
)
