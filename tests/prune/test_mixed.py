"""Mixed plans: which moves are made, in which order, and what of them comes back."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from families import BASE, FAMILIES

from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.types import Checkpoint, ModelSpec
from reszoo.models.channels import channel_groups, layout
from reszoo.models.cost import cost_of
from reszoo.models.pruning import with_plan
from reszoo.prune import PruneConfig, UnreachableError, plan_for
from reszoo.prune.importance import Importances
from reszoo.prune.mixed import Moves, choose_moves
from reszoo.prune.planning import Cost
from reszoo.prune.pruning import check_options, plan_with
from reszoo.prune.scoring import Scorer

DEEP = msgspec.structs.replace(BASE, depths=(3, 3), widths=(16, 32), stem_width=16)
MIXED = PruneConfig(remove="mixed", round_to=8)
REMOVABLE = ("stages.0.0", "stages.0.1", "stages.0.2", "stages.1.1", "stages.1.2")
Loss = Callable[[ModelSpec], float]


def macs(spec: ModelSpec) -> float:
    return cost_of(spec).macs


def drawn(spec: ModelSpec, seed: int = 0) -> Importances:
    random = np.random.default_rng(seed)
    return {group.name: random.random(group.width) for group in channel_groups(spec)}


def widths(spec: ModelSpec) -> dict[str, int]:
    return {group.name: group.width for group in channel_groups(spec)}


def blocks(spec: ModelSpec) -> list[str]:
    return [block.name for block in layout(spec).blocks]


def adds_up(of: dict[str, float], whole: ModelSpec = DEEP) -> Loss:
    """A loss that is `of` each block that is missing, and of each channel that a channel group has lost."""

    def loss(spec: ModelSpec) -> float:
        has = widths(spec)
        channels = sum(of[name] * (full - has[name]) for name, full in widths(whole).items() if name in has)
        return channels + sum(of[block] for block in blocks(whole) if block not in blocks(spec))

    return loss


def weighted(seed: int, spec: ModelSpec = DEEP) -> dict[str, float]:
    random = np.random.default_rng(seed)
    return {name: float(random.uniform(0.1, 1)) for name in (*blocks(spec), *widths(spec))}


def chosen(loss: Loss, share: float, cost: Cost = macs, config: PruneConfig = MIXED) -> ModelSpec:
    return choose_moves(DEEP, drawn(DEEP), config, cost, share * cost(DEEP), cost(DEEP), loss)


@pytest.mark.parametrize("seed", range(3))
def test_the_move_that_loses_least_for_what_it_saves_is_made_first(seed: int) -> None:
    """As if every move were measured before each one. What moves lose grows as the network shrinks."""
    adding, config = adds_up(weighted(seed)), msgspec.structs.replace(MIXED, exclude=("*convs*",))
    loss: Loss = lambda spec: adding(spec) ** 2  # noqa: E731
    moves = Moves(DEEP, drawn(DEEP), config, macs)
    left, made = moves.start, 0
    while after := moves.after(left):
        now, before = moves.cost(left), loss(moves.network(left))
        rates = {
            name: (loss(moves.network(smaller)) - before) / (now - moves.cost(smaller))
            for name, smaller in after.items()
        }
        left, made = after[min(rates, key=rates.__getitem__)], made + 1
        asked = (macs(moves.network(left)) + 0.5) / macs(DEEP)
        assert chosen(loss, asked, config=config) == moves.network(left)
    assert made == len(REMOVABLE) + 1 + 3  # two streams, to 8 channels each


def test_few_losses_are_measured() -> None:
    """Fewer than half of those of every move before each one."""
    deeper = msgspec.structs.replace(DEEP, depths=(7, 7))
    asked: set[bytes] = set()
    adding = adds_up(weighted(0, deeper), deeper)

    def loss(spec: ModelSpec) -> float:
        asked.add(msgspec.json.encode(spec))
        return adding(spec) ** 2

    limit = 0.3 * macs(deeper)
    choose_moves(deeper, drawn(deeper), MIXED, macs, limit, macs(deeper), loss)
    moves, every = Moves(deeper, drawn(deeper), MIXED, macs), 0
    left = moves.start
    while (now := moves.cost(left)) > limit:
        after, before = moves.after(left), adding(moves.network(left)) ** 2
        every += len(after)
        rates = [(adding(moves.network(one)) ** 2 - before) / (now - moves.cost(one)) for one in after.values()]
        left = list(after.values())[rates.index(min(rates))]
    assert len(asked) < every / 2


def test_what_saves_nothing_is_never_removed() -> None:
    """However little it loses; here channels of streams are free, and save nothing."""
    of = {name: 1e-9 if name.count(".") == 1 else 1.0 for name in (*blocks(DEEP), *widths(DEEP))}

    def cost(spec: ModelSpec) -> float:
        return sum(group.width for group in channel_groups(spec) if "convs" in group.name)

    found = chosen(adds_up(of), 0.4, cost)
    assert {name: widths(found)[name] for name in ("stages.0", "stages.1")} == {"stages.0": 16, "stages.1": 32}
    with pytest.raises(UnreachableError, match=r"cannot be reached: the nearest is 0\.\d+\nLower `round_to`"):
        chosen(adds_up(of), 0.05, lambda spec: cost(spec) + 100)


def test_where_a_kernel_takes_as_long_for_fewer_channels_several_multiples_go() -> None:
    def cost(spec: ModelSpec) -> float:
        return sum(-(-group.width // 16) for group in channel_groups(spec)) + 10 * len(blocks(spec))

    of = {name: 100.0 if "stages.1." not in name else 1.0 for name in (*blocks(DEEP), *widths(DEEP))}
    of |= dict.fromkeys(REMOVABLE, 1e6)
    found = chosen(adds_up(of), 1 - 1 / cost(DEEP), cost)
    assert sorted(width for name, width in widths(found).items() if name.startswith("stages.1.")) == [16, 32, 32]


@pytest.mark.parametrize("seed", range(5))
def test_what_fits_is_given_back(seed: int) -> None:
    share = (0.35, 0.5, 0.62, 0.71, 0.8)[seed]
    found = chosen(adds_up(weighted(seed)), share)
    assert macs(found) <= share * macs(DEEP)
    moves = Moves(DEEP, drawn(DEEP), MIXED, macs)
    removed = tuple(name for name in REMOVABLE if name not in blocks(found))
    kept = {name: scored.kept(widths(found).get(name, 99)) for name, scored in moves.groups.items()}
    left = moves.start._replace(kept=kept, removed=removed)
    assert moves.network(left) == found
    for name in (*removed, *widths(found)):
        larger = moves.back(left, name)
        assert larger == left or moves.cost(larger) > share * macs(DEEP)


def test_what_is_excluded_stays() -> None:
    config = msgspec.structs.replace(MIXED, exclude=("stages.0*", "stages.1.1"))
    found = chosen(adds_up(weighted(1)), 0.8, config=config)
    assert blocks(found)[:3] == blocks(DEEP)[:3]
    assert "stages.1.1" in blocks(found)
    assert {width for name, width in widths(found).items() if name.startswith("stages.0")} == {16}
    assert widths(found) != widths(DEEP) or blocks(found) != blocks(DEEP)


def test_what_has_nothing_to_mix_says_so() -> None:
    for exclude, says in (
        (("stages.7",), "'stages.7' matches no block or channel group"),
        (("stages.?.?",), "no block of this network can be removed"),
        (("stages.?", "*convs*"), "every channel group is excluded"),
    ):
        with pytest.raises(UsageError, match=says):
            check_options(DEEP, msgspec.structs.replace(MIXED, exclude=exclude))
    with pytest.raises(UsageError, match=r"no block of this network can be removed(?s:.*)Remove channels instead"):
        check_options(FAMILIES["plain, option A"], MIXED)
    with pytest.raises(UnavailableError, match="two branches"):
        check_options(FAMILIES["v2, dense"], MIXED)
    with pytest.raises(UsageError, match="unknown importance of mixed 'loss'"):
        PruneConfig(remove="mixed", importance="loss")  # that of channels is meant: blocks always have the loss


def test_a_loss_that_is_no_number_decides_nothing() -> None:
    with pytest.raises(ReszooError, match=r"the importance of stages\.\S+ is NaN or infinite"):
        chosen(lambda spec: float("nan"), 0.5)


def test_a_mixed_plan_loses_less_than_channels_alone(digits: Checkpoint) -> None:
    """The loss on the images that both chose by, at the same cost, without any training."""
    limit = 0.4 * macs(digits.spec)
    mixed, channels = (Scorer(digits, PruneConfig(remove=remove, round_to=4)) for remove in ("mixed", "channels"))
    plans = [plan_with(scorer, macs, limit) for scorer in (mixed, channels)]
    ours, theirs = (mixed.loss(with_plan(digits.spec, plan)) for plan in plans)
    assert ours < theirs


def test_steps_score_channels_anew_and_keep_what_is_excluded(digits_v1: Checkpoint) -> None:
    """The channels of a block that an earlier step has removed can still be named."""
    exclude = ("stages.0.0.convs.0",)
    config = PruneConfig(remove="mixed", steps=3, images=64, exclude=exclude)
    spec = with_plan(digits_v1.spec, plan_for(digits_v1, config, macs, 0.3 * macs(digits_v1.spec)))
    assert 0.2 * macs(digits_v1.spec) < macs(spec) <= 0.3 * macs(digits_v1.spec)
    assert widths(spec).get(exclude[0], 16) == 16


def test_attempts_at_several_limits_measure_a_loss_once(digits_v1: Checkpoint) -> None:
    scorer = Scorer(digits_v1, PruneConfig(remove="mixed", round_to=8, images=64))
    full = macs(digits_v1.spec)
    smaller = plan_with(scorer, macs, 0.4 * full)
    known = len(scorer._losses)
    larger = plan_with(scorer, macs, 0.6 * full)
    assert len(scorer._losses) == known
    assert macs(with_plan(digits_v1.spec, smaller)) < macs(with_plan(digits_v1.spec, larger))
