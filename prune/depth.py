"""Depth pruning: whole residual blocks are removed, first those without which the network loses least."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import UsageError
from ..core.types import ChannelPlan, ModelSpec
from ..models.pruning import layout, plan_of, with_plan
from .applying import State, network, sliced
from .calibration import Batches
from .config import PruneConfig
from .importance import check_finite
from .planning import WAYS_OUT, Cost, UnreachableError, matching


def choose_blocks(
    spec: ModelSpec, importances: dict[str, float], cost: Cost, limit: float, full_cost: float
) -> ModelSpec:
    """The network without its least important blocks, as few as make `cost(network) <= limit`.

    Raises UnreachableError, in shares of `full_cost`, if even without all of them it costs more.
    """
    pruned, nearest = spec, cost(spec)
    for block in sorted(importances, key=importances.__getitem__):
        pruned = without(pruned, block)
        if (costs := cost(pruned)) <= limit:
            return pruned
        nearest = min(nearest, costs)
    raise UnreachableError(limit, nearest, full_cost, WAYS_OUT["blocks"])


def removable(spec: ModelSpec, exclude: tuple[str, ...]) -> list[str]:
    """The blocks whose shortcut is an identity: without them the signal still passes."""
    blocks = layout(spec).blocks
    excluded = matching([block.name for block in blocks], exclude, "block")
    return [block.name for block in blocks if block.has_identity and block.name not in excluded]


def check_removable(spec: ModelSpec, exclude: tuple[str, ...]) -> None:
    """Raises UsageError for a network that has to keep all of its blocks."""
    if not removable(spec, exclude):
        raise UsageError(
            "no block of this network can be removed",
            "Only blocks with an identity shortcut can be, if they are not excluded. Remove channels instead.",
        )


def without(spec: ModelSpec, *blocks: str) -> ModelSpec:
    """The network without these blocks, and its plan without their channel groups."""
    plan = plan_of(spec)
    kept: dict[str, tuple[int, ...]] = {block.rpartition(".")[0]: () for block in blocks}
    for other in layout(spec).blocks:
        stage = other.name.rpartition(".")[0]
        if stage in kept and other.name not in blocks:
            kept[stage] += (other.number,)
    inside = tuple(f"{block}." for block in blocks)
    channels = {name: chosen for name, chosen in plan.channels.items() if not name.startswith(inside)}
    return with_plan(spec, ChannelPlan(channels=channels, blocks=plan.blocks | kept))


def block_importances(state: State, spec: ModelSpec, config: PruneConfig, data: Batches) -> dict[str, float]:
    """How much each removable block matters.

    loss    the loss on training images without it (Veit et al. 2016, section 4.1)
    change  how far it moves what passes it, relative to that (as the responses in He et al. 2015, section 4.2)
    random  the control

    Raises ReszooError where that is no number.
    """
    blocks = removable(spec, config.exclude)
    if config.method == "loss":
        importances = {block: _loss_without(state, spec, block, data) for block in blocks}
    elif config.method == "change":
        importances = _changes(state, spec, blocks, data)
    else:
        drawn = torch.rand(len(blocks), generator=torch.Generator().manual_seed(config.seed))
        importances = dict(zip(blocks, drawn.tolist(), strict=True))
    for block, importance in importances.items():
        check_finite(block, importance)
    return importances


@torch.inference_mode()
def mean_loss(model: nn.Module, data: Batches) -> float:
    """Cross-entropy per image."""
    total = sum(float(F.cross_entropy(model(images), labels, reduction="sum")) for images, labels in data)
    return total / sum(len(labels) for _, labels in data)


def _loss_without(state: State, spec: ModelSpec, block: str, data: Batches) -> float:
    shorter = without(spec, block)
    return mean_loss(network(sliced(state, spec, shorter), shorter), data)


def _changes(state: State, spec: ModelSpec, blocks: list[str], data: Batches) -> dict[str, float]:
    model = network(state, spec)
    changes = dict.fromkeys(blocks, 0.0)

    def watch(block: str) -> Any:
        def add(_: object, inputs: tuple[Tensor], output: Tensor) -> None:
            changes[block] += float((output - inputs[0]).norm() / inputs[0].norm())

        return model.get_submodule(block).register_forward_hook(add)

    handles = [watch(block) for block in blocks]
    mean_loss(model, data)
    for handle in handles:
        handle.remove()
    return changes
