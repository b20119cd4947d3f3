"""From importances to a plan: the least important channels go until the network costs what it may."""

import math
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError, UsageError
from ..core.types import ChannelPlan, ModelSpec
from ..models.channels import Space, spaces
from .config import PruneConfig, Remove
from .importance import Importances
from .ranking import order

Cost = Callable[[ModelSpec], float]

# What may bring a target into reach, by what is removed.
WAYS_OUT: dict[Remove, str] = {
    "channels": "Lower `round_to` or `min_share`, exclude less, or remove units too.",
    "units": "Remove channels too, or exclude fewer units.",
}


class UnreachableError(ReszooError):
    """No network that the options allow costs so little. Told in shares of `whole`; `nearest` can be asked for."""

    def __init__(self, limit: float, nearest: float, whole: float, fix: str) -> None:
        self.nearest, self.share = nearest, nearest / whole
        reachable = math.ceil(1000 * self.share) / 1000
        which = f"the nearest is {reachable:g}" if reachable < 1 else "with these options it can lose nothing"
        super().__init__(f"a cost of {limit / whole:.3g} of the network's cannot be reached: {which}", fix)


def choose_channels(
    spec: ModelSpec, importances: Importances, config: PruneConfig, cost: Cost, limit: float, whole: float
) -> ModelSpec:
    """The largest network, in the order of importance, with `cost(network) <= limit`.

    Raises UnreachableError, in shares of `whole`, if even the least that `config` allows costs more.
    """
    judged = judged_spaces(spec, importances, config)
    sequence = order(spec, {name: one.blocks for name, one in judged.items()}, config.ranking)
    known: dict[tuple[int, ...], float] = {}

    def after(drops: int) -> ModelSpec:
        gone = Counter(sequence[:drops])
        kept = {name: one.kept(len(one.blocks) - gone[name]) for name, one in judged.items()}
        return with_channels(spec, kept)

    def costs(drops: int) -> float:
        pruned = after(drops)
        widths = tuple(space.width for space in spaces(pruned))  # of one sequence, they tell which channels too
        if widths not in known:
            known[widths] = cost(pruned)
        return known[widths]

    too_few, most = 0, len(sequence)
    if costs(most) > limit:
        raise UnreachableError(limit, costs(most), whole, WAYS_OUT["channels"])
    while most - too_few > 1:
        middle = (too_few + most) // 2
        too_few, most = (too_few, middle) if costs(middle) <= limit else (middle, most)
    return after(most)


def judged_spaces(spec: ModelSpec, importances: Importances, config: PruneConfig) -> "dict[str, Judged]":
    """The spaces that channels may be dropped from: those that are not excluded, and have importances."""
    found = {
        space.name: Judged(space, importances[space.name], config)
        for space in prunable(spec, config.exclude)
        if space.name in importances
    }
    if not found:
        raise UsageError(f"{config.method} judges no space that is not excluded", "Choose another `importance`.")
    return found


def prunable(spec: ModelSpec, exclude: tuple[str, ...]) -> list[Space]:
    """The spaces that are not excluded. Raises UsageError where all are, or a pattern matches none."""
    excluded = matching([space.name for space in spaces(spec)], exclude, "space")
    if found := [space for space in spaces(spec) if space.name not in excluded]:
        return found
    raise UsageError("every space is excluded: nothing is left to prune", "Name fewer in `exclude`.")


class Judged:
    """A space with the importances of its blocks: channels, or what a group norm takes together."""

    def __init__(self, space: Space, importances: NDArray[np.float64], config: PruneConfig) -> None:
        self.space = space
        self.blocks = importances.reshape(-1, space.group).mean(axis=1)
        self.multiple = math.lcm(space.group, config.round_to)
        self.least = max(math.ceil(space.channels * config.min_share), 1)

    def kept(self, blocks: int) -> tuple[int, ...]:
        """The channels that stay if `blocks` may: rounded up, and never fewer than the least share."""
        wanted = max(blocks * self.space.group, self.least)
        wanted = min(math.ceil(wanted / self.multiple) * self.multiple, self.space.width)
        return most_important(self.space, self.blocks, wanted // self.space.group)


def most_important(space: Space, blocks: NDArray[np.float64], count: int) -> tuple[int, ...]:
    """The channels of the `count` best blocks of those that the space keeps."""
    best = np.sort(np.argsort(blocks, kind="stable")[len(blocks) - count :])
    return tuple(space.kept[block * space.group + i] for block in best for i in range(space.group))


def with_channels(spec: ModelSpec, kept: dict[str, tuple[int, ...]]) -> ModelSpec:
    """The network with these spaces cut to what is kept. A plan does not name what is whole."""
    plan = spec.plan or ChannelPlan()
    whole = {space.name: space.channels for space in spaces(spec)}
    channels = {name: chosen for name, chosen in {**plan.channels, **kept}.items() if len(chosen) < whole[name]}
    return msgspec.structs.replace(spec, plan=msgspec.structs.replace(plan, channels=channels))


def matching(names: list[str], patterns: tuple[str, ...], what: str) -> set[str]:
    """The names that any pattern matches. Raises UsageError for a pattern that matches none."""
    found: set[str] = set()
    for pattern in patterns:
        matches = [name for name in names if fnmatchcase(name, pattern)]
        if not matches:
            raise UsageError(f"{pattern!r} matches no {what}", f"This network's are: {', '.join(names)}.")
        found.update(matches)
    return found
