"""The room's verb: a checkpoint and a cost that it has to meet give a smaller checkpoint of the same kind."""

from pathlib import Path

import msgspec

from ..core.documents import to_builtins
from ..core.errors import UsageError
from ..core.hosts import LIBRARIES, versions
from ..core.types import ChannelPlan, Checkpoint, ModelSpec, Step
from . import calibration
from .applying import State, cut, network, sliced, state_of
from .config import PruneConfig
from .depth import choose_units, damages
from .importance import Importances, importances, needs_data
from .planning import Cost, choose_channels


def prune(
    checkpoint: Checkpoint,
    config: PruneConfig,
    cost: Cost,
    limit: float,
    folder: Path,
    ref: str,
    *,
    what: str = "cost",
) -> Checkpoint:
    """Remove channels or units until `cost(spec) <= limit`; write the checkpoint `ref` to `folder`. Nothing is trained.

    what    the cost's name in the lineage, as "macs" or "latency_s onnxruntime batch 1"

    A checkpoint that is pruned already is pruned further. Raises UsageError for a limit that asks for nothing or
    everything, ReszooError for one that cannot be reached, with the nearest that can.
    """
    plan = plan_for(checkpoint, config, cost, limit)
    return cut(checkpoint, plan, folder, ref, step(checkpoint, config, plan, {what: f"at most {limit:g}"}))


def plan_for(checkpoint: Checkpoint, config: PruneConfig, cost: Cost, limit: float) -> ChannelPlan:
    """The plan alone, counted from the unpruned network. With several steps, what is left is judged anew in each."""
    state, spec = state_of(checkpoint), checkpoint.spec
    whole = cost(spec)
    if not 0 < limit < whole:
        raise UsageError(
            f"{limit / whole:.3g} of the network's cost is no target for pruning", "Choose more than 0 and less than 1."
        )
    for number in range(1, config.steps + 1):
        passing = whole + (limit - whole) * number / config.steps
        if cost(spec) > passing:
            smaller = _smaller(checkpoint, state, spec, config, cost, passing)
            state, spec = sliced(state, spec, smaller), smaller
    return spec.plan or ChannelPlan()


def _smaller(
    checkpoint: Checkpoint, state: State, spec: ModelSpec, config: PruneConfig, cost: Cost, limit: float
) -> ModelSpec:
    if config.remove == "channels":
        return choose_channels(spec, judge_channels(checkpoint, state, spec, config), config, cost, limit)
    data = calibration.batches(checkpoint, config) if config.method != "random" else []
    return choose_units(spec, damages(state, spec, config, data), cost, limit)


def judge_channels(checkpoint: Checkpoint, state: State, spec: ModelSpec, config: PruneConfig) -> Importances:
    """The importances of every space of `spec`, a pruned network of `checkpoint`."""
    if config.remove != "channels":
        raise UsageError("units have no channels to judge", "Choose to remove channels.")
    data = calibration.batches(checkpoint, config) if needs_data(config.method) else []
    return importances(network(state, spec), config.method, data, config.seed)


def step(checkpoint: Checkpoint, config: PruneConfig, plan: ChannelPlan, target: dict[str, str]) -> Step:
    """What goes into the lineage: the options, the target and the plan that came out."""
    options = {name: _text(value) for name, value in to_builtins(config).items()}
    return Step(
        name="prune",
        config={**options, "importance": config.method, **target, "plan": msgspec.json.encode(plan).decode()},
        versions=versions((*LIBRARIES, "torch-pruning")),
        input_sha256=checkpoint.sha256,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
