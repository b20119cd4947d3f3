"""What depth costs, up to 1001 layers, whether such networks take training steps, and whether deeper is better.

He et al. 2015 (bottlenecks; 1202 layers are worse than 110), He et al. 2016 (1001 layers in both families).
"""

import copy
import math
import time
from typing import TYPE_CHECKING

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
from .engine.trials import METRICS, controls, trial, with_controls

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .engine.networks import Batch

KINDS = {"basic": "v1", "bottleneck": "v1", "imagenet": "v1_cifar", "bottleneck-v2": "v2"}
ALL: dict[str, tuple[int, ...]] = {
    "basic": (20, 32, 44, 56, 110),
    "bottleneck": (29, 164, 1001),
    "imagenet": (50, 101, 152),
    "bottleneck-v2": (164, 1001),
}
STEPPED: dict[Scale, dict[str, tuple[int, ...]]] = {
    "smoke": {"basic": (20, 56), "bottleneck": (29,)},
    "cpu": ALL,
    "gpu": ALL,
}
IMAGENET = (50, 101, 152)  # with the ImageNet networks' widths, which are too large for a CPU to train
DEPTHS: dict[Scale, tuple[int, ...]] = {"smoke": (11,), "cpu": (11, 29, 47), "gpu": (11, 29, 47, 164, *IMAGENET)}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 4, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 5}
CHANGES: dict[Scale, dict[str, str]] = {"smoke": {"batch": "32"}, "cpu": {}, "gpu": {}}
REFERENCE: Condition = {"part": "accuracy", "depth": 11}
STEPS: dict[Scale, int] = {"smoke": 5, "cpu": 10, "gpu": 50}
IMAGES = 8
RATES = (0.01, 0.001, 0.0001)  # the deepest networks need a small one at first, as in a warm-up
MOMENTUM = 0.9
MEGA = 1e6
FALL = -0.05  # of the loss, which is one to speak of
INFINITE = 10.0  # stands for the change of a loss that is no number any more
LAYERS, WIDTH = 10, 1000  # of a control whose memory is known: each layer keeps its input

CLAIMS = (
    Claim(
        key="any-depth-learns",
        hypothesis="A residual network of any depth lowers its loss in a few steps, at one of three rates, always.",
        textbook="skip connections allow any depth; v1 fails at 152 and 1001 layers",
        paper="He 2016: v1 with 1001 layers comes to 7.61 % of errors, v2 to 4.92 %",
        contrast=Contrast(metric="loss_change", where={"part": "steps"}, region=below(FALL)),
        is_universal=True,
    ),
    Claim(
        key="bottlenecks-need-less-memory",
        hypothesis="Nine bottlenecks keep less for the backward pass than nine basic blocks of the same widths.",
        textbook="bottlenecks reduce memory and computation",
        paper="He 2015: they have a similar complexity",
        contrast=Contrast(
            metric="kept_mb",
            where={"part": "steps", "kind": "bottleneck", "layers": 29},
            against={"kind": "basic", "layers": 20},
            region=below(0),
        ),
    ),
    Claim(
        key="deeper-is-better",
        hypothesis="More bottlenecks are better than one a stage, always.",
        textbook="accuracy improves with depth",
        paper="He 2015: up to 110 layers; 1202 are worse",
        contrast=Contrast(
            metric="accuracy",
            where={"part": "accuracy", "depth": (29, 47, 164), "training": "usual"},
            against={"depth": 11},
            region=above(0),
        ),
        is_universal=True,
    ),
    Claim(
        key="50-101-152",
        hypothesis="With the widths of ImageNet's networks, 101 and 152 layers are better than 50, always.",
        textbook="80, 82 and 83 %",
        paper="",
        contrast=Contrast(
            metric="accuracy",
            where={"part": "accuracy", "depth": (101, 152), "training": "usual"},
            against={"depth": 50},
            region=above(0),
        ),
        is_universal=True,
    ),
)


CONTROLS = (
    *controls({"part": "accuracy", "depth": 11}),
    Control(
        key="linear",
        kind="positive",
        says="a linear classifier, whose loss falls with any small step",
        contrast=Contrast(metric="loss_change", where={"control": "linear"}, region=below(FALL)),
    ),
    Control(
        key="no-step",
        kind="negative",
        says="20 layers that are trained with a rate of 0",
        contrast=Contrast(metric="loss_change", where={"control": "no-step"}, region=within(1e-6)),
    ),
    Control(
        key="known-memory",
        kind="positive",
        says="ten linear layers, which keep ten inputs of 1,000 values: 0.04 MB",
        contrast=Contrast(metric="kept_mb", where={"control": "known-memory"}, region=between(0.0399, 0.0401)),
    ),
    Control(
        key="frozen",
        kind="negative",
        says="20 layers that learn nothing, and so have no backward pass",
        contrast=Contrast(metric="kept_mb", where={"control": "frozen"}, region=within(1e-9)),
    ),
)


def conditions(settings: Settings) -> list[Condition]:
    trained = grid({"part": ("accuracy",), "depth": DEPTHS[settings.scale]})
    stepped = STEPPED[settings.scale].items()
    return [
        *with_controls(trained, REFERENCE),
        *(each for kind, layers in stepped for each in grid({"part": ("steps",), "kind": (kind,), "layers": layers})),
        *grid({"control": ("linear", "no-step", "known-memory", "frozen")}),
    ]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    if "control" in condition:
        return _measure_control(str(condition["control"]), seed, settings)
    if condition["part"] == "steps":
        return _measure_steps(f"resnet{condition['layers']}_{KINDS[str(condition['kind'])]}", seed, settings)
    arch = f"resnet{condition['depth']}_v1" + ("_cifar" if condition["depth"] in IMAGENET else "")
    epochs, training = EPOCHS[settings.data][settings.scale], str(condition["training"])
    found = trial(arch, settings, seed, epochs, CHANGES[settings.scale], training=training)
    return found.measured(settings.data, _costs(arch, settings))


def _measure_steps(arch: str, seed: int, settings: Settings) -> Measured:
    model, batch = _network(arch, seed, settings)
    number = STEPS[settings.scale]
    kept = kept_mb(model, batch)
    found = [steps(copy.deepcopy(model), batch, number, rate) for rate in RATES]
    change, seconds = (min(each) for each in zip(*found, strict=True))
    values = {"loss_change": change, "kept_mb": kept, "step_ms": 1000 * seconds / IMAGES}
    return Measured(values=values | _costs(arch, settings), images=(len(RATES) * (number + 1) + 1) * IMAGES)


def _measure_control(name: str, seed: int, settings: Settings) -> Measured:
    """What has a known answer, by the same functions."""
    import torch
    from torch import nn

    model, batch = _network("resnet20_v1", seed, settings)
    if name == "linear":
        flat = batch.images.flatten(1)
        batch = batch._replace(images=8 * flat / flat.shape[1] ** 0.5)
        model = nn.Linear(flat.shape[1], 10).to(flat)
    elif name == "known-memory":
        batch = batch._replace(images=torch.ones(IMAGES, WIDTH), labels=batch.labels.cpu())
        model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
    if name in ("linear", "no-step"):
        number = STEPS[settings.scale]
        change, _ = steps(model, batch, number, RATES[0] if name == "linear" else 0.0)
        return Measured(values={"loss_change": change}, images=(number + 1) * IMAGES)
    return Measured(values={"kept_mb": kept_mb(model.requires_grad_(name != "frozen"), batch)}, images=IMAGES)


def steps(model: "nn.Module", batch: "Batch", number: int, rate: float) -> tuple[float, float]:
    """So many steps on one batch: the change of its loss, and the processor's seconds of the fastest step.

    On a GPU, seconds by the clock. A loss that is no longer a number counts as a rise of `INFINITE`.
    """
    import torch
    from torch.nn import functional as F

    optimizer = torch.optim.SGD(model.parameters(), rate, MOMENTUM)
    is_gpu = batch.images.is_cuda
    losses, seconds = [], []
    for _ in range(number):
        start = _now(is_gpu)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch.images), batch.labels)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
        seconds.append(_now(is_gpu) - start)
    with torch.no_grad():
        losses.append(float(F.cross_entropy(model(batch.images), batch.labels)))
    is_finite = all(map(math.isfinite, losses))
    return (losses[-1] - losses[0] if is_finite else INFINITE), min(seconds)


def _now(is_gpu: bool) -> float:
    import torch

    if not is_gpu:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def kept_mb(model: "nn.Module", batch: "Batch") -> float:
    """Megabytes an image that a forward pass keeps for the backward pass, parameters left out."""
    import torch

    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no address is used twice

    def pack(tensor: "Tensor") -> "Tensor":
        storage = tensor.untyped_storage()
        alive.append(tensor)
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(batch.images)
    del outputs
    return sum(storages.values()) / MEGA / len(batch.labels)


def _costs(arch: str, settings: Settings) -> dict[str, float]:
    from ..models.cost import cost_of
    from .engine.networks import spec_for

    cost = cost_of(spec_for(arch, settings.data))
    return {"params": cost.params / MEGA, "macs": cost.macs / MEGA}


def _network(arch: str, seed: int, settings: Settings) -> "tuple[nn.Module, Batch]":
    """In training mode, with a batch of training images."""
    from ..training import initialised
    from ..training.specs import preprocess_for
    from .engine.networks import draw, spec_for

    device = "cuda" if settings.scale == "gpu" else "cpu"
    spec = spec_for(arch, settings.data)
    batch = draw(settings.data, "train", preprocess_for(settings.data, spec), IMAGES, seed)
    batch = batch._replace(images=batch.images.to(device), labels=batch.labels.to(device))
    return initialised(spec, seed).to(device).train(), batch


STUDY = Study(
    name="depth",
    title="Depth",
    question="What does depth cost, do networks of up to 1001 layers learn, and is deeper always better?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS
    | {
        "loss_change": "change of the loss on a batch of 8 images after a few steps, at the best of three rates",
        "kept_mb": "what an image's forward pass keeps for the backward pass, MB",
        "step_ms": "processor time of a training step, by the clock on a GPU, ms an image",
        "params": "parameters, millions",
        "macs": "multiply-accumulates of an image, millions",
    },
    claims=CLAIMS,
    controls=CONTROLS,
    conditions=conditions,
    measure=measure,
    figures=(
        *(
            Figure(
                name=name.replace("_", "-"),
                title=title,
                y=name,
                x="layers",
                where={"part": "steps"},
                lines=("kind",),
                x_title="depth, layers",
                log_x=True,
                log_y=True,
            )
            for name, title in (
                ("params", "Parameters with depth"),
                ("macs", "Arithmetic with depth"),
                ("kept_mb", "Memory of training with depth"),
                ("step_ms", "Time of training with depth"),
            )
        ),
        Figure(
            name="accuracy",
            title="Accuracy of networks of bottlenecks with depth",
            y="accuracy",
            x="depth",
            where={"part": "accuracy", "training": "usual"},
            lines=("training",),
            x_title="depth, layers",
        ),
    ),
    caveats=(
        "That a loss falls in a few steps does not say what a network comes to; it says that numbers stay numbers.",
        "A few epochs: deep networks need more of them. With `--scale gpu` there are 40, and the networks of 50, 101 "
        "and 152 layers with ImageNet's widths.",
        "Times change from run to run, and with what else the machine does; everything else is the same every time.",
    ),
)
