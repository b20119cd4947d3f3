"""Depth pruning: whole units go, those first without which the network loses least."""

from typing import Any

import msgspec
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.errors import UsageError
from ..core.types import ChannelPlan, ModelSpec
from ..models.channels import layout
from ..models.resnet import ResNet
from .applying import State, network, sliced
from .calibration import Batches
from .config import PruneConfig
from .importance import check_finite
from .planning import WAYS_OUT, Cost, UnreachableError, matching


def choose_units(spec: ModelSpec, damages: dict[str, float], cost: Cost, limit: float, whole: float) -> ModelSpec:
    """The network without its least important units, as few as make `cost(network) <= limit`.

    Raises UnreachableError, in shares of `whole`, if even without all of them it costs more.
    """
    pruned, nearest = spec, cost(spec)
    for unit in sorted(damages, key=damages.__getitem__):
        pruned = without(pruned, unit)
        if (costs := cost(pruned)) <= limit:
            return pruned
        nearest = min(nearest, costs)
    raise UnreachableError(limit, nearest, whole, WAYS_OUT["units"])


def removable(spec: ModelSpec, exclude: tuple[str, ...]) -> list[str]:
    """The units whose shortcut is an identity: without them the signal still passes."""
    units = layout(spec).blocks
    excluded = matching([unit.name for unit in units], exclude, "unit")
    return [unit.name for unit in units if unit.has_identity and unit.name not in excluded]


def check_removable(spec: ModelSpec, exclude: tuple[str, ...]) -> None:
    """Raises UsageError for a network that has to keep all of its units."""
    if not removable(spec, exclude):
        raise UsageError(
            "no unit of this network can be removed",
            "Only units with an identity shortcut can be, if they are not excluded. Remove channels instead.",
        )


def without(spec: ModelSpec, unit: str) -> ModelSpec:
    """The network without one unit, and its plan without that unit's spaces."""
    plan = spec.plan or ChannelPlan()
    stage, _, number = unit.rpartition(".")
    depth = spec.depths[int(stage.rpartition(".")[2])]
    kept = tuple(n for n in plan.blocks.get(stage, range(depth)) if n != int(number))
    channels = {name: chosen for name, chosen in plan.channels.items() if not name.startswith(f"{unit}.")}
    return msgspec.structs.replace(spec, plan=ChannelPlan(channels=channels, blocks={**plan.blocks, stage: kept}))


def damages(state: State, spec: ModelSpec, config: PruneConfig, data: Batches) -> dict[str, float]:
    """How much each removable unit matters.

    loss    the loss on training images without it (Veit et al. 2016, section 4.1)
    change  how far it moves what passes it, relative to that (as the responses in He et al. 2015, section 4.2)
    random  the control

    Raises ReszooError where that is no number.
    """
    units = removable(spec, config.exclude)
    if config.method == "loss":
        found = {unit: _loss_without(state, spec, unit, data) for unit in units}
    elif config.method == "change":
        found = _changes(state, spec, units, data)
    else:
        drawn = torch.rand(len(units), generator=torch.Generator().manual_seed(config.seed))
        found = dict(zip(units, drawn.tolist(), strict=True))
    for unit, damage in found.items():
        check_finite(unit, damage)
    return found


@torch.inference_mode()
def mean_loss(model: ResNet, data: Batches) -> float:
    """Cross-entropy per image."""
    total = sum(float(F.cross_entropy(model(images), labels, reduction="sum")) for images, labels in data)
    return total / sum(len(labels) for _, labels in data)


def _loss_without(state: State, spec: ModelSpec, unit: str, data: Batches) -> float:
    shorter = without(spec, unit)
    return mean_loss(network(sliced(state, spec, shorter), shorter), data)


def _changes(state: State, spec: ModelSpec, units: list[str], data: Batches) -> dict[str, float]:
    model = network(state, spec)
    found = dict.fromkeys(units, 0.0)

    def watch(unit: str) -> Any:
        def add(_: object, inputs: tuple[Tensor], output: Tensor) -> None:
            found[unit] += float((output - inputs[0]).norm() / inputs[0].norm())

        return model.get_submodule(unit).register_forward_hook(add)

    handles = [watch(unit) for unit in units]
    mean_loss(model, data)
    for handle in handles:
        handle.remove()
    return found
