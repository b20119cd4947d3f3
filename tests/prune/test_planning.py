"""From importances to plans: which channels are removed first, and how many."""

import msgspec
import numpy as np
import pytest
from families import BASE, FAMILIES

from reszoo.core.errors import UnavailableError, UsageError
from reszoo.core.types import ChannelPlan, ModelSpec
from reszoo.models import spec_of
from reszoo.models.channels import channel_groups
from reszoo.models.cost import cost_of
from reszoo.prune import PruneConfig, planning
from reszoo.prune.importance import Importances
from reszoo.prune.planning import Cost, UnreachableError
from reszoo.prune.pruning import check_options
from reszoo.prune.ranking import order

STREAM, FIRST, SECOND = "stages.0", "stages.0.0.convs.0", "stages.0.1.convs.0"


def width(spec: ModelSpec) -> float:
    """A cost that is easy to follow: the number of channels."""
    return sum(group.width for group in channel_groups(spec))


def choose_channels(
    spec: ModelSpec, importances: Importances, config: PruneConfig, cost: Cost, limit: float
) -> ModelSpec:
    return planning.choose_channels(spec, importances, config, cost, limit, cost(spec))


def drawn(spec: ModelSpec, seed: int = 0) -> Importances:
    random = np.random.default_rng(seed)
    return {group.name: random.random(group.width) for group in channel_groups(spec)}


def widths(spec: ModelSpec) -> dict[str, int]:
    return {group.name: group.width for group in channel_groups(spec)}


def test_local_ranking_takes_the_same_share_everywhere() -> None:
    spec = spec_of("resnet20_v1")
    found = choose_channels(spec, drawn(spec), PruneConfig(ranking="local"), width, width(spec) / 2)
    assert all(abs(group.width - group.channels / 2) <= 1 for group in channel_groups(found))


def test_global_ranking_takes_the_least_important_wherever_they_are() -> None:
    scores = {"stages.0": np.array([0.5, 0.9]), "stages.1": np.array([0.1, 0.2, 0.7])}
    assert order(BASE, scores, "global") == ["stages.1", "stages.1", "stages.0", "stages.1", "stages.0"]
    assert order(BASE, scores, "local") == ["stages.1", "stages.0", "stages.1", "stages.0", "stages.1"]


def test_isomorphic_ranking_compares_groups_with_equal_surroundings_only() -> None:
    """The inner convolutions matter less than the stream throughout, and one of them less than the other."""
    scores = {STREAM: np.arange(4) + 100.0, FIRST: np.arange(4) + 10.0, SECOND: np.arange(4) + 1.0}
    removed = order(BASE, scores, "isomorphic")[:6]
    assert {name: removed.count(name) for name in scores} == {STREAM: 2, FIRST: 0, SECOND: 4}


def test_the_most_important_channels_stay() -> None:
    spec = spec_of("resnet8_v1")
    scores = drawn(spec)
    found = choose_channels(spec, scores, PruneConfig(), width, width(spec) / 2)
    for group in channel_groups(found):
        best = np.argsort(scores[group.name])[group.channels - group.width :]
        assert group.kept == tuple(sorted(best.tolist()))


def test_it_stops_at_the_first_network_that_is_cheap_enough() -> None:
    spec = spec_of("resnet8_v1")
    found = choose_channels(spec, drawn(spec), PruneConfig(), width, 0.7 * width(spec))
    assert width(found) == int(0.7 * width(spec))


@pytest.mark.parametrize("multiple", [1, 8])
def test_counts_are_multiples_and_a_share_stays(multiple: int) -> None:
    spec = spec_of("resnet20_v1")
    config = PruneConfig(ranking="global", round_to=multiple, min_share=0.3, exclude=("stages.2.*",))
    scores = drawn(spec)
    scores["stages.0"] *= 1e-6
    macs = cost_of(spec).macs
    found = choose_channels(spec, scores, config, lambda s: cost_of(s).macs, 0.6 * macs)
    assert cost_of(found).macs <= 0.6 * macs
    for group in channel_groups(found):
        assert group.width % multiple == 0
        assert group.width >= 0.3 * group.channels
        assert not group.name.startswith("stages.2.") or group.width == group.channels
    assert widths(found)["stages.0"] == (5 if multiple == 1 else 8)


def test_a_small_network_comes_as_near_as_its_multiples_allow() -> None:
    """One multiple of the residual stream is a tenth of it: what else can come back does."""
    spec, config = spec_of("resnet8_v1"), PruneConfig(round_to=8)
    limit = 0.5 * cost_of(spec).macs
    for seed in range(5):
        scores = drawn(spec, seed)
        found = choose_channels(spec, scores, config, lambda s: cost_of(s).macs, limit)
        assert 0.9 * limit < cost_of(found).macs <= limit
        scored = planning.scored_groups(spec, scores, config)
        for group in channel_groups(found):
            more = scored[group.name].wider(group.kept)
            larger = planning.with_channels(found, {group.name: more})
            assert more == group.kept or cost_of(larger).macs > limit


def test_groups_of_a_norm_go_as_a_whole() -> None:
    spec = FAMILIES["v1, group norms"]
    found = choose_channels(spec, drawn(spec), PruneConfig(), width, width(spec) / 2)
    assert width(found) <= width(spec) / 2  # a plan that cuts through a group would have been refused


def test_a_pruned_network_is_pruned_further_in_the_numbers_of_the_unpruned() -> None:
    spec = spec_of("resnet8_v1")
    first = choose_channels(spec, drawn(spec), PruneConfig(), width, 0.6 * width(spec))
    second = choose_channels(first, drawn(first), PruneConfig(), width, 0.3 * width(spec))
    for before, after in zip(channel_groups(first), channel_groups(second), strict=True):
        assert set(after.kept) <= set(before.kept)


def test_an_unreachable_target_names_one_that_can_be_reached() -> None:
    """In shares of the network that was given, and rounded up: what is named can be asked for."""
    spec, config = spec_of("resnet8_v1"), PruneConfig(min_share=0.5)
    with pytest.raises(
        UnreachableError, match=r"a cost of 0\.1 of the network's cannot be reached: the nearest is 0\.5"
    ):
        choose_channels(spec, drawn(spec), config, width, 0.1 * width(spec))
    with pytest.raises(UnreachableError, match=r"a cost of 0\.05 of .* the nearest is 0\.25"):
        planning.choose_channels(spec, drawn(spec), config, width, 0.1 * width(spec), 2 * width(spec))
    with pytest.raises(UnreachableError) as caught:
        choose_channels(spec, drawn(spec), PruneConfig(min_share=0.3), width, 1)
    nearest = float(str(caught.value).partition("nearest is ")[2].split()[0])
    assert width(choose_channels(spec, drawn(spec), PruneConfig(min_share=0.3), width, nearest * width(spec)))


def test_patterns_that_match_nothing_are_refused() -> None:
    spec = spec_of("resnet8_v1")
    with pytest.raises(UsageError, match=r"'layer1\.\*' matches no channel group(?s:.*)stages.0.0.convs.0"):
        choose_channels(spec, drawn(spec), PruneConfig(exclude=("layer1.*",)), width, 10)
    with pytest.raises(UsageError, match="every channel group is excluded"):
        choose_channels(spec, drawn(spec), PruneConfig(exclude=("*",)), width, 10)


def test_costs_are_asked_for_once() -> None:
    """A cost may be an expensive one."""
    spec = spec_of("resnet20_v1")
    asked: list[tuple[int, ...]] = []

    def cost(candidate: ModelSpec) -> float:
        asked.append(tuple(group.width for group in channel_groups(candidate)))
        return width(candidate)

    choose_channels(spec, drawn(spec), msgspec.structs.replace(PruneConfig(), round_to=8), cost, width(spec) / 2)
    assert len(asked) == len(set(asked))
    assert len(asked) <= 12 + 4 * len(channel_groups(spec))


@pytest.mark.parametrize(
    ("name", "says"), [("v2, dense", "has two branches"), ("v2, layer norms", "normalises all channels together")]
)
def test_a_network_of_which_no_channel_can_be_dropped_says_why(name: str, says: str) -> None:
    spec = FAMILIES[name]
    with pytest.raises(UnavailableError, match=rf"{says}(?s:.*)`blocks=True`"):
        check_options(spec, PruneConfig())
    with pytest.raises(UnavailableError, match=says):
        channel_groups(msgspec.structs.replace(spec, plan=ChannelPlan(channels={"stages.0": (0, 1)})))
    check_options(spec, PruneConfig(remove="blocks", importance="random"))
