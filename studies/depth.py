"""What depth costs, up to 1001 layers, whether such networks take training steps, and whether deeper is better.

He et al. 2015 (bottlenecks; 1202 layers are worse than 110), He et al. 2016 (1001 layers in both families).
"""

import copy
import math
import time
from typing import TYPE_CHECKING, Literal

from .engine.designs import SEEDS, Design, compared, controls
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
from .engine.trials import METRICS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .engine.networks import Batch

# The suffixes of the networks' names after the depth. `stream`: basic blocks whose stream is as wide as bottlenecks'.
KINDS = {
    "basic": "_v1",
    "stream": "_v1+widths=64,128,256+stem_width=16",
    "bottleneck": "_v1",
    "imagenet": "_v1_cifar",
    "bottleneck-v2": "_v2",
}
ALL: dict[str, tuple[int, ...]] = {
    "basic": (20, 32, 44, 56, 110),
    "stream": (20,),
    "bottleneck": (29, 164, 1001),
    "imagenet": (50, 101, 152),
    "bottleneck-v2": (164, 1001),
}
STEPPED: dict[Scale, dict[str, tuple[int, ...]]] = {
    "smoke": {"basic": (20, 56), "stream": (20,), "bottleneck": (29,)},
    "cpu": ALL,
    "gpu": ALL,
}
# The ImageNet networks' widths are too much for a CPU to train.
TRAINED: dict[Scale, dict[str, tuple[int, ...]]] = {
    "smoke": {"bottleneck": (11,)},
    "cpu": {"bottleneck": (11, 29)},
    "gpu": {"bottleneck": (11, 29, 47, 164), "imagenet": (50, 101, 152)},
}
EPOCHS: dict[str, dict[Scale, float]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 2, "gpu": 40},
}
STEPS: dict[Scale, int] = {"smoke": 5, "cpu": 10, "gpu": 50}
IMAGES = 8
RATES = (0.01, 0.001, 0.0001)  # the deepest networks need a small one at first, as in a warm-up
MOMENTUM = 0.9
MEGA = 1e6
FALL = -0.05  # of the loss, which is one to speak of
INFINITE = 10.0  # stands for the change of a loss that is no number any more
LAYERS, WIDTH = 10, 1000  # of a control whose memory is known: each layer keeps its input

BOTTLENECKS: Where = {"part": "steps", "kind": "bottleneck", "layers": 29}


def _deeper(kind: str, depths: tuple[int, ...], reference: int) -> Contrast:
    return compared("accuracy", {"part": "accuracy", "kind": kind, "depth": depths}, {"depth": reference}, above(3))


CLAIMS = (
    Claim(
        key="any-depth-learns",
        hypothesis="A residual network of any depth lowers its loss in a few steps, at one of three rates, always.",
        textbook="skip connections allow any depth",
        paper="He 2016: v1 with 1001 layers comes to 7.61 % of errors, v2 to 4.92 %",
        contrast=Contrast(metric="loss_change", where={"part": "steps"}, region=below(FALL)),
        is_universal=True,
    ),
    Claim(
        key="v1-fails-when-deep",
        hypothesis="v1 with 152 or 1001 layers does not lower its loss, at any of three rates.",
        textbook="v1 fails at 152 and 1001 layers",
        paper="He 2016: v1 with 1001 layers comes to 7.61 % of errors",
        contrast=Contrast(
            metric="loss_change",
            where={"part": "steps", "kind": ("imagenet", "bottleneck"), "layers": (152, 1001)},
            region=above(FALL),
        ),
    ),
    Claim(
        key="bottlenecks-need-less-memory",
        hypothesis="Nine bottlenecks keep less for the backward pass than nine basic blocks on streams of their width, "
        "by at least 0.01 MB an image.",
        textbook="they save both memory and arithmetic",
        paper="He 2015: they allow deeper networks at the same cost",
        contrast=Contrast(
            metric="kept_mb", where=BOTTLENECKS, against={"kind": "stream", "layers": 20}, region=below(-0.01)
        ),
    ),
    Claim(
        key="bottlenecks-need-less-arithmetic",
        hypothesis="They need less arithmetic than these, by at least a million multiply-accumulates.",
        textbook="they save both memory and arithmetic",
        paper="He 2015: they allow deeper networks at the same cost",
        contrast=Contrast(metric="macs", where=BOTTLENECKS, against={"kind": "stream", "layers": 20}, region=below(-1)),
    ),
    Claim(
        key="bottlenecks-need-less-memory-than-narrow-blocks",
        hypothesis="They keep less than nine basic blocks that are as wide as they are inside, by at least 0.01 MB.",
        textbook="they save both memory and arithmetic",
        paper="He 2015, figure 5: the two have about the same arithmetic",
        contrast=Contrast(
            metric="kept_mb", where=BOTTLENECKS, against={"kind": "basic", "layers": 20}, region=below(-0.01)
        ),
    ),
    Claim(
        key="deeper-is-better",
        hypothesis="More bottlenecks are better than one a stage, by at least 3 points, always.",
        textbook="the more layers, the more accurate",
        paper="He 2015: up to 110 layers; 1202 are worse",
        contrast=_deeper("bottleneck", (29, 47, 164), 11),
        is_universal=True,
    ),
    Claim(
        key="50-101-152",
        hypothesis="With the widths of ImageNet's networks, 101 and 152 layers are better than 50 by 3 points, always.",
        textbook="80, 82 and 83 %",
        paper="",
        contrast=_deeper("imagenet", (101, 152), 50),
        is_universal=True,
    ),
)


def _known(name: str, kind: Literal["positive", "negative"], says: str, metric: str, region: Region) -> Control:
    return Control(
        key=name, kind=kind, says=says, contrast=Contrast(metric=metric, where={"control": name}, region=region)
    )


CONTROLS = (
    *controls(CLAIMS),
    _known(
        "linear", "positive", "a linear classifier, whose loss falls with any small step", "loss_change", below(FALL)
    ),
    _known("no-step", "negative", "20 layers that are trained with a rate of 0", "loss_change", within(1e-6)),
    _known(
        "known-memory",
        "positive",
        "ten linear layers, which keep ten inputs of 1,000 values: 0.04 MB",
        "kept_mb",
        between(0.0399, 0.0401),
    ),
    _known("frozen", "negative", "20 layers that learn nothing, and so have no backward pass", "kept_mb", within(1e-9)),
    _known(
        "known-arithmetic",
        "positive",
        "8 layers for 3x32x32, by hand: 12.24 million multiply-accumulates",
        "macs",
        between(12.23, 12.25),
    ),
    _known("shortcuts", "negative", "8 layers less the same without shortcuts, which cost none", "macs", within(1e-9)),
)


def arch_of(condition: Condition, settings: Settings) -> str:
    return f"resnet{condition['depth']}{KINDS[str(condition['kind'])]}"


def networks(settings: Settings) -> list[Condition]:
    return [
        {"part": "accuracy", "kind": kind, "depth": depth}
        for kind, depths in TRAINED[settings.scale].items()
        for depth in depths
    ]


DESIGN = Design(networks=networks, arch=arch_of, epochs=EPOCHS)


def conditions(settings: Settings) -> list[Condition]:
    stepped = STEPPED[settings.scale].items()
    return [
        *DESIGN.conditions(settings),
        *(each for kind, layers in stepped for each in grid({"part": ("steps",), "kind": (kind,), "layers": layers})),
        *grid({"control": ("linear", "no-step", "known-memory", "frozen", "known-arithmetic", "shortcuts")}),
    ]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    if "control" in condition:
        return _measure_control(str(condition["control"]), seed, settings)
    if condition["part"] == "steps":
        return _measure_steps(f"resnet{condition['layers']}{KINDS[str(condition['kind'])]}", seed, settings)
    return DESIGN.trial(condition, seed, settings).measured(_costs(arch_of(condition, settings), settings))


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

    if name in ("known-arithmetic", "shortcuts"):
        residual, plain = (_macs(f"resnet8_{family}") for family in ("v1", "plain"))
        return Measured(values={"macs": residual if name == "known-arithmetic" else residual - plain})
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


def _macs(arch: str) -> float:
    """In millions, of the network at its own size."""
    from ..models import spec_of
    from ..models.cost import cost_of

    return cost_of(spec_of(arch)).macs / MEGA


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
    batch = draw(settings.data, "train", preprocess_for(settings.data, spec), IMAGES, seed).to(device)
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
    trains=True,
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
            title="Accuracy with depth",
            y="accuracy",
            x="depth",
            where={"part": "accuracy", "training": "usual"},
            lines=("kind",),
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
