"""Whether deeper plain networks train worse, whether residual ones do not, and what gradients do meanwhile.

He et al. 2015: the degradation is one of the training error, and not of vanishing gradients.
"""

import math
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

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
    Where,
    above,
    below,
    between,
)
from .engine.study import Study, grid
from .engine.trials import METRICS, controls, curves, trial, with_controls

if TYPE_CHECKING:
    from torch import nn

    from .engine.networks import Batch

DEPTHS: dict[Scale, tuple[int, ...]] = {"smoke": (8, 14), "cpu": (8, 20, 32, 56), "gpu": (8, 20, 32, 56, 110)}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 4, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 5}
CHANGES: dict[Scale, dict[str, str]] = {
    "smoke": {"batch": "32"},
    "cpu": {"lr": "0.1"},  # as in the paper: what is usual for residual networks may be too much for plain ones
    "gpu": {"lr": "0.1"},
}
REFERENCE: Condition = {"family": "v1", "depth": 8}
IMAGES = 64
SMALLEST = 1e-30  # stands for a norm of 0 in a figure with a logarithmic axis
CHAINS = {"decaying-chain": 0.9, "isometric-chain": 1.0}


def _of(
    metric: str, region: Region, family: str, depth: int | None = None, against: Condition | None = None
) -> Contrast:
    """Of networks that were trained as usual, at one depth or at all."""
    where: Where = {"family": family, "training": "usual"}
    if depth:
        where["depth"] = depth
    return Contrast(metric=metric, where=where, against=against, region=region)


CLAIMS = (
    Claim(
        key="plain-degrades",
        hypothesis="A plain network of 56 layers is worse than one of 20, by at least a point.",
        textbook="65 % instead of 75 %",
        paper="He 2015: its test error is higher throughout",
        contrast=_of("accuracy", below(-1), "plain", 56, {"depth": 20}),
    ),
    Claim(
        key="it-is-the-training",
        hypothesis="It is worse on the training images as well: nothing is overfitted.",
        textbook="deeper plain networks train poorly",
        paper="He 2015: the training error is higher too",
        contrast=_of("train", below(-1), "plain", 56, {"depth": 20}),
    ),
    Claim(
        key="residual-does-not",
        hypothesis="A residual network of 56 layers loses no point against one of 20.",
        textbook="85 % with 56 layers: deeper gets better",
        paper="He 2015: 93.03 % with 56 layers, 91.25 % with 20, after 164 epochs",
        contrast=_of("accuracy", above(-1), "v1", 56, {"depth": 20}),
    ),
    Claim(
        key="skips-help",
        hypothesis="A residual network is better than the plain one of its depth, by at least a point.",
        textbook="skip connections are the magic",
        paper="He 2015: not at 18 layers of ImageNet (27.9 % errors each), at 34 they are",
        contrast=_of("accuracy", above(1), "v1", against={"family": "plain"}),
    ),
    Claim(
        key="gradients-vanish",
        hypothesis="While plain networks are trained, their gradients shrink from layer to layer.",
        textbook="gradients vanish exponentially with depth: that is the reason",
        paper="He 2015: with batch norm they are healthy",
        contrast=_of("factor", below(0.98), "plain"),
    ),
    Claim(
        key="nine-tenths",
        hypothesis="While plain networks are trained, the norm goes with 0.9 to the power of the depth, always.",
        textbook="norm proportional to 0.9^depth",
        paper="",
        contrast=_of("factor", between(0.85, 0.95), "plain"),
        is_universal=True,
    ),
)

CONTROLS = (
    *controls({"family": "v1", "depth": 8}),
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


def conditions(settings: Settings) -> list[Condition]:
    networks = grid({"family": ("plain", "v1"), "depth": DEPTHS[settings.scale]})
    return [*with_controls(networks, REFERENCE), *grid({"control": CHAINS})]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    from msgspec.structs import replace

    if "control" in condition:
        return Measured(values={"factor": chain_factor(CHAINS[str(condition["control"])], seed)})
    arch = f"resnet{condition['depth']}_{condition['family']}"
    epochs = EPOCHS[settings.data][settings.scale]
    found = trial(
        arch,
        settings,
        seed,
        epochs,
        CHANGES[settings.scale],
        training=str(condition["training"]),
        probe=partial(_norms, batch=_batch(arch, settings, seed)),
    )
    factors = [factor_per_layer(norms, layers=2) for norms in found.probed]
    measured = found.measured(settings.data, {"factor": fmean(factors[1:] or factors)})
    last = found.probed[-1]
    series = {"factors": tuple(factors), "norms": tuple(max(norm / (last[-1] or 1.0), SMALLEST) for norm in last)}
    return replace(measured, series=measured.series | series)


def _batch(arch: str, settings: Settings, seed: int) -> "Batch":
    from ..training.specs import preprocess_for
    from .engine.networks import draw, spec_for

    return draw(settings.data, "train", preprocess_for(settings.data, spec_for(arch, settings.data)), IMAGES, seed)


def _norms(model: "nn.Module", batch: "Batch") -> tuple[float, ...]:
    """Of the gradient with respect to what enters each block, for these training images; 0 for what is no number."""
    device = next(model.parameters()).device
    norms, _ = block_norms(model, batch.images.to(device), batch.labels.to(device))
    return tuple(norm if math.isfinite(norm) else 0.0 for norm in norms)


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
            x="position",
            where={"training": "usual"},
            lines=("family", "depth"),
            x_title="moment: 1 is before training, then the end of each epoch",
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
        "A few epochs: how well a network trains, not what it reaches in the 164 epochs of the paper.",
        "The textbook's percentages are of another network, with a 7x7 stem and a pool that leave 8x8 pixels.",
        "A gradient's norm that grows or shrinks evenly is no obstacle by itself: see `gradient-flow`.",
    ),
)
