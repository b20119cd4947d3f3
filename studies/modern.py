"""What came after ResNet v2, under one budget of arithmetic, and what a poor recipe costs beside it.

Zagoruyko & Komodakis 2016 (wide), Hu et al. 2018 (squeeze-and-excitation), Huang et al. 2016 (stochastic depth), Huang
et al. 2017 (dense), Simonyan & Zisserman 2014 (VGG), Szegedy et al. 2014 (Inception). Bello et al. 2021 and Wightman et
al. 2021: recipes change more than most architectures.
"""

from .engine.records import Claim, Condition, Contrast, Measured, Scale, Settings, above, below, within
from .engine.study import Study
from .engine.trials import METRICS, controls, curves, trial, with_controls

SMALL = {
    "v2": "resnet8_v2",
    "wide": "wide_resnet10_2_v2",
    "se": "resnet8_v2+se_ratio=4",
    "stochastic-depth": "resnet8_v2",
}
LARGE = {
    "v2": "resnet20_v2",
    "wide": "wide_resnet10_2_v2",
    "se": "resnet20_v2+se_ratio=4",
    "stochastic-depth": "resnet20_v2",
    "dense": "densenet40_k12_cifar",
    "vgg": "vgg11_bn_cifar",
    "inception": "inception6_bn_cifar",
}
ARCHS: dict[Scale, dict[str, str]] = {"smoke": SMALL, "cpu": LARGE, "gpu": LARGE}
DROPPED = {"stochastic_depth": "0.2"}  # the last branch; the others less
POOR = {  # without what makes the usual one good
    "lr": "0.01",
    "momentum": "0",
    "nesterov": "false",
    "weight_decay": "0",
    "schedule": "constant",
    "warmup": "0",
    "flip": "false",
    "padding": "0",
}
EPOCHS: dict[str, dict[Scale, int]] = {  # of v2; what is larger gets fewer, what is smaller more
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 4, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 3, "gpu": 5}
CHANGES: dict[Scale, dict[str, str]] = {"smoke": {"batch": "32"}, "cpu": {}, "gpu": {}}
REFERENCE: Condition = {"network": "v2", "recipe": "good"}
OTHERS = ("wide", "se", "stochastic-depth", "dense", "vgg", "inception")

CLAIMS = (
    Claim(
        key="recipe-matters",
        hypothesis="With a poor recipe v2 loses at least 5 points.",
        textbook="training matters more than the architecture",
        paper="Bello 2021: recipes change more than most architectures",
        contrast=Contrast(
            metric="accuracy",
            where={"network": "v2", "recipe": "poor", "training": "usual"},
            against={"recipe": "good"},
            region=below(-5),
        ),
    ),
    Claim(
        key="architecture-hardly-matters",
        hypothesis="With as much arithmetic, the other architectures are as good as v2 within 5 points.",
        textbook="training matters more than the architecture",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"network": OTHERS, "recipe": "good", "training": "usual"},
            against={"network": "v2"},
            region=within(5),
        ),
    ),
    Claim(
        key="wide-is-better",
        hypothesis="A wide network with as much arithmetic is better than v2, by at least a point.",
        textbook="better, with more parameters",
        paper="Zagoruyko 2016: 4.00 % of errors with 28 layers ten times as wide",
        contrast=Contrast(
            metric="accuracy",
            where={"network": "wide", "recipe": "good", "training": "usual"},
            against={"network": "v2"},
            region=above(1),
        ),
    ),
    Claim(
        key="stochastic-depth-is-better",
        hypothesis="Stochastic depth makes v2 better by at least half a point.",
        textbook="",
        paper="Huang 2016: 5.25 % of errors instead of 6.41 at 110 layers; slightly worse on ImageNet",
        contrast=Contrast(
            metric="accuracy",
            where={"network": "stochastic-depth", "recipe": "good", "training": "usual"},
            against={"network": "v2"},
            region=above(0.5),
        ),
    ),
)


def conditions(settings: Settings) -> list[Condition]:
    networks: list[Condition] = [{"network": name, "recipe": "good"} for name in ARCHS[settings.scale]]
    return with_controls([*networks, {"network": "v2", "recipe": "poor"}], REFERENCE)


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    archs, name = ARCHS[settings.scale], str(condition["network"])
    changes = CHANGES[settings.scale] | (DROPPED if name == "stochastic-depth" else {})
    changes |= POOR if condition["recipe"] == "poor" else {}
    epochs, training = EPOCHS[settings.data][settings.scale], str(condition["training"])
    found = trial(archs[name], settings, seed, epochs, changes, training=training, budget_of=archs["v2"])
    return found.measured(settings.data)


STUDY = Study(
    name="modern",
    title="What came after",
    question="Do later architectures beat ResNet v2 under one budget, and do they change as much as the recipe does?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls({"network": "v2", "recipe": "good"}),
    conditions=conditions,
    measure=measure,
    figures=curves(("network", "recipe")),
    caveats=(
        "The budget is of multiply-accumulates: a network that needs more for an image sees fewer images.",
        "A few epochs of a small network. Dense and wide ones come into their own with many.",
    ),
)
