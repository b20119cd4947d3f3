"""The channel groups of a network, and the plans that do not fit one."""

import msgspec
import pytest

from reszoo.core.errors import UsageError
from reszoo.core.types import ChannelPlan, ModelSpec
from reszoo.models import build, spec_of
from reszoo.models.channels import Layout, channel_groups, layout


def planned(name: str, channels: dict[str, tuple[int, ...]], blocks: dict[str, tuple[int, ...]]) -> ModelSpec:
    return msgspec.structs.replace(spec_of(name), plan=ChannelPlan(channels=channels, blocks=blocks))


def names(spec: ModelSpec) -> list[str]:
    return [group.name for group in channel_groups(spec)]


def test_identities_join_a_stage_into_one_stream() -> None:
    inner = [f"stages.{stage}.0.convs.0" for stage in range(3)]
    assert names(spec_of("resnet8_v1")) == ["stages.0", inner[0], inner[1], "stages.1", inner[2], "stages.2"]
    # The stem of a wide network is narrower than its first stage: a projection parts them.
    assert names(spec_of("wide_resnet10_4_v2"))[0] == "stem"


def test_without_identities_every_unit_has_an_output_of_its_own() -> None:
    wanted = ["stem", "stages.0.0.convs.0", "stages.0.0", "stages.0.1.convs.0", "stages.0.1"]
    assert names(spec_of("resnet14_plain"))[:5] == wanted
    assert names(msgspec.structs.replace(spec_of("resnet14_v1"), shortcut="C"))[:5] == wanted


def test_kept_units_keep_their_numbers() -> None:
    spec = planned("resnet20_v1", {"stages.0": (1, 2, 9)}, {"stages.0": (2,), "stages.2": (0, 2)})
    model = build(spec)
    assert [list(dict(stage.named_children())) for stage in model.stages] == [["2"], ["0", "1", "2"], ["0", "2"]]
    assert model.state_dict()["stages.0.2.convs.0.weight"].shape == (16, 3, 3, 3)
    assert model.state_dict()["stem.conv.weight"].shape == (3, 3, 3, 3)


@pytest.mark.parametrize(
    ("name", "channels", "blocks", "problem"),
    [
        ("resnet8_v1", {"stages.1.0.convs.1": (0,)}, {}, r"unknown channel group in the plan(?s:.*)stages.1.0.convs.0"),
        ("resnet8_v1", {"stages.0": (3, 16)}, {}, "keeps channel 16 of stages.0, which has 16 channels"),
        ("resnet20_v1", {"stages.0.1.convs.0": (0,)}, {"stages.0": (0, 2)}, "unknown channel group in the plan"),
        ("resnet20_v1", {}, {"stages.1": (1, 2)}, "stages.1.0 cannot be removed: its shortcut is not an identity"),
        ("resnet20_plain", {}, {"stages.0": (0, 1)}, "stages.0.2 cannot be removed"),
    ],
)
def test_a_plan_for_another_network_is_refused(
    name: str, channels: dict[str, tuple[int, ...]], blocks: dict[str, tuple[int, ...]], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        build(planned(name, channels, blocks))


@pytest.mark.parametrize(
    ("channels", "blocks", "problem"),
    [
        ({"stages.0": (-1, 1)}, {}, "negative"),
        ({"stages.0": (2, 1)}, {}, "not sorted, or not unique"),
        ({"stages.0": (1, 1)}, {}, "not sorted, or not unique"),
        ({"stages.0": ()}, {}, "keeps no channel of stages.0"),
        ({}, {"stages.3": (0,)}, "names stages.3, but the stages are stages.0, stages.1, stages.2"),
        ({}, {"stages.0": (0, 3)}, "keeps block 3 of stages.0, which has 3 blocks"),
    ],
)
def test_a_plan_that_no_network_can_have_is_refused(
    channels: dict[str, tuple[int, ...]], blocks: dict[str, tuple[int, ...]], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        planned("resnet20_v1", channels, blocks)


def test_what_a_group_norm_normalises_together_stays_together() -> None:
    spec = msgspec.structs.replace(spec_of("resnet18_v1"), norm="group")  # 32 groups of 2, 4, 8 and 16 channels

    def with_plan(kept: tuple[int, ...]) -> Layout:
        return layout(msgspec.structs.replace(spec, plan=ChannelPlan(channels={"stages.0": kept})))

    assert with_plan((4, 5, 10, 11)).stem.width == 4
    with pytest.raises(
        UsageError, match=r"splits channels of stages\.0 that its group norms normalise together, 2 at a time"
    ):
        with_plan((4, 5, 10))
