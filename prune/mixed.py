"""Mixed plans: blocks and channels are removed together, whatever loses least for what it saves.

A move removes one block, or some of the least important channels of one channel group. What moves lose has one
currency: the loss on training images of the network after the move (for blocks: Veit et al. 2016, section 4.1). What
they save is the cost's, as seconds of a table of latencies. The move that loses least for what it saves is made, until
the limit is met.

A loss takes a forward pass over all images, so few are measured: one that was measured in an earlier network stands
until its move would be the next. As a network shrinks, what a move loses mostly grows. So a move that is the best even
when it is measured anew is the best of all (Minoux 1978, "Accelerated greedy algorithms").
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..core.types import ModelSpec
from ..models.pruning import channel_groups, layout
from .config import PruneConfig
from .depth import check_removable, removable, without
from .importance import Importances, check_finite
from .planning import (
    WAYS_OUT,
    Cost,
    Kept,
    ScoredGroup,
    UnreachableError,
    filled,
    matched,
    matching,
    prunable,
    with_channels,
)

Loss = Callable[[ModelSpec], float]
FREE = 1e-6  # what a move that loses nothing is taken to lose, so that of such moves the one that saves most is made
PARTS = 8  # a move takes about an eighth of the channels that a channel group has in the unpruned network, in multiples


class Left(NamedTuple):
    """What is left of a network: the channels of each channel group that may be pruned, without the removed blocks."""

    kept: Kept
    removed: tuple[str, ...] = ()


def choose_moves(
    spec: ModelSpec,
    importances: Importances,
    config: PruneConfig,
    cost: Cost,
    limit: float,
    full_cost: float,
    loss: Loss,
) -> ModelSpec:
    """The network after the best moves, as few as make `cost(network) <= limit`. What fits comes back, the last first.

    Raises UnreachableError, in shares of `full_cost`, where no moves that save something lead there.
    """
    moves, made = Moves(spec, importances, config, cost), list[str]()
    if (least := moves.cost(moves.least)) > limit:
        raise UnreachableError(limit, least, full_cost, WAYS_OUT["mixed"])
    left, losses = moves.start, dict[str, float]()
    while moves.cost(left) > limit:
        if not (after := moves.after(left)):
            raise UnreachableError(limit, moves.cost(left), full_cost, WAYS_OUT["mixed"])
        name = _best(moves, left, after, losses, loss)
        left = after[name]
        made.append(name)
    last_first = dict.fromkeys(reversed(made))
    return moves.network(filled(left, last_first, moves.back, lambda larger: moves.cost(larger) <= limit))


def _best(moves: "Moves", left: Left, after: Mapping[str, Left], losses: dict[str, float], loss: Loss) -> str:
    """The move that loses least for what it saves. `losses` is what each lost when it was measured last, if it was."""
    now, costs, fresh = loss(moves.network(left)), moves.cost(left), set[str]()
    while True:
        name = min(after, key=lambda name: max(losses.get(name, 0.0), FREE) / (costs - moves.cost(after[name])))
        if name in fresh:
            return name
        losses[name] = loss(moves.network(after[name])) - now
        check_finite(name, losses[name])
        fresh.add(name)


class Moves:
    """All moves that may be made in the network `spec`."""

    def __init__(self, spec: ModelSpec, importances: Importances, config: PruneConfig, cost: Cost) -> None:
        blocks, groups = excluded(spec, config.exclude)
        self.spec = spec
        self.blocks = removable(spec, blocks)
        self.groups = {
            group.name: ScoredGroup(group, importances[group.name], config)
            for group in channel_groups(spec)
            if group.name in importances and group.name not in groups
        }
        self.start = Left({name: scored.group.kept for name, scored in self.groups.items()})
        self.least = Left({name: scored.kept(0) for name, scored in self.groups.items()}, tuple(self.blocks))
        self._cost = cost
        self._costs: dict[tuple[frozenset[str], tuple[int, ...]], float] = {}

    def network(self, left: Left) -> ModelSpec:
        spec = without(self.spec, *left.removed)
        there = {group.name for group in channel_groups(spec)}
        return with_channels(spec, {name: kept for name, kept in left.kept.items() if name in there})

    def cost(self, left: Left) -> float:
        key = frozenset(left.removed), tuple(map(len, left.kept.values()))  # the counts tell which channels
        if key not in self._costs:
            self._costs[key] = self._cost(self.network(left))
        return self._costs[key]

    def after(self, left: Left) -> dict[str, Left]:
        """What is left after each move that saves something."""
        there = [name for name in self.blocks if name not in left.removed]
        found = {name: left._replace(removed=(*left.removed, name)) for name in there}
        gone = tuple(f"{block}." for block in left.removed)
        found |= {name: self._narrowed(left, name) for name in self.groups if not name.startswith(gone)}
        return {name: smaller for name, smaller in found.items() if self.cost(smaller) < self.cost(left)}

    def back(self, left: Left, name: str) -> Left:
        """With that block again, or with a multiple more of that channel group."""
        if name in self.groups:
            return left._replace(kept={**left.kept, name: self.groups[name].wider(left.kept[name])})
        return left._replace(removed=tuple(block for block in left.removed if block != name))

    def _narrowed(self, left: Left, name: str) -> Left:
        """Without a part of the channel group: where a kernel takes as long for fewer, without several."""
        scored, kept = self.groups[name], left.kept[name]
        multiples = max(round(scored.group.channels / PARTS / scored.multiple), 1)
        while len(fewer := scored.narrower(kept, multiples)) < len(kept):
            smaller, kept = left._replace(kept={**left.kept, name: fewer}), fewer
            if self.cost(smaller) < self.cost(left):
                return smaller
        return left


def check_moves(spec: ModelSpec, exclude: tuple[str, ...]) -> None:
    """Raises UsageError where no block or no channels may be removed, or a pattern matches neither."""
    names = [*(block.name for block in layout(spec).blocks), *(group.name for group in channel_groups(spec))]
    matching(names, exclude, "block or channel group")
    blocks, groups = excluded(spec, exclude)
    check_removable(spec, blocks)
    prunable(spec, groups)


def excluded(spec: ModelSpec, patterns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The blocks and the channel groups that any of the patterns matches."""
    blocks, groups = layout(spec).blocks, channel_groups(spec)
    return matched([block.name for block in blocks], patterns), matched([group.name for group in groups], patterns)
