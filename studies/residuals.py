"""What the branches of trained residual networks add: how much, how sparse, how heavy-tailed, and in which direction.

He et al. 2015 (responses are small), Greff et al. 2017 and Jastrzebski et al. 2018 (blocks refine what they get).
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from .engine.designs import WIDTHS
from .engine.published import published
from .engine.records import (
    Claim,
    Condition,
    Contrast,
    Control,
    Figure,
    Measured,
    Region,
    Scale,
    Settings,
    Where,
    above,
    below,
    between,
    within,
)
from .engine.study import Study, grid

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..models.residual import Block
    from .engine.networks import Batch

DEPTHS: dict[str, dict[Scale, tuple[int, ...]]] = {
    "digits": {"smoke": (14,), "cpu": (14, 20), "gpu": (14, 20, 56)},
    "cifar10": {"smoke": (14,), "cpu": (14,), "gpu": (20, 56)},
}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 2, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 2, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 10}
RESIDUAL = ("v1", "v2")
IMAGES = 100
FEW = 1e-3  # a share of zeros that is none to speak of

METRICS = {
    "ratio": "|F| / |s|, the branch over the shortcut, mean over the blocks",
    "hump": "|F| / |s| in the middle third of the blocks, less that in the outer thirds",
    "zeros": "share of exact zeros in F, mean over the blocks",
    "formula_zeros": "share of exact zeros in output - input, mean over the blocks, less that in F",
    "kurtosis": "kurtosis of F, 3 for a Gaussian, mean over the blocks",
    "descent": "cosine between F and the loss's descent direction, mean over blocks and images",
    "ratios": "|F| / |s|, the branch over the shortcut",
    "kurtoses": "kurtosis of F, 3 for a Gaussian",
    "descents": "cosine between F and the loss's descent direction",
}

TRAINED: Where = {"part": "trained", "family": RESIDUAL}


def _trained(metric: str, region: Region, where: Where = TRAINED, against: Condition | None = None) -> Contrast:
    return Contrast(metric=metric, where=where, against=against, region=region)


CLAIMS = (
    Claim(
        key="sparse",
        hypothesis="Over a tenth of what a branch gives is exactly 0.",
        textbook="residuals are sparse, with many zeros",
        paper="",
        contrast=_trained("zeros", above(0.1)),
    ),
    Claim(
        key="output-less-input-is-the-residual",
        hypothesis="Output less input has no more zeros than the branch, so that the textbook's formula gives F.",
        textbook="F(x) = output - x",
        paper="He 2015: a ReLU follows the addition, so that it does not",
        contrast=_trained("formula_zeros", within(0.01)),
    ),
    Claim(
        key="v2-is-sparser",
        hypothesis="v2's residuals have more exact zeros than v1's, by at least 5 %.",
        textbook="residuals are sparser in v2",
        paper="",
        contrast=_trained("zeros", above(0.05), {"part": "trained", "family": "v2"}, {"family": "v1"}),
    ),
    Claim(
        key="gaussian",
        hypothesis="What a branch gives is as heavy-tailed as a Gaussian.",
        textbook="residuals are roughly Gaussian",
        paper="",
        contrast=_trained("kurtosis", between(2.5, 3.5)),
    ),
    Claim(
        key="small",
        hypothesis="Residuals have less than half of the norm of what they are added to.",
        textbook="residuals are typically much smaller than inputs and outputs",
        paper="He 2015: responses are generally small",
        contrast=_trained("ratio", below(0.5)),
    ),
    Claim(
        key="small-medium-small",
        hypothesis="Residuals are larger in the middle of the network than at its ends.",
        textbook="early layers small, middle ones medium, late ones small",
        paper="",
        contrast=_trained("hump", above(0.1)),
    ),
    Claim(
        key="published-small",
        hypothesis="In networks that were trained to the end residuals have less than half of that norm.",
        textbook="residuals are typically much smaller than inputs and outputs",
        paper="He 2015: responses are generally small",
        contrast=_trained("ratio", below(0.5), {"part": "published"}),
    ),
    Claim(
        key="refinement",
        hypothesis="Residuals go down the loss's gradient: their cosine with it is at least 0.02.",
        textbook="blocks refine what they get",
        paper="Jastrzebski 2018: they do, above all in the late blocks",
        contrast=_trained("descent", above(0.02)),
    ),
)


def _control(key: str, metric: str, region: Region, positive: bool, says: str) -> Control:
    contrast = Contrast(metric=metric, where={"control": key}, region=region)
    return Control(key=f"{key}-{metric}", kind="positive" if positive else "negative", says=says, contrast=contrast)


CONTROLS = (
    _control("gaussian", "kurtosis", between(2.8, 3.2), False, "Gaussian noise"),
    _control("laplace", "kurtosis", between(5, 7), True, "noise of a double-exponential distribution, which has 6"),
    _control("gaussian", "zeros", below(FEW), False, "Gaussian noise"),
    _control("rectified", "zeros", between(0.45, 0.55), True, "Gaussian noise after a ReLU, half of which is 0"),
    _control("gaussian", "descent", within(0.02), False, "noise that has nothing to do with the gradient"),
    _control("descent", "descent", above(0.99), True, "a step of gradient descent"),
    _control("descent", "ratio", between(0.49, 0.51), True, "a branch of half the shortcut's norm"),
)


class Residual(NamedTuple):
    """What one block adds: its branch F, its shortcut s, and the loss's gradient with respect to their sum.

    `formula` is the block's output less its input, where these have one shape.
    """

    branch: "Tensor"
    shortcut: "Tensor"
    gradient: "Tensor"
    formula: "Tensor | None" = None


def conditions(settings: Settings) -> list[Condition]:
    depths = DEPTHS[settings.data][settings.scale]
    return [
        *grid({"part": ("trained",), "family": RESIDUAL, "depth": depths}),
        *grid({"part": ("published",), "network": published(settings)}),
        *grid({"control": NOISE}),
    ]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    from .engine.networks import draw, loaded, part, train

    if "control" in condition:
        return summary([noise(str(condition["control"]), seed)], images=0)
    if condition["part"] == "published":
        known = loaded(str(condition["network"]))
        batch = part(settings.data, "test", known.preprocess, seed, settings.seeds)
        batch = batch._replace(images=batch.images[:IMAGES], labels=batch.labels[:IMAGES])
    else:
        arch = f"resnet{condition['depth']}_{condition['family']}{WIDTHS[settings.scale]}"
        epochs = EPOCHS[settings.data][settings.scale]
        known = train(arch, settings.data, seed, epochs, on_gpu=settings.scale == "gpu")
        batch = draw(settings.data, "test", known.preprocess, IMAGES, seed)
    return summary(residuals(known.model, batch), images=known.images + len(batch.labels))


def summary(found: "Sequence[Residual]", images: int) -> Measured:
    """The figures of all blocks together, and by block."""
    ratios = [float(each.branch.norm() / each.shortcut.norm()) for each in found]
    kurtoses, descents = [kurtosis(each.branch) for each in found], [descent(each) for each in found]
    equal = [each for each in found if each.formula is not None]
    excess = [zeros(each.formula) - zeros(each.branch) for each in equal if each.formula is not None]
    values = {
        "ratio": fmean(ratios),
        "hump": hump(ratios),
        "zeros": fmean(zeros(each.branch) for each in found),
        "formula_zeros": fmean(excess) if excess else 0.0,
        "kurtosis": fmean(kurtoses),
        "descent": fmean(descents),
    }
    series = {"ratios": tuple(ratios), "kurtoses": tuple(kurtoses), "descents": tuple(descents)}
    return Measured(values=values, series=series, images=images)


def residuals(model: "nn.Module", batch: "Batch") -> list[Residual]:
    """What every block adds for these images, in order, and where the loss would have its sums go."""
    import torch
    from torch.nn import functional as F

    from ..models.probes import blocks_of

    blocks = list(blocks_of(model).values())
    seen: dict[Block, list[Tensor]] = {block: [] for block in blocks}
    with ExitStack() as hooks:
        for block in blocks:
            hooks.callback(block.addition.register_forward_hook(_keeping(seen[block])).remove)
            hooks.callback(block.register_forward_hook(_keeping_formula(seen[block])).remove)
        loss = F.cross_entropy(model(batch.images), batch.labels, reduction="sum")
    gradients = torch.autograd.grad(loss, [kept[2] for kept in seen.values()])
    return [
        Residual(branch.detach(), shortcut.detach(), gradient, *(each.detach() for each in formula))
        for (branch, shortcut, _, *formula), gradient in zip(seen.values(), gradients, strict=True)
    ]


def _keeping(kept: "list[Tensor]") -> "Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]":
    """Keeps branch, shortcut and sum; a copy goes on, since a v1 block's ReLU works in place."""

    def keep(_: "nn.Module", inputs: "tuple[Tensor, ...]", total: "Tensor") -> "Tensor":
        _x, shortcut, branch = inputs
        kept.extend((branch, shortcut, total))
        return total.clone()

    return keep


def _keeping_formula(kept: "list[Tensor]") -> "Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]":
    """Keeps output less input, where they have one shape."""

    def keep(_: "nn.Module", inputs: "tuple[Tensor, ...]", output: "Tensor") -> None:
        if output.shape == inputs[0].shape:
            kept.append(output - inputs[0])

    return keep


def zeros(values: "Tensor") -> float:
    """The share that is exactly 0."""
    return float((values == 0).float().mean())


def kurtosis(values: "Tensor") -> float:
    """The fourth standardised moment; 0 of what does not vary."""
    centred = values.double() - values.double().mean()
    variance = float(centred.square().mean())
    return float((centred**4).mean()) / variance**2 if variance else 0.0


def descent(residual: Residual) -> float:
    """The cosine between the branch and the negative gradient, mean over the images."""
    from torch.nn import functional as F

    return float(F.cosine_similarity(residual.branch.flatten(1), -residual.gradient.flatten(1)).mean())


def hump(values: Sequence[float]) -> float:
    """The mean of the middle third less that of both outer thirds; 0 for fewer than three."""
    third = len(values) // 3
    if not third:
        return 0.0
    return fmean(values[third:-third]) - fmean([*values[:third], *values[-third:]])


def noise(kind: str, seed: int) -> Residual:
    """A residual whose figures are known."""
    import torch

    random = torch.Generator().manual_seed(seed)
    shape = (IMAGES, 16, 16, 16)
    shortcut, gradient = (torch.randn(shape, generator=random) for _ in range(2))
    return Residual(NOISE[kind](shortcut, gradient, random), shortcut, gradient)


def _gaussian(shortcut: "Tensor", gradient: "Tensor", random: "torch.Generator") -> "Tensor":
    import torch

    return torch.randn(shortcut.shape, generator=random)


def _laplace(shortcut: "Tensor", gradient: "Tensor", random: "torch.Generator") -> "Tensor":
    """A Gaussian whose variance is drawn from an exponential distribution."""
    import torch

    exponential = torch.empty(shortcut.shape).exponential_(generator=random)
    return exponential.sqrt() * _gaussian(shortcut, gradient, random)


def _rectified(shortcut: "Tensor", gradient: "Tensor", random: "torch.Generator") -> "Tensor":
    return _gaussian(shortcut, gradient, random).relu()


def _descending(shortcut: "Tensor", gradient: "Tensor", random: "torch.Generator") -> "Tensor":
    step: Tensor = -gradient * (0.5 * shortcut.norm() / gradient.norm())
    return step


NOISE = {"gaussian": _gaussian, "laplace": _laplace, "rectified": _rectified, "descent": _descending}

STUDY = Study(
    name="residuals",
    title="What residual branches add",
    question="How large, how sparse and how heavy-tailed are trained residuals, and do they go down the gradient?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=CONTROLS,
    conditions=conditions,
    measure=measure,
    trains=True,
    figures=(
        *(
            Figure(
                name=name,
                title=title,
                y=name,
                x="position",
                where=TRAINED,
                lines=("family", "depth"),
                x_title="block, from the input",
            )
            for name, title in (
                ("ratios", "How large residuals are"),
                ("kurtoses", "How heavy-tailed residuals are"),
                ("descents", "How far residuals go down the loss's gradient"),
            )
        ),
        Figure(
            name="published",
            title="How large residuals are in networks that were trained to the end",
            y="ratios",
            x="position",
            where={"part": "published"},
            lines=("network",),
            x_title="block, from the input",
        ),
    ),
    caveats=(
        "Networks are in eval mode, as they are deployed: batch norms use what they remember.",
        "Of a published network n counts parts of the test images: the interval is of that network.",
        "The trained networks have 14 layers; on a CPU half of the paper's channels, and they see CIFAR-10 twice.",
    ),
)
