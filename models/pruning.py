"""What pruning asks of a network by its spec. Light: imports no torch.

Every function raises UnavailableError, with the reason, for a network that reszoo has no plan of.
"""

from typing import TYPE_CHECKING, Any

from ..core.missing import unavailable_error
from ..core.types import ChannelPlan, ModelSpec, Unavailable
from .channels import by_stage
from .network import family_of

if TYPE_CHECKING:
    from .channels import Axes, ChannelGroup, Layout
    from .family import Pruning
    from .latency import Part, ProbeSet


def unprunable(spec: ModelSpec) -> Unavailable | None:
    """Why this network cannot be pruned; None if it can."""
    found = family_of(spec).pruning(spec)
    return found if isinstance(found, Unavailable) else None


def plan_of(spec: ModelSpec) -> ChannelPlan:
    """What is left of the unpruned network: of one that is not pruned, a plan that names nothing."""
    return _of(spec).plan_of(spec)


def with_plan(spec: ModelSpec, plan: ChannelPlan) -> ModelSpec:
    """What this plan, which counts from the unpruned network, leaves of it."""
    pruned: ModelSpec = _of(spec).with_plan(spec, plan)
    return pruned


def layout(spec: ModelSpec) -> "Layout":
    """How the channels run through the network. Raises UsageError for a plan that does not fit it."""
    return _of(spec).layout(spec)


def layers(spec: ModelSpec) -> "dict[str, Axes]":
    """Every layer that has parameters, by its name, with the channel groups that they run over."""
    return _of(spec).layers(spec)


def channel_groups(spec: ModelSpec) -> "tuple[ChannelGroup, ...]":
    """Every channel group of the network, in the order of the data. Blocks that the plan removes have none."""
    return layout(spec).groups


def fixed_channels(spec: ModelSpec) -> Unavailable | None:
    """Why no channel of this network can be dropped, where that is so. Whole blocks can be."""
    return _of(spec).fixed_channels(spec)


def stages(spec: ModelSpec) -> list[tuple[str, str, str]]:
    """The blocks of each, its outputs' channels, and those between its convolutions: from the fewest to the most."""
    return by_stage(layout(spec), layout(with_plan(spec, ChannelPlan())))


def parts(spec: ModelSpec) -> "list[Part]":
    """What its latency is added up from, pruned or not; the stem is the first."""
    return _of(spec).parts(spec)


def latency_signature(spec: ModelSpec) -> ModelSpec:
    """What decides the latency of a network's parts: the same for any depth, and whether pruned or not."""
    signature: ModelSpec = _of(spec).latency_signature(spec)
    return signature


def probe_sets(spec: ModelSpec, full_width: bool = False) -> "list[ProbeSet]":
    """All that a table for this network needs; with `full_width`, only what it needs where no channels are removed."""
    return _of(spec).probe_sets(spec, full_width)


def _of(spec: ModelSpec) -> "Pruning[Any]":
    found = family_of(spec).pruning(spec)
    if isinstance(found, Unavailable):
        raise unavailable_error(found)
    return found
