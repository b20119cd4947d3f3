"""What came after ResNet v2, under one budget of arithmetic, and what a poor recipe costs beside it.

Zagoruyko & Komodakis 2016 (wide), Hu et al. 2018 (squeeze-and-excitation), Huang et al. 2016 (stochastic depth), Huang
et al. 2017 (dense), Simonyan & Zisserman 2014 (VGG), Szegedy et al. 2014 (Inception). Bello et al. 2021 and Wightman et
al. 2021: recipes change more than most architectures.
"""

from .engine.designs import SEEDS, Design, compared, controls, curves
from .engine.records import Claim, Condition, Scale, Settings, Where, above, below, within
from .engine.study import Study
from .engine.trials import METRICS

# Of about the same cost, so that all get about as many steps.
ARCHS = {
    "v2": "resnet20_v2",
    "wide": "wide_resnet10_2_v2",
    "se": "resnet20_v2+se_ratio=4",
    "stochastic-depth": "resnet20_v2",
    "dense": "densenet40_k12_cifar+depths=4,4,4",
    "vgg": "vgg11_bn_cifar+widths=32,64,128,256,256+dense=512",
    "inception": "inception6_narrow_bn_cifar",
}
DROPPED = {"stochastic_depth": "0.2"}  # the last branch; the others less
POOR = {  # what many begin with
    "lr": "0.01",
    "momentum": "0.9",
    "nesterov": "false",
    "weight_decay": "1e-4",
    "schedule": "constant",
    "warmup": "0",
    "flip": "false",
    "padding": "0",
}
EPOCHS: dict[str, dict[Scale, float]] = {  # of v2
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 1.5, "gpu": 40},
}
OTHERS = tuple(network for network in ARCHS if network != "v2")
V2: Condition = {"network": "v2"}


def _good(*networks: str) -> Where:
    return {"network": networks, "recipe": "good"}


CLAIMS = (
    Claim(
        key="recipe-matters",
        hypothesis="With a poor recipe v2 loses at least 3 points.",
        textbook="training matters more than the architecture",
        paper="Bello 2021: recipes change more than most architectures",
        contrast=compared("accuracy", {"network": "v2", "recipe": "poor"}, {"recipe": "good"}, below(-3)),
    ),
    Claim(
        key="recipe-matters-more",
        hypothesis="Any other architecture with the good recipe is better than v2 with the poor one, by 2 points.",
        textbook="training matters more than the architecture",
        paper="Bello 2021: recipes change more than most architectures",
        contrast=compared("accuracy", _good(*OTHERS), {"network": "v2", "recipe": "poor"}, above(2)),
    ),
    Claim(
        key="architecture-hardly-matters",
        hypothesis="With as much arithmetic, the other architectures are as good as v2 within 5 points.",
        textbook="training matters more than the architecture",
        paper="",
        contrast=compared("accuracy", _good(*OTHERS), V2, within(5)),
    ),
    Claim(
        key="wide-is-better",
        hypothesis="A wide network with as much arithmetic is better than v2, by at least 2 points.",
        textbook="better, with more parameters",
        paper="Zagoruyko 2016: 4.00 % of errors with 28 layers ten times as wide",
        contrast=compared("accuracy", _good("wide"), V2, above(2)),
    ),
    Claim(
        key="stochastic-depth-is-better",
        hypothesis="Stochastic depth makes v2 better by at least 2 points.",
        textbook="",
        paper="Huang 2016: 5.25 % of errors instead of 6.41 at 110 layers; slightly worse on ImageNet",
        contrast=compared("accuracy", _good("stochastic-depth"), V2, above(2)),
    ),
)


def networks(settings: Settings) -> list[Condition]:
    good: list[Condition] = [{"network": name, "recipe": "good"} for name in ARCHS]
    return [*good, {"network": "v2", "recipe": "poor"}]


def arch_of(condition: Condition, settings: Settings) -> str:
    return ARCHS[str(condition["network"])]


def changes(condition: Condition, settings: Settings) -> dict[str, str]:
    dropped = DROPPED if condition["network"] == "stochastic-depth" else {}
    return dropped | (POOR if condition["recipe"] == "poor" else {})


DESIGN = Design(networks=networks, arch=arch_of, epochs=EPOCHS, changes=changes, is_equal=True)

STUDY = Study(
    name="modern",
    title="What came after",
    question="Do later architectures beat ResNet v2 under one budget, and do they change as much as the recipe does?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=controls(CLAIMS),
    conditions=DESIGN.conditions,
    measure=DESIGN.measure,
    trains=True,
    figures=curves(("network", "recipe")),
    caveats=(
        "The budget is of multiply-accumulates, and every network is about as large as v2 in them. Concatenation and "
        "gates are bound by memory, and take more time for the same budget.",
        "They are small members of families that are made to be large: what is compared is how they are built.",
        "A few epochs. Dense and wide ones, and stochastic depth, come into their own with many, and so does a recipe "
        "with augmentation and weight decay.",
    ),
)
