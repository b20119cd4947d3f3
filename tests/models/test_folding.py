import msgspec
import pytest
import torch
from torch import nn

from reszoo.core.types import ModelSpec
from reszoo.models import build, spec_of
from reszoo.models.folding import folded
from reszoo.models.resnet import ResNet


def spec(name: str, **changes: object) -> ModelSpec:
    return msgspec.structs.replace(spec_of(name), input=(3, 32, 32), **changes)


def in_use(spec: ModelSpec) -> ResNet:
    """With statistics and scales that are not the first ones, as after training."""
    torch.manual_seed(0)
    network = build(spec)
    for norm in batch_norms(network):
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            tensor.uniform_(0.5, 1.5)
    return network


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
@pytest.mark.parametrize(
    ("spec", "left"),
    [
        (spec("resnet8_v1"), 0),
        (spec("resnet18_v1"), 0),  # projections and a max pool
        (spec("resnet50_v1_cifar"), 0),
        (spec("resnet14_plain"), 0),
        (spec("resnet8_v1", se_ratio=4), 0),
        (spec("resnet20_v2"), 9 + 1),  # the first of each block, and the last of all
        (spec("resnet50_v2_cifar"), 16 + 1),
        (spec("resnet8_v2", skip="gate"), 3 + 1),
    ],
    ids=lambda value: (
        f"{value.family}-{value.block_type}-{sum(value.depths)}" if isinstance(value, ModelSpec) else None
    ),
)
def test_a_folded_network_answers_as_before(spec: ModelSpec, left: int) -> None:
    network = in_use(spec)
    images = torch.randn(4, *spec.input)
    expected = network.eval()(images)
    short = folded(network)
    assert len(batch_norms(short)) == left
    torch.testing.assert_close(short(images), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    torch.testing.assert_close(network(images), expected)  # which is left as it was


@pytest.mark.parametrize("norm", ["group", "none"])
def test_other_norms_stay_as_they_are(norm: str) -> None:
    network = build(spec("resnet8_v1", norm=norm)).eval()
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(folded(network)(images), network(images))
