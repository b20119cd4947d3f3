"""Weights to torchvision and timm, and back: strictly loaded there, with the same logits, and the same when back."""

from collections.abc import Callable

import msgspec
import pytest
import timm
import torch
import torchvision
from families import half
from foreign import randomise
from torch import nn

from reszoo import zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import ModelSpec
from reszoo.models import build, spec_of

TORCHVISION = "resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2 wide_resnet101_2".split()
TIMM = "resnetv2_18 resnetv2_34 resnetv2_50 resnetv2_101 resnetv2_152".split()


def theirs(name: str) -> nn.Module:
    is_v2 = name.startswith("resnetv2")
    return (timm.create_model(name) if is_v2 else torchvision.models.get_model(name, weights=None)).eval()


def spec(name: str) -> ModelSpec:
    is_v2 = name.startswith("resnetv2")
    return spec_of(name.replace("resnetv2_", "resnet") + "_v2" if is_v2 else f"{name}_v1")


def ways(name: str) -> tuple[Callable[..., dict[str, torch.Tensor]], Callable[..., nn.Module]]:
    if name.startswith("resnetv2"):
        return zoo.to_timm, zoo.from_timm
    return zoo.to_torchvision, zoo.from_torchvision


@pytest.mark.long("resnet101", "resnet152", "wide_resnet101_2", "resnetv2_101", "resnetv2_152")
@pytest.mark.parametrize("name", [*TORCHVISION, *TIMM])
def test_their_network_with_our_weights_gives_our_logits(name: str) -> None:
    there, back = ways(name)
    ours, other = randomise(build(spec(name))), theirs(name)
    state = there(ours)
    other.load_state_dict(state, strict=True)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = ours(images), other(images)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    returned = back(other.state_dict(), spec(name))
    assert not returned.training
    assert list(returned.state_dict()) == list(ours.state_dict())
    assert all(torch.equal(tensor, ours.state_dict()[key]) for key, tensor in returned.state_dict().items())
    again = there(returned)
    assert list(again) == list(state)
    assert all(torch.equal(tensor, state[key]) for key, tensor in again.items())


def test_other_numbers_of_classes_and_blocks_are_no_obstacle() -> None:
    mine = msgspec.structs.replace(spec_of("resnet18_v1"), num_classes=7, depths=(1, 1, 3, 1), stochastic_depth=0.2)
    block = torchvision.models.resnet.BasicBlock
    other = torchvision.models.ResNet(block, [1, 1, 3, 1], num_classes=7)
    other.load_state_dict(zoo.to_torchvision(build(mine)), strict=True)
    assert zoo.from_torchvision(other.state_dict(), mine).spec == mine


REFUSED = {
    "resnet20_v1": "its stem is 'cifar', not 'imagenet'; its stem_width is 16, not 64; its widths",
    "resnet20_v2": "its family is 'v2', not 'v1'",
    "resnet18_v1_cifar": "its stem is 'cifar', not 'imagenet'$",
    "resnet20_plain": "its family is 'plain', not 'v1'",
}
CHANGES: dict[str, dict[str, object]] = {
    "its shortcut is 'A', not 'B'$": {"shortcut": "A"},
    "its norm is 'group', not 'batch'$": {"norm": "group"},
    "its activation is 'silu', not 'relu'$": {"activation": "silu"},
    "its skip is 'scale', not 'identity'$": {"skip": "scale"},
    "its se_ratio is 16, not 0$": {"se_ratio": 16},
}


@pytest.mark.parametrize(("name", "why"), REFUSED.items())
def test_a_structure_that_is_not_theirs_is_refused_with_what_differs(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"structure of torchvision's: (?m:{why})"):
        zoo.to_torchvision(build(spec_of(name)))


@pytest.mark.parametrize(("why", "changes"), CHANGES.items())
def test_parts_that_they_do_not_have(why: str, changes: dict[str, object]) -> None:
    for family, there in (("v1", zoo.to_torchvision), ("v2", zoo.to_timm)):
        changed = msgspec.structs.replace(spec_of(f"resnet18_{family}"), **changes)
        with torch.device("meta"), pytest.raises(UsageError, match=f"(?m:{why})"):
            there(build(changed))


def test_pruned_networks_and_those_of_the_other_library_are_refused() -> None:
    with pytest.raises(UsageError, match="it is pruned"):
        zoo.to_torchvision(build(half(spec_of("resnet18_v1"))))
    with pytest.raises(UsageError, match="structure of timm's: its family is 'v1', not 'v2'"):
        zoo.from_timm({}, spec_of("resnet18_v1"))
    with pytest.raises(UsageError, match="its bottleneck_width is 2, not 1"):
        zoo.to_timm(build(msgspec.structs.replace(spec_of("resnet50_v2"), bottleneck_width=2)))


def test_the_weights_of_another_depth_are_refused() -> None:
    with pytest.raises(ReszooError, match=r"the state dict: stages\.0\.2\.convs\.0\.weight is missing"):
        zoo.from_torchvision(theirs("resnet18").state_dict(), spec_of("resnet34_v1"))
