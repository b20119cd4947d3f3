"""What the package does: a checkpoint and a cost that it has to meet give a smaller checkpoint of the same kind."""

from pathlib import Path

import msgspec

from ..core.documents import to_builtins
from ..core.errors import UsageError
from ..core.files import check_replaceable
from ..core.hosts import LIBRARIES, versions
from ..core.types import ChannelPlan, Checkpoint, ModelSpec, ProvenanceStep, StrPath
from .applying import cut
from .config import PruneConfig
from .depth import check_removable, choose_units
from .judging import Judge
from .planning import Cost, UnreachableError, choose_channels, prunable

# What units are not chosen by.
ABOUT_CHANNELS = ("ranking", "round_to", "min_share")


def prune(
    checkpoint: Checkpoint,
    config: PruneConfig,
    cost: Cost,
    limit: float,
    folder: StrPath,
    ref: str,
    *,
    what: str = "cost",
) -> Checkpoint:
    """Remove channels or units until `cost(spec) <= limit`; write the checkpoint `ref` to `folder`. Nothing is trained.

    what    the cost's name in the provenance, as "macs"

    A checkpoint that is pruned already is pruned further. Raises UsageError for a limit that asks for nothing or
    everything, and where something is in the folder; UnreachableError for a limit that cannot be reached, with the
    nearest that can.
    """
    check_replaceable(Path(folder))
    plan = plan_for(checkpoint, config, cost, limit)
    return cut(checkpoint, plan, folder, ref, step(checkpoint, config, plan, {what: f"at most {limit:g}"}))


def plan_for(checkpoint: Checkpoint, config: PruneConfig, cost: Cost, limit: float) -> ChannelPlan:
    """The plan alone, counted from the unpruned network. With several steps, what is left is judged anew in each."""
    return plan_by(Judge(checkpoint, config), cost, limit)


def plan_by(judge: Judge, cost: Cost, limit: float) -> ChannelPlan:
    """The same by a judge who may have judged for other limits before."""
    spec, steps = judge.checkpoint.spec, judge.config.steps
    whole = cost(spec)
    if not 0 < limit < whole:
        raise UsageError(
            f"{limit / whole:.3g} of the network's cost is no target for pruning", "Choose more than 0 and less than 1."
        )
    check_options(spec, judge.config)
    for number in range(1, steps + 1):
        passing = whole + (limit - whole) * number / steps
        if cost(spec) > passing:
            try:
                spec = _smaller(judge, spec, cost, passing, whole)
            except UnreachableError as error:  # at this step: what was asked for is told
                raise UnreachableError(limit, error.nearest, whole, error.fix) from None
    return spec.plan or ChannelPlan()


def check_options(spec: ModelSpec, config: PruneConfig) -> None:
    """Raises UsageError where nothing may be removed, or `exclude` names what the network does not have."""
    if config.remove == "units":
        check_removable(spec, config.exclude)
    else:
        prunable(spec, config.exclude)


def _smaller(judge: Judge, spec: ModelSpec, cost: Cost, limit: float, whole: float) -> ModelSpec:
    if judge.config.remove == "channels":
        return choose_channels(spec, judge.channels(spec), judge.config, cost, limit, whole)
    return choose_units(spec, judge.units(spec), cost, limit, whole)


def step(checkpoint: Checkpoint, config: PruneConfig, plan: ChannelPlan, target: dict[str, str]) -> ProvenanceStep:
    """What goes into the provenance: the options that mattered, the target and the plan that came out."""
    unused = ABOUT_CHANNELS if config.remove == "units" else ()
    options = {name: _text(value) for name, value in to_builtins(config).items() if name not in unused}
    return ProvenanceStep(
        name="prune",
        config={**options, "importance": config.method, **target, "plan": msgspec.json.encode(plan).decode()},
        versions=versions((*LIBRARIES, "torch-pruning")),
        input_sha256=checkpoint.sha256,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
