"""Whether deeper plain networks train worse, whether residual ones do not, and what gradients do meanwhile.

He et al. 2015: the degradation is one of the training error, and not of vanishing gradients.
"""

import math
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from .engine.designs import SEEDS, WIDTHS, Design, compared, controls, curves
from .engine.gradients import block_norms, chain_factor, factor_per_layer
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
    above,
    below,
    between,
)
from .engine.study import Study, grid
from .engine.trials import METRICS

if TYPE_CHECKING:
    from torch import nn

    from .engine.networks import Batch
    from .engine.trials import Trial

DEPTHS: dict[Scale, tuple[int, ...]] = {"smoke": (8, 14), "cpu": (8, 20, 56), "gpu": (8, 20, 32, 56, 110)}
EPOCHS: dict[str, dict[Scale, float]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 3, "gpu": 40},
}
RATE = {"lr": "0.1"}  # as in the paper: what is usual for residual networks may be too much for plain ones
IMAGES = 64
SMALLEST, LARGEST = 1e-30, 1e38  # stand for norms of 0, which have no logarithm, and for those that are no numbers
CHAINS = {"decaying-chain": 0.9, "isometric-chain": 1.0}


def _factor(family: str, region: Region) -> Contrast:
    return Contrast(metric="factor", where={"family": family, "training": "usual"}, region=region)


CLAIMS = (
    Claim(
        key="plain-degrades",
        hypothesis="A plain network of 56 layers is worse than one of 20, by at least 2 points.",
        textbook="65 % instead of 75 %",
        paper="He 2015: its test error is higher throughout",
        contrast=compared("accuracy", {"family": "plain", "depth": 56}, {"depth": 20}, below(-2)),
    ),
    Claim(
        key="it-is-the-training",
        hypothesis="It is worse on the training images as well, by at least 2 points: nothing is overfitted.",
        textbook="deeper plain networks train poorly",
        paper="He 2015: the training error is higher too",
        contrast=compared("train", {"family": "plain", "depth": 56}, {"depth": 20}, below(-2)),
    ),
    Claim(
        key="residual-does-not",
        hypothesis="A residual network of 56 layers loses less than 2 points against one of 20.",
        textbook="85 % with 56 layers: deeper gets better",
        paper="He 2015: 93.03 % with 56 layers, 91.25 % with 20, after 164 epochs",
        contrast=compared("accuracy", {"family": "v1", "depth": 56}, {"depth": 20}, above(-2)),
    ),
    Claim(
        key="skips-help",
        hypothesis="A residual network is better than the plain one of its depth, by at least 2 points.",
        textbook="skip connections are the magic",
        paper="He 2015: not at 18 layers of ImageNet (27.9 % errors each), at 34 they are",
        contrast=compared("accuracy", {"family": "v1"}, {"family": "plain"}, above(2)),
    ),
    Claim(
        key="gradients-vanish",
        hypothesis="While plain networks are trained, their gradients shrink from layer to layer.",
        textbook="gradients vanish exponentially with depth: that is the reason",
        paper="He 2015: with batch norm they are healthy",
        contrast=_factor("plain", below(0.98)),
    ),
    Claim(
        key="nine-tenths",
        hypothesis="While plain networks are trained, the norm goes with 0.9 to the power of the depth, always.",
        textbook="norm proportional to 0.9^depth",
        paper="",
        contrast=_factor("plain", between(0.85, 0.95)),
        is_universal=True,
    ),
    Claim(
        key="residual-gradients-are-kept",
        hypothesis="While residual networks are trained, a layer changes the norm by less than a tenth.",
        textbook="skip connections preserve the gradient",
        paper="He 2016: of identities, a part of it comes through as it is",
        contrast=_factor("v1", between(0.9, 1.1)),
    ),
)

CONTROLS = (
    *controls(CLAIMS),
    Control(
        key="decaying-chain",
        kind="positive",
        says="20 linear layers, each of which shrinks every gradient to 0.9",
        contrast=Contrast(metric="factor", where={"control": "decaying-chain"}, region=between(0.899, 0.901)),
    ),
    Control(
        key="isometric-chain",
        kind="negative",
        says="20 linear layers that keep every norm",
        contrast=Contrast(metric="factor", where={"control": "isometric-chain"}, region=between(0.999, 1.001)),
    ),
)


def arch_of(condition: Condition, settings: Settings) -> str:
    return f"resnet{condition['depth']}_{condition['family']}{WIDTHS[settings.scale]}"


DESIGN = Design(
    networks=lambda settings: grid({"family": ("v1", "plain"), "depth": DEPTHS[settings.scale]}),
    arch=arch_of,
    epochs=EPOCHS,
    changes=lambda condition, settings: RATE,
)


def conditions(settings: Settings) -> list[Condition]:
    return [*DESIGN.conditions(settings), *grid({"control": CHAINS})]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    if "control" in condition:
        return Measured(values={"factor": chain_factor(CHAINS[str(condition["control"])], seed)})
    batch = _batch(arch_of(condition, settings), settings, seed)
    return with_gradients(DESIGN.trial(condition, seed, settings, probe=partial(_norms, batch=batch)))


def with_gradients(found: "Trial") -> Measured:
    """The trial's figures and those of the norms that were probed. Where a loss is no number, there are no norms."""
    from msgspec.structs import replace

    known = [norms for norms in found.probed[1:] if any(map(math.isfinite, norms))]
    factors = [factor_per_layer(list(map(_clipped, norms)), layers=2) for norms in known]
    measured = found.measured({"factor": fmean(factors)} if factors else {})
    if len(factors) < len(found.probed) - 1:
        return measured
    last = list(map(_clipped, known[-1]))
    norms = tuple(max(norm / (last[-1] or 1.0), SMALLEST) for norm in last)
    return replace(measured, series=measured.series | {"factors": tuple(factors), "norms": norms})


def _clipped(norm: float) -> float:
    """What is no number any more was too large for one."""
    return norm if norm < LARGEST else LARGEST  # NaN is not below anything


def _batch(arch: str, settings: Settings, seed: int) -> "Batch":
    from ..training.specs import preprocess_for
    from .engine.networks import draw, spec_for

    return draw(settings.data, "train", preprocess_for(settings.data, spec_for(arch, settings.data)), IMAGES, seed)


def _norms(model: "nn.Module", batch: "Batch") -> tuple[float, ...]:
    """Of the gradient with respect to what enters each block, for these training images."""
    device = next(model.parameters()).device
    norms, _ = block_norms(model, batch.images.to(device), batch.labels.to(device))
    return tuple(norms)


STUDY = Study(
    name="degradation",
    title="Degradation",
    question="Do plain networks get worse with depth, do residual ones not, and do gradients vanish while they train?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS
    | {
        "factor": "factor of the gradient's norm per layer, towards the input, mean over the epochs' ends",
        "factors": "factor of the gradient's norm per layer, towards the input",
        "norms": "norm of the loss's gradient with respect to a block's input after training, last block = 1",
    },
    claims=CLAIMS,
    controls=CONTROLS,
    conditions=conditions,
    measure=measure,
    trains=True,
    figures=(
        Figure(
            name="accuracy",
            title="Accuracy with depth",
            y="accuracy",
            x="depth",
            where={"training": "usual"},
            lines=("family",),
            x_title="depth, layers",
        ),
        *curves(("family", "depth")),
        Figure(
            name="factors",
            title="How the gradient changes from layer to layer while a network is trained",
            y="factors",
            x="budget",
            where={"training": "usual"},
            lines=("family", "depth"),
            x_title="share of the training",
        ),
        Figure(
            name="norms",
            title="The gradient's norm by block, after training",
            y="norms",
            x="position",
            where={"training": "usual"},
            lines=("family", "depth"),
            x_title="block, from the input",
            log_y=True,
        ),
    ),
    caveats=(
        "A few epochs: how well a network trains, not what it reaches in the 164 epochs of the paper. On a CPU the "
        "networks have half of its channels.",
        "The textbook's percentages are of another network, with a 7x7 stem and a pool that leave 8x8 pixels.",
        "A gradient's norm that grows or shrinks evenly is no obstacle by itself: see `gradient-flow`.",
    ),
)
