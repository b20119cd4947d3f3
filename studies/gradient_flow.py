"""How gradients flow through plain and residual networks at initialisation, and what a norm can tell of it.

Norms: He et al. 2015 (healthy in plain networks with batch norm), Yang et al. 2019 (which explode). Correlations of
neighbouring inputs' gradients: Balduzzi et al. 2017.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from .engine.gradients import block_norms, chain_factor, factor_per_layer
from .engine.records import (
    Claim,
    Condition,
    Contrast,
    Control,
    Figure,
    Measured,
    Scale,
    Settings,
    above,
    below,
    between,
    within,
)
from .engine.study import Study, grid

if TYPE_CHECKING:
    from torch import Tensor, nn

DEPTHS: dict[Scale, tuple[int, ...]] = {"smoke": (8, 20), "cpu": (8, 20, 56, 110), "gpu": (8, 20, 56, 110, 1001)}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 10, "gpu": 10}
IMAGES = 16
NEIGHBOUR = 0.02  # how much of the way to another image a neighbour is
HEALTHY = 0.001  # the textbook's limit for the gradient's norm
OTHER_UNIT = 1e-9  # a loss in other units
NOTHING = 1e-300  # stands for a norm of exactly 0, which has no logarithm

METRICS = {
    "factor": "factor of the gradient's norm per layer, towards the input",
    "spread": "log10 of the gradient's norm at the first block over the last",
    "unevenness": "decades between the gradient's norms at the first and the last block, either way",
    "correlation": "cosine between the gradients of neighbouring inputs",
    "margin": "decades of the norm above 0.001, loss = sum of outputs",
    "margin_other_unit": "decades of the norm above 0.001, the same loss in units a billion times as large",
    "margin_empty": "decades of the norm above 0.001, every block's branch giving 0",
    "norms": "norm of the gradient of the loss with respect to a block's input, last block = 1",
}

CLAIMS = (
    Claim(
        key="plain-vanishes",
        hypothesis="Gradients of plain networks with batch norm shrink from layer to layer.",
        textbook="they vanish exponentially; that is why deep plain networks fail",
        paper="He 2015: norms are healthy, vanishing is unlikely the cause; Yang 2019: they explode",
        contrast=Contrast(metric="factor", where={"family": "plain", "norm": "batch"}, region=below(0.98)),
    ),
    Claim(
        key="plain-vanishes-without-norms",
        hypothesis="Gradients of plain networks without batch norm shrink from layer to layer.",
        textbook="they vanish exponentially",
        paper="He 2015b: the initialisation decides; his keeps them",
        contrast=Contrast(metric="factor", where={"family": "plain", "norm": "none"}, region=below(0.98)),
    ),
    Claim(
        key="nine-tenths",
        hypothesis="In plain networks the norm goes with 0.9 to the power of the depth, whatever else is varied.",
        textbook="norm proportional to 0.9^depth",
        paper="",
        contrast=Contrast(metric="factor", where={"family": "plain"}, region=between(0.85, 0.95)),
        is_universal=True,
    ),
    Claim(
        key="v1-decays",
        hypothesis="Gradients of post-activation (v1) networks decay with depth.",
        textbook="exponential decay",
        paper="He 2016: the activation after the addition lies in the way",
        contrast=Contrast(metric="factor", where={"family": "v1", "norm": "batch"}, region=below(0.98)),
    ),
    Claim(
        key="v2-is-flat",
        hypothesis="Gradients of pre-activation (v2) networks have one norm in all blocks, within a factor of two.",
        textbook="a flat line; the ratio is about constant",
        paper="He 2016: the signal can be passed directly from any block to any other",
        contrast=Contrast(metric="spread", where={"family": "v2", "norm": "batch"}, region=within(math.log10(2))),
    ),
    Claim(
        key="v2-is-flatter",
        hypothesis="v2's gradients vary less from block to block than v1's.",
        textbook="pre-activation preserves them better",
        paper="",
        contrast=Contrast(
            metric="unevenness", where={"family": "v1", "norm": "batch"}, against={"family": "v2"}, region=above(0.1)
        ),
    ),
    Claim(
        key="skips-keep-correlation",
        hypothesis="Gradients of neighbouring inputs are more alike in residual networks than in plain ones.",
        textbook="",
        paper="Balduzzi 2017: the correlation decays exponentially with depth in plain networks, slowly with skips",
        contrast=Contrast(
            metric="correlation",
            where={"family": "v2", "norm": "batch"},
            against={"family": "plain"},
            region=above(0.05),
        ),
    ),
    Claim(
        key="healthy-sees-explosions",
        hypothesis="A norm above 0.001 tells sound networks from plain ones with batch norm, whose gradients explode.",
        textbook="a norm above 0.001 is healthy",
        paper="",
        contrast=Contrast(metric="margin", where={"family": "plain", "norm": "batch"}, region=below(0)),
        is_universal=True,
    ),
    Claim(
        key="healthy-sees-empty-networks",
        hypothesis="A norm above 0.001 tells sound networks from those whose blocks compute nothing.",
        textbook="a norm above 0.001 is healthy",
        paper="",
        contrast=Contrast(metric="margin_empty", where={"family": "v2", "norm": "batch"}, region=below(0)),
        is_universal=True,
    ),
    Claim(
        key="healthy-in-any-unit",
        hypothesis="Whether the norm is above 0.001 does not depend on the unit of the loss.",
        textbook="a norm above 0.001 is healthy",
        paper="",
        contrast=Contrast(metric="margin_other_unit", where={"family": "v2", "norm": "batch"}, region=above(0)),
        is_universal=True,
    ),
)

CONTROLS = (
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
    Control(
        key="linear",
        kind="positive",
        says="a linear network, whose gradient is the same everywhere",
        contrast=Contrast(metric="correlation", where={"control": "linear"}, region=above(0.999)),
    ),
    Control(
        key="unrelated",
        kind="negative",
        says="the same images in two networks of different seeds",
        contrast=Contrast(metric="correlation", where={"control": "unrelated"}, region=within(0.3)),
    ),
)


def conditions(settings: Settings) -> list[Condition]:
    networks: Mapping[str, Sequence[str | int]] = {
        "family": ("plain", "v1", "v2"),
        "norm": ("batch", "none"),
        "init": ("he", "default"),
        "depth": DEPTHS[settings.scale],
    }
    return [*grid(networks), *grid({"control": [control.key for control in CONTROLS]})]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    if "control" in condition:
        return _measure_control(str(condition["control"]), seed, settings)
    model, images, labels = _network(condition, seed, settings)
    norms, layers = block_norms(model, images, labels)
    spread, scale = _log10(norms[0]) - _log10(norms[-1]), norms[-1] or 1.0
    return Measured(
        values={
            "factor": factor_per_layer(norms, layers),
            "spread": spread,
            "unevenness": abs(spread),
            "correlation": correlation(gradients(model, images), gradients(model, neighbours(images))),
            "margin": sum_margin(model, images[:1]),
            "margin_other_unit": sum_margin(model, images[:1], OTHER_UNIT),
            "margin_empty": _empty_margin(model, images[:1]),
        },
        series={"norms": tuple(max(norm / scale, NOTHING) for norm in norms)},
        images=3 * len(images) + 3,
    )


def correlation(one: "Tensor", other: "Tensor") -> float:
    """The mean over the images of the cosine between two gradients of each; 0 where there is none."""
    from torch.nn import functional as F

    return float(F.cosine_similarity(one.flatten(1), other.flatten(1)).mean())


def gradients(model: "nn.Module", images: "Tensor") -> "Tensor":
    """Of one fixed mixture of the outputs, with respect to each image."""
    import torch

    x = images.clone().requires_grad_()
    outputs = model(x)
    mixture = torch.randn(outputs.shape[1], generator=torch.Generator().manual_seed(0)).to(outputs)
    return torch.autograd.grad((outputs @ mixture).sum(), x)[0]


def neighbours(images: "Tensor") -> "Tensor":
    """Each image with a little of the next one."""
    return images.lerp(images.roll(1, 0), NEIGHBOUR)


def sum_margin(model: "nn.Module", images: "Tensor", unit: float = 1.0) -> float:
    """The textbook's own test: how many decades the norm at the input is above 0.001, of the sum of the outputs."""
    import torch

    x = images.clone().requires_grad_()
    gradient = torch.autograd.grad((unit * model(x)).sum(), x)[0]
    return _log10(float(gradient.norm()) / HEALTHY)


def _empty_margin(model: "nn.Module", images: "Tensor") -> float:
    from contextlib import ExitStack

    from ..models.probes import blocks_of, edited_branch

    with ExitStack() as edits:
        for block in blocks_of(model).values():
            edits.enter_context(edited_branch(block, lambda h: 0 * h))
        return sum_margin(model, images)


def _network(condition: Condition, seed: int, settings: Settings) -> "tuple[nn.Module, Tensor, Tensor]":
    """In double precision, where 0.39^110 is still a number, and in training mode, where norms use the batch."""
    import torch
    from msgspec.structs import replace

    from ..training import initialised
    from ..training.specs import preprocess_for
    from .engine.networks import draw, spec_for

    spec = replace(spec_for(f"resnet{condition['depth']}_{condition['family']}", settings.data), norm=condition["norm"])
    model = initialised(spec, seed)
    if condition["init"] == "default":
        _initialise_as_pytorch(model, seed)
    batch = draw(settings.data, "train", preprocess_for(settings.data, spec), IMAGES, seed)
    device = torch.device("cuda" if settings.scale == "gpu" else "cpu")
    return model.double().to(device), batch.images.double().to(device), batch.labels.to(device)


def _initialise_as_pytorch(model: "nn.Module", seed: int) -> None:
    """Every convolution as PyTorch makes it when nothing is said: variance 1 / (3 fan-in)."""
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()


def _measure_control(name: str, seed: int, settings: Settings) -> Measured:
    """What has a known answer, by the same functions."""
    if name in ("decaying-chain", "isometric-chain"):
        return Measured(values={"factor": chain_factor(0.9 if name == "decaying-chain" else 1.0, seed)})
    plain: Condition = {"family": "plain", "norm": "none", "init": "he", "depth": 8}
    model, images, _ = _network(plain, seed, settings)
    if name == "linear":
        model = _linear(images, seed)
        found = correlation(gradients(model, images), gradients(model, neighbours(images)))
    else:
        other, _, _ = _network(plain, settings.seeds + seed, settings)
        found = correlation(gradients(model, images), gradients(other, images))
    return Measured(values={"correlation": found}, images=2 * len(images))


def _linear(images: "Tensor", seed: int) -> "nn.Module":
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        features = 8 * images[0, 0].numel()
        layers = (nn.Conv2d(images.shape[1], 8, 3, padding=1), nn.Flatten(), nn.Linear(features, 10))
        return nn.Sequential(*layers).to(images)


def _log10(value: float) -> float:
    return math.log10(max(value, NOTHING))


by_depth = partial(Figure, x="depth", x_title="depth, layers", log_x=True)

STUDY = Study(
    name="gradient-flow",
    title="Gradients at initialisation",
    question="Do gradients vanish in deep plain networks, and what do skip connections change, before any training?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=CONTROLS,
    conditions=conditions,
    measure=measure,
    figures=(
        by_depth(
            name="factor",
            title="The gradient's norm, per layer",
            y="factor",
            where={"init": "he"},
            lines=("family", "norm"),
        ),
        by_depth(
            name="spread",
            title="The gradient's norm, first block over last",
            y="spread",
            where={"init": "he"},
            lines=("family", "norm"),
        ),
        by_depth(
            name="correlation",
            title="How alike the gradients of neighbouring inputs are",
            y="correlation",
            where={"norm": "batch"},
            lines=("family", "init"),
        ),
        Figure(
            name="norms",
            title="The gradient's norm by block, 20 layers",
            y="norms",
            x="position",
            where={"depth": 20, "init": "he"},
            lines=("family", "norm"),
            x_title="block, from the input",
            log_y=True,
        ),
    ),
    caveats=(
        "Everything is measured before training; the norms after a few steps are others.",
        "On digits, of 8x8 pixels, the zeros around an image are a large part of what a convolution sees. They shrink "
        "what goes through a network without norms; on cifar10 they do so less.",
        "That a norm changes from block to block does not say that a network cannot be trained: optimizers with "
        "momentum and norms in the network take much of a constant factor.",
    ),
)
