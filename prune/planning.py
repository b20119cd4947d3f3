"""From importances to a plan: the least important channels are removed until the network meets its limit."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError, UsageError
from ..core.missing import unavailable_error
from ..core.types import ModelSpec
from ..models.channels import ChannelGroup
from ..models.pruning import channel_groups, fixed_channels, plan_of, with_plan
from .config import PruneConfig, Remove
from .importance import Importances
from .ranking import order

Cost = Callable[[ModelSpec], float]
Kept = dict[str, tuple[int, ...]]  # a channel group, and the channels that it keeps
Left = TypeVar("Left")  # what a plan leaves, in any form

# What may bring a target into reach, by what is removed.
WAYS_OUT: dict[Remove, str] = {
    "channels": "Lower `round_to` or `min_share`, exclude less, or remove blocks too.",
    "blocks": "Remove channels too, or exclude fewer blocks.",
    "mixed": "Lower `round_to` or `min_share`, or exclude less.",
}


class UnreachableError(ReszooError):
    """No network that the options allow costs so little.

    The message has shares of `full_cost`, that of the network before pruning; `nearest` can be asked for.
    """

    def __init__(self, limit: float, nearest: float, full_cost: float, fix: str) -> None:
        self.nearest, self.share = nearest, nearest / full_cost
        reachable = math.ceil(1000 * self.share) / 1000
        which = f"the nearest is {reachable:g}" if reachable < 1 else "with these options nothing can be removed"
        super().__init__(f"a cost of {limit / full_cost:.3g} of the network's cannot be reached: {which}", fix)


def choose_channels(
    spec: ModelSpec, importances: Importances, config: PruneConfig, cost: Cost, limit: float, full_cost: float
) -> ModelSpec:
    """The largest network, in the order of importance, with `cost(network) <= limit`.

    One multiple of one channel group may cost much of a small network. So what was removed comes back, the most
    important first, group by group, as long as the limit is kept: in the end no group can keep a multiple more.
    Raises UnreachableError, in shares of `full_cost`, if even the least that `config` allows costs more.
    """
    scored = scored_groups(spec, importances, config)
    sequence = order(spec, {name: group.scores for name, group in scored.items()}, config.ranking)
    known: dict[tuple[int, ...], float] = {}

    def kept_after(drops: int) -> Kept:
        dropped = Counter(sequence[:drops])
        return {name: group.kept(len(group.scores) - dropped[name]) for name, group in scored.items()}

    def costs(kept: Kept) -> float:
        pruned = with_channels(spec, kept)
        widths = tuple(group.width for group in channel_groups(pruned))  # of one sequence, they tell which channels too
        if widths not in known:
            known[widths] = cost(pruned)
        return known[widths]

    too_few, most = 0, len(sequence)
    if (least := costs(kept_after(most))) > limit:
        raise UnreachableError(limit, least, full_cost, WAYS_OUT["channels"])
    while most - too_few > 1:
        middle = (too_few + most) // 2
        too_few, most = (too_few, middle) if costs(kept_after(middle)) <= limit else (middle, most)

    def wider(kept: Kept, name: str) -> Kept:
        return {**kept, name: scored[name].wider(kept[name])}

    removed_last = dict.fromkeys(reversed(sequence[:most]))
    return with_channels(spec, filled(kept_after(most), removed_last, wider, lambda kept: costs(kept) <= limit))


def filled(
    left: Left, names: Iterable[str], more: Callable[[Left, str], Left], is_within: Callable[[Left], bool]
) -> Left:
    """What is left, and `more` of each name in turn, until none fits."""
    open_names = list(names)
    while open_names:
        still_open = []
        for name in open_names:
            larger = more(left, name)
            if larger != left and is_within(larger):
                left = larger
                still_open.append(name)
        open_names = still_open
    return left


def scored_groups(spec: ModelSpec, importances: Importances, config: PruneConfig) -> "dict[str, ScoredGroup]":
    """The channel groups that channels may be dropped from: those that are not excluded, and have importances."""
    scored = {
        group.name: ScoredGroup(group, importances[group.name], config)
        for group in prunable(spec, config.exclude)
        if group.name in importances
    }
    if not scored:
        raise UsageError(
            f"{config.method} scores no channel group that is not excluded", "Choose another `importance`."
        )
    return scored


def prunable(spec: ModelSpec, exclude: tuple[str, ...]) -> list[ChannelGroup]:
    """The channel groups that are not excluded. Raises UsageError where all are, or a pattern matches none.

    And UnavailableError for a network of which no channel can be dropped.
    """
    if missing := fixed_channels(spec):
        raise unavailable_error(missing)
    groups = channel_groups(spec)
    excluded = matching([group.name for group in groups], exclude, "channel group")
    if included := [group for group in groups if group.name not in excluded]:
        return included
    raise UsageError("every channel group is excluded: nothing can be pruned", "Name fewer in `exclude`.")


class ScoredGroup:
    """A channel group with a score for each channel, or for each set that a group norm normalises together."""

    def __init__(self, group: ChannelGroup, importances: NDArray[np.float64], config: PruneConfig) -> None:
        self.group = group
        self.scores = importances.reshape(-1, group.norm_group_size).mean(axis=1)
        self.multiple = math.lcm(group.norm_group_size, config.round_to)
        self.least = max(math.ceil(group.channels * config.min_share), 1)

    def wider(self, kept: tuple[int, ...]) -> tuple[int, ...]:
        """The same with a multiple more, or all."""
        return self.kept((len(kept) + self.multiple) // self.group.norm_group_size)

    def narrower(self, kept: tuple[int, ...], multiples: int) -> tuple[int, ...]:
        """The same with so many multiples less, but never fewer than the least share."""
        left = math.ceil(len(kept) / self.multiple) - multiples
        return self.kept(left * self.multiple // self.group.norm_group_size)

    def kept(self, count: int) -> tuple[int, ...]:
        """The channels of the best `count` scores: rounded up to the multiple, and never fewer than the least share."""
        size = self.group.norm_group_size
        channels = max(count * size, self.least)
        channels = min(math.ceil(channels / self.multiple) * self.multiple, self.group.width)
        return most_important(self.group, self.scores, channels // size)


def most_important(group: ChannelGroup, scores: NDArray[np.float64], count: int) -> tuple[int, ...]:
    """The channels of the `count` best scores, of those that the channel group keeps."""
    best, size = np.sort(np.argsort(scores, kind="stable")[len(scores) - count :]), group.norm_group_size
    return tuple(group.kept[position * size + i] for position in best for i in range(size))


def with_channels(spec: ModelSpec, kept: dict[str, tuple[int, ...]]) -> ModelSpec:
    """The network in which these channel groups keep only these channels. A plan does not name unpruned groups."""
    plan = plan_of(spec)
    unpruned = {group.name: group.channels for group in channel_groups(spec)}
    channels = {name: chosen for name, chosen in {**plan.channels, **kept}.items() if len(chosen) < unpruned[name]}
    return with_plan(spec, msgspec.structs.replace(plan, channels=channels))


def matching(names: list[str], patterns: tuple[str, ...], what: str) -> set[str]:
    """The names that any pattern matches. Raises UsageError for a pattern that matches none."""
    for pattern in patterns:
        if not matched(names, (pattern,)):
            raise UsageError(f"{pattern!r} matches no {what}", f"This network's are: {', '.join(names)}.")
    return set(matched(names, patterns))


def matched(names: list[str], patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The names that any pattern matches."""
    return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
