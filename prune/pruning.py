"""Pruning: a checkpoint and a limit of its cost give a smaller checkpoint of the same kind."""

from pathlib import Path

import msgspec

from ..core.documents import to_builtins
from ..core.errors import UsageError
from ..core.files import check_replaceable
from ..core.hosts import LIBRARIES, versions
from ..core.progress import Progress, silent
from ..core.types import ChannelPlan, Checkpoint, ModelSpec, ProvenanceStep, StrPath
from ..models.pruning import plan_of
from .applying import apply_plan
from .config import IMAGES, PruneConfig, Remove
from .depth import check_removable, choose_blocks
from .mixed import check_moves, choose_moves
from .planning import Cost, UnreachableError, choose_channels, prunable
from .scoring import Scorer, is_renewed
from .statistics import has_batch_norms

# Options that have no effect on what is removed.
UNUSED: dict[Remove, tuple[str, ...]] = {
    "channels": (),
    "blocks": ("ranking", "round_to", "min_share"),
    "mixed": ("ranking",),
}


def prune(
    checkpoint: Checkpoint,
    config: PruneConfig,
    cost: Cost,
    limit: float,
    folder: StrPath,
    ref: str,
    *,
    what: str = "cost",
    progress: Progress = silent,
) -> Checkpoint:
    """Remove channels, blocks or both until `cost(spec) <= limit`; write the checkpoint `ref` to `folder`.

    what      the cost's name in the provenance, as "macs"
    progress  counts the losses that are measured for a mixed plan

    Nothing is trained. A checkpoint that is pruned already is pruned further. Raises UsageError for a limit that is not
    between 0 and the network's cost, and where something is in the folder; UnreachableError for a limit that cannot be
    reached, with the nearest that can.
    """
    check_replaceable(Path(folder))
    scorer = Scorer(checkpoint, config, progress)
    plan = plan_with(scorer, cost, limit)
    done = step(checkpoint, config, plan, {what: f"at most {limit:g}"})
    return apply_plan(checkpoint, plan, folder, ref, done, scorer.renewing)


def plan_for(checkpoint: Checkpoint, config: PruneConfig, cost: Cost, limit: float) -> ChannelPlan:
    """The plan alone, counted from the unpruned network. With several steps, the network is scored anew in each."""
    return plan_with(Scorer(checkpoint, config), cost, limit)


def plan_with(scorer: Scorer, cost: Cost, limit: float) -> ChannelPlan:
    """The same with a scorer that may have scored the network for other limits before."""
    spec, steps = scorer.checkpoint.spec, scorer.config.steps
    full_cost = cost(spec)
    if not 0 < limit < full_cost:
        raise UsageError(
            f"{limit / full_cost:.3g} of the network's cost is no target for pruning",
            "Choose more than 0 and less than 1.",
        )
    check_options(spec, scorer.config)
    for number in range(1, steps + 1):
        intermediate = full_cost + (limit - full_cost) * number / steps
        if cost(spec) > intermediate:
            try:
                spec = _smaller(scorer, spec, cost, intermediate, full_cost)
            except UnreachableError as error:  # of this step's limit: the message names the one that was asked for
                raise UnreachableError(limit, error.nearest, full_cost, error.fix) from None
    return plan_of(spec)


def check_options(spec: ModelSpec, config: PruneConfig) -> None:
    """Raises UsageError where nothing may be removed, or an option is about what the network does not have."""
    if config.remove == "blocks":
        check_removable(spec, config.exclude)
    elif config.remove == "mixed":
        check_moves(spec, config.exclude)
    else:
        prunable(spec, config.exclude)
    if config.statistics and not has_batch_norms(spec):
        raise UsageError(
            f"`statistics={config.statistics}`: this network has no batch norms, whose statistics these are",
            "Leave `statistics` away.",
        )
    if config.images == 1 and is_renewed(spec, config):
        raise UsageError(
            "`images=1`: one image gives batch norms no statistics", "Give more images, or `statistics=kept`."
        )


def _smaller(scorer: Scorer, spec: ModelSpec, cost: Cost, limit: float, full_cost: float) -> ModelSpec:
    if scorer.config.remove == "channels":
        return choose_channels(spec, scorer.channels(spec), scorer.config, cost, limit, full_cost)
    if scorer.config.remove == "mixed":
        return choose_moves(spec, scorer.channels(spec), scorer.config, cost, limit, full_cost, scorer.loss)
    return choose_blocks(spec, scorer.blocks(spec), cost, limit, full_cost)


def step(checkpoint: Checkpoint, config: PruneConfig, plan: ChannelPlan, target: dict[str, str]) -> ProvenanceStep:
    """What goes into the provenance: the options that mattered, the target and the plan."""
    unused = (*UNUSED[config.remove], *(() if has_batch_norms(checkpoint.spec) else ("statistics",)))
    statistics = "renewed" if is_renewed(checkpoint.spec, config) else "kept"
    chosen = to_builtins(config) | {"images": config.images or IMAGES, "statistics": statistics}
    options = {name: _text(value) for name, value in chosen.items() if name not in unused}
    return ProvenanceStep(
        name="prune",
        config={**options, "importance": config.method, **target, "plan": msgspec.json.encode(plan).decode()},
        versions=versions((*LIBRARIES, "torch-pruning")),
        input_sha256=checkpoint.sha256,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
