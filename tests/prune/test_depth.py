"""Which blocks are removed first, and which never."""

import msgspec
import pytest
import torch
from families import BASE, FAMILIES, randomised

from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import ChannelPlan, ModelSpec
from reszoo.models.channels import layout
from reszoo.prune import PruneConfig
from reszoo.prune.calibration import Batches
from reszoo.prune.depth import block_importances, check_removable, choose_blocks, mean_loss, removable, without
from reszoo.prune.planning import UnreachableError

DEEP = msgspec.structs.replace(BASE, depths=(3, 3))


@pytest.fixture(scope="module")
def data() -> Batches:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(16, *DEEP.input, generator=generator), torch.arange(16) % 10)]


@pytest.mark.parametrize("importance", ["loss", "change"])
def test_a_block_that_does_nothing_does_not_matter(importance: str, data: Batches) -> None:
    model = randomised(DEEP).float()
    with torch.no_grad():
        idle = model.get_submodule("stages.1.2").norms[-1]
        idle.weight.zero_()
        idle.bias.zero_()
    found = block_importances(model.state_dict(), DEEP, PruneConfig(remove="blocks", importance=importance), data)
    assert found.keys() == {"stages.0.0", "stages.0.1", "stages.0.2", "stages.1.1", "stages.1.2"}
    if importance == "change":
        assert (
            found["stages.1.2"] == 0 < min(importance for block, importance in found.items() if block != "stages.1.2")
        )
    else:
        assert found["stages.1.2"] == pytest.approx(mean_loss(model, data))
        assert found["stages.0.0"] != pytest.approx(mean_loss(model, data))


@pytest.mark.parametrize("importance", ["loss", "change"])
def test_what_is_not_a_number_decides_nothing(importance: str, data: Batches) -> None:
    model = randomised(DEEP).float()
    with torch.no_grad():
        model.get_submodule("stages.1.2").norms[-1].weight[0] = torch.nan
    with pytest.raises(ReszooError, match=r"the importance of stages\.\S+ is NaN or infinite"):
        block_importances(model.state_dict(), DEEP, PruneConfig(remove="blocks", importance=importance), data)


def number_of_blocks(spec: ModelSpec) -> float:
    return len(layout(spec).blocks)


def test_blocks_are_removed_in_order_until_the_cost_is_met() -> None:
    matter = {"stages.0.0": 3.0, "stages.0.1": 1.0, "stages.0.2": 5.0, "stages.1.1": 2.0, "stages.1.2": 4.0}
    found = choose_blocks(DEEP, matter, number_of_blocks, 4, full_cost=6)
    assert [block.name for block in layout(found).blocks] == ["stages.0.0", "stages.0.2", "stages.1.0", "stages.1.2"]
    with pytest.raises(UnreachableError, match=r"a cost of 0\.05 of .* the nearest is 0\.167"):  # 1 of 6, rounded up
        choose_blocks(DEEP, matter, number_of_blocks, 0.3, full_cost=6)


def test_with_a_block_its_channel_groups_are_removed() -> None:
    plan = ChannelPlan(channels={"stages.1.2.convs.0": (0,), "stages.1": (0, 1)}, blocks={"stages.0": (0, 2)})
    found = without(msgspec.structs.replace(DEEP, plan=plan), "stages.1.2").plan
    assert found == ChannelPlan(channels={"stages.1": (0, 1)}, blocks={"stages.0": (0, 2), "stages.1": (0, 1)})


def test_only_blocks_with_an_identity_can_be_removed() -> None:
    assert removable(DEEP, ("stages.0.*",)) == ["stages.1.1", "stages.1.2"]
    for name in ("plain, option A", "v1, option C"):
        with pytest.raises(UsageError, match="no block of this network can be removed"):
            check_removable(FAMILIES[name], ())
    with pytest.raises(UsageError, match="matches no block"):
        removable(DEEP, ("layer1.*",))
