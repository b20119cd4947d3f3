"""A plan applied: weights are sliced by their channel groups, a pure function of the state and two specs."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from .. import zoo
from ..core.errors import UsageError
from ..core.threads import torch_threads
from ..core.types import ChannelPlan, Checkpoint, ModelSpec, ProvenanceStep, StrPath
from ..models.channels import ChannelGroup
from ..models.pruning import layers, with_plan
from ..models.resnet import ResNet
from ..zoo.checkpoints import empty_network
from .calibration import Batches
from .statistics import renew

State = Mapping[str, Tensor]


def apply_plan(
    checkpoint: Checkpoint,
    plan: ChannelPlan,
    folder: StrPath,
    ref: str,
    step: ProvenanceStep,
    renewing: Batches | None = None,
) -> Checkpoint:
    """Write what `plan` leaves of `checkpoint` as the checkpoint `ref`.

    The plan counts from the unpruned network, so that of a pruned checkpoint it keeps a part of what is kept there.
    `step` goes into the provenance. The metrics were the parent's and are left out. Batch norms keep their statistics,
    or get those over the images of `renewing`. Raises UsageError for a plan that does not fit, and where something is
    in the folder.
    """
    spec = with_plan(checkpoint.spec, plan)
    state = sliced(state_of(checkpoint), checkpoint.spec, spec)
    if renewing:
        state = _renewed(state, spec, renewing)
    return zoo.save(
        folder,
        state,
        ref=ref,
        spec=spec,
        preprocess=checkpoint.preprocess,
        labels=checkpoint.labels,
        dataset=checkpoint.dataset,
        metrics=(),
        licence=checkpoint.licence,
        provenance=(*checkpoint.provenance, step),
    )


def state_of(checkpoint: Checkpoint) -> State:
    """Its weights, on the CPU."""
    return zoo.build(checkpoint).state_dict()


def sliced(state: State, before: ModelSpec, after: ModelSpec) -> State:
    """The weights of `after`, a pruned `before`: rows, columns and layers that its plan drops are left out."""
    old, new = layers(before), layers(after)
    if surplus := next((name for name in new if name not in old), None):
        raise UsageError(f"the plan keeps {surplus}, which the network no longer has", "Give a plan that keeps less.")
    remaining: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = key.rpartition(".")[0]
        if name not in new:
            continue
        for dimension, (source, target) in enumerate(zip(old[name], new[name], strict=True)):
            if source and target and source.kept != target.kept and tensor.ndim > dimension:
                tensor = tensor.index_select(dimension, _positions(source, target))
        remaining[key] = tensor
    return remaining


def _renewed(state: State, spec: ModelSpec, data: Batches) -> State:
    model = network(state, spec)
    with torch_threads():
        renew(model, data)
    return cast(State, model.state_dict())


def _positions(source: ChannelGroup, target: ChannelGroup) -> Tensor:
    place = {channel: position for position, channel in enumerate(source.kept)}
    if missing := next((channel for channel in target.kept if channel not in place), None):
        raise UsageError(
            f"the plan keeps channel {missing} of {target.name}, which the network no longer has",
            "Give a plan that keeps less.",
        )
    return torch.tensor([place[channel] for channel in target.kept])


def network(state: State, spec: ModelSpec) -> ResNet:
    """The network of `spec` with these weights, in eval mode. It shares their memory."""
    model = cast(ResNet, empty_network(spec))  # only its networks have plans
    model.load_state_dict(state, assign=True)
    return model.eval()
