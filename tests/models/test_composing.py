"""Blocks one by one, and networks from a plain dict."""

from typing import Any

import pytest
import torch
from torch import nn

from reszoo.core.errors import UsageError
from reszoo.models import block, build, from_config, spec_of
from reszoo.models.probes import blocks_of, verify_identity


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"out_channels": 16}, (2, 16, 9, 8)),
        ({"out_channels": 24}, (2, 24, 9, 8)),
        ({"out_channels": 32, "stride": 2, "family": "v1", "shortcut": "A"}, (2, 32, 5, 4)),
        ({"out_channels": 16, "stride": 2, "block_type": "bottleneck", "skip": "attention"}, (2, 16, 5, 4)),
        ({"out_channels": 20, "family": "plain", "norm": "none", "drop": 0.5}, (2, 20, 9, 8)),
    ],
)
def test_a_block_has_the_channels_and_the_stride_that_it_is_given(
    arguments: dict[str, Any], shape: tuple[int, ...]
) -> None:
    made = block(16, **arguments)
    assert made(torch.randn(2, 16, 9, 8)).shape == shape
    made(torch.randn(2, 16, 9, 8)).sum().backward()


def test_a_block_is_an_identity_where_its_branch_gives_nothing() -> None:
    assert verify_identity(block(8, 8, skip="skipinit", norm="none"), torch.randn(2, 8, 4, 4)).distance == 0


def test_a_dict_gives_the_network_that_its_spec_gives() -> None:
    """resnet8_v2 with projections, by both ways: the same modules, and the same answers with the same weights."""
    spec = spec_of("resnet8_v2+shortcut=B")
    widths = [(16, 1), (32, 2), (64, 2)]
    config = {"stages": [{"blocks": [{"out_channels": width, "stride": stride}]} for width, stride in widths]}
    network, other = from_config(config).eval(), build(spec).eval()
    other.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(network(x), other(x))


def test_blocks_of_every_kind_follow_each_other() -> None:
    blocks = [
        {"out_channels": 8, "family": "v2"},
        {"out_channels": 8, "family": "v1", "activation": "silu"},
        {"out_channels": 16, "family": "plain", "stride": 2},
        {"out_channels": 16, "family": "v2", "skip": "dense", "norm": "group"},
    ]
    config = {
        "input": [1, 8, 8],
        "num_classes": 3,
        "stem_width": 4,
        "stages": [{"blocks": blocks[:1]}, {"blocks": blocks[1:]}],
    }
    network = from_config(config)
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 3)
    assert [type(part) for part in network.get_submodule("stages.0.0_final")] == [nn.BatchNorm2d, nn.ReLU]
    assert [type(part) for part in network.get_submodule("final")] == [nn.GroupNorm, nn.ReLU]
    assert [type(part) for part in network.get_submodule("stem")] == [nn.Conv2d]  # a v2 block is first
    assert [made.family for made in blocks_of(network).values()] == ["v2", "v1", "plain", "v2"]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "the network has no list of dicts 'stages'"),
        ({"stages": []}, "no list of dicts 'stages'"),
        ({"stages": [{"blocks": [3]}]}, r"stages\[0\] has no list of dicts 'blocks'"),
        ({"stages": [{"block": []}]}, r"stages\[0\] has no 'block'(?s:.*)It has blocks"),
        ({"depth": 3, "stages": []}, "the network has no 'depth'(?s:.*)num_classes"),
        ({"stem": "vit", "stages": [{"blocks": [{"out_channels": 8}]}]}, "unknown stem 'vit'(?s:.*)cifar"),
    ],
)
def test_a_dict_that_is_no_network_is_refused_with_the_place(config: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        from_config(config)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"out": 8}, "a block has no 'out'(?s:.*)It has out_channels"),
        ({}, "a block has no out_channels"),
        ({"out_channels": 8, "skip": "gates"}, "skip='gates'(?s:.*)Choose from identity"),
        ({"out_channels": 18, "block_type": "bottleneck"}, "multiple of 4"),
        ({"out_channels": 8, "stride": 3}, "stride=3"),
        ({"out_channels": "many"}, "out_channels='many'"),
        ({"out_channels": 8, "family": "plain", "skip": "gate"}, "no shortcut"),
    ],
)
def test_a_block_that_cannot_be_is_refused_with_the_place(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=rf"stages\[0\].blocks\[1\]: (?s:.*){says}"):
        from_config({"stages": [{"blocks": [{"out_channels": 8}, fields]}]})
    if "out_channels" in fields:
        with pytest.raises(UsageError, match=says):
            block(8, **fields)
