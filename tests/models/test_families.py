"""What every family answers, whatever its architecture."""

import pytest

from reszoo.core.errors import UnavailableError, UsageError
from reszoo.core.types import ForeignSpec
from reszoo.models import network, pruning
from reszoo.models.network import FAMILIES

FOREIGN = ForeignSpec(builder="theirs", num_classes=10, input=(1, 8, 8))


@pytest.mark.parametrize("ask", [pruning.layout, pruning.layers, pruning.channel_groups, pruning.parts])
def test_a_family_without_plans_says_why_it_cannot_be_pruned(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(UnavailableError, match=r"theirs is built by another package.*\nPrune a residual network"):
        ask(FOREIGN)


def test_stochastic_depth_needs_branches_that_can_be_dropped() -> None:
    assert network.with_stochastic_depth(FOREIGN, 0) == FOREIGN
    with pytest.raises(UsageError, match="networks of other packages have no stochastic depth"):
        network.with_stochastic_depth(FOREIGN, 0.1)


def test_a_network_that_no_package_brings_is_still_described() -> None:
    assert network.description(FOREIGN)["architecture"] == "theirs"
    with pytest.raises(UnavailableError, match="no package that is installed brings the architecture theirs"):
        network.state_shapes(FOREIGN)


def test_a_family_is_found_by_the_type_of_its_specs() -> None:
    assert network.family_of(FOREIGN) is FAMILIES["foreign"]
    assert all(family.name == name for name, family in FAMILIES.items())
