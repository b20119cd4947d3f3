import itertools
from typing import get_args

import msgspec
import pytest
import torch
from torch import nn

from reszoo.core.types import Activation, ModelSpec, Norm, Skip
from reszoo.models import build, names, spec_of
from reszoo.models.blocks import WeightedAddition, make_padding
from reszoo.models.channels import ChannelGroup
from reszoo.models.cost import cost_of


def small(**changes: object) -> ModelSpec:
    return msgspec.structs.replace(spec_of("resnet8_v1"), input=(3, 16, 16), **changes)


@pytest.mark.parametrize("name", [n for n in names() if "1202" not in n and "1001" not in n])
def test_every_listed_network_gives_logits(name: str) -> None:
    spec = spec_of(name)
    with torch.device("meta"):
        assert build(spec)(torch.empty(2, *spec.input)).shape == (2, spec.num_classes)


# Parameters in millions as the papers print them: He et al. 2015, tables 1 and 6; He et al. 2016, table 4
# (1001 layers: 10.2 there; with a projection in each stage's first block it is 10.3).
@pytest.mark.parametrize(
    ("name", "millions", "within"),
    [
        ("resnet20_v1", 0.27, 0.005),
        ("resnet32_v1", 0.46, 0.01),
        ("resnet44_v1", 0.66, 0.01),
        ("resnet56_v1", 0.85, 0.01),
        ("resnet110_v1", 1.7, 0.05),
        ("resnet1202_v1", 19.4, 0.1),
        ("resnet164_v2", 1.7, 0.05),
        ("resnet1001_v2", 10.2, 0.15),
        ("wide_resnet28_10_v2", 36.5, 0.05),
        ("resnet50_v1", 25.56, 0.01),
        ("resnet50_v2", 25.55, 0.01),
    ],
)
def test_parameter_counts_are_the_papers(name: str, millions: float, within: float) -> None:
    assert cost_of(spec_of(name)).params / 1e6 == pytest.approx(millions, abs=within)


# Published MACs: github.com/chenyaofo/pytorch-cifar-models (projection shortcuts) and torchvision's model pages.
@pytest.mark.parametrize(
    ("name", "shortcut", "millions"),
    [
        ("resnet20_v1", "B", 40.81),
        ("resnet32_v1", "B", 69.12),
        ("resnet44_v1", "B", 97.44),
        ("resnet56_v1", "B", 125.75),
        ("resnet18_v1", "B", 1814),
        ("resnet50_v1", "B", 4089),
        ("wide_resnet50_2_v1", "B", 11398),
    ],
)
def test_macs_are_the_published_ones(name: str, shortcut: str, millions: float) -> None:
    spec = msgspec.structs.replace(spec_of(name), shortcut=shortcut)
    assert cost_of(spec).macs / 1e6 == pytest.approx(millions, rel=2e-3)


def test_layer_costs_add_up_and_are_named_as_in_the_state_dict() -> None:
    spec = spec_of("resnet20_v2")
    cost = cost_of(spec)
    assert sum(layer.macs for layer in cost.layers) == cost.macs
    assert {f"{layer.name}.weight" for layer in cost.layers} <= build(spec).state_dict().keys()
    assert cost.layers[0].output == (16, 32, 32)
    assert cost.layers[0].macs == 3 * 16 * 9 * 32 * 32


def test_option_a_adds_no_parameters_and_plain_has_no_shortcut() -> None:
    shapes = {name: cost_of(spec_of(f"resnet20_{name}")).params for name in ("v1", "v2", "plain")}
    assert shapes["v1"] == shapes["plain"] == shapes["v2"]
    assert not [name for name, _ in build(spec_of("resnet20_v1")).named_parameters() if "shortcut" in name]


@pytest.mark.parametrize(("channels", "out", "stride"), [(4, 8, 2), (4, 7, 2), (4, 8, 1)])
def test_option_a_is_exactly_subsampling_and_zero_padding(channels: int, out: int, stride: int) -> None:
    x = torch.randn(2, channels, 9, 8)
    before = (out - channels) // 2
    expected = torch.zeros(2, out, *x[:, :, ::stride, ::stride].shape[2:])
    expected[:, before : before + channels] = x[:, :, ::stride, ::stride]
    source, target = (ChannelGroup(name="", channels=n, kept=tuple(range(n))) for n in (channels, out))
    assert torch.equal(make_padding(source, target, stride)(x), expected)


@torch.no_grad()
def test_families_differ_in_the_order_of_operations_and_in_one_addition() -> None:
    """With every branch's last norm (or convolution) at zero, v1 and v2 are their shortcuts and plain is nothing."""
    x = torch.rand(2, 16, 8, 8)  # not negative, so that v1's last activation changes nothing
    outputs = {}
    for family in ("v1", "v2", "plain"):
        block = build(small(family=family)).eval().stages[0][0]
        block.norms[-1].weight.zero_() if family != "v2" else block.convs[-1].weight.zero_()
        outputs[family] = block(x)
    assert torch.equal(outputs["v1"], x)
    assert torch.equal(outputs["v2"], x)
    assert not outputs["plain"].any()


def test_a_v2_network_ends_with_norm_and_activation_and_starts_without() -> None:
    model = build(spec_of("resnet20_v2"))
    assert [type(layer) for layer in model.stem] == [nn.Conv2d]
    assert [type(layer) for layer in model.final] == [nn.BatchNorm2d, nn.ReLU]


@pytest.mark.parametrize(("family", "skip"), [(f, s) for f, s in itertools.product(("v1", "v2"), get_args(Skip))])
def test_every_skip_variant_learns(family: str, skip: str) -> None:
    model = build(small(family=family, skip=skip, shortcut="B"))
    for addition in (m for m in model.modules() if isinstance(m, WeightedAddition)):
        nn.init.constant_(addition.weight, 0.5)  # at 0, where it starts in skipinit, it alone has a gradient
    logits = model(torch.randn(4, 3, 16, 16))
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize(
    "changes",
    [
        *({"norm": n} for n in get_args(Norm)),
        *({"activation": a} for a in get_args(Activation)),
        {"se_ratio": 4},
        {"shortcut": "C"},
        {"stochastic_depth": 0.5},
        {"block_type": "bottleneck", "shortcut": "B"},
    ],
)
def test_every_part_can_be_exchanged(changes: dict[str, object]) -> None:
    for family in ("v1", "v2"):
        assert build(small(family=family, **changes))(torch.randn(2, 3, 16, 16)).shape == (2, 10)


@torch.no_grad()
def test_without_norms_the_signal_of_the_shortcut_stays_raw() -> None:
    """Activations work in place; in v2 the first one must not work on what the shortcut carries."""
    block = build(small(family="v2", norm="none")).eval().stages[0][0]
    block.convs[-1].weight.zero_()
    x = torch.randn(2, 16, 8, 8)
    assert torch.equal(block(x.clone()), x)


def test_stochastic_depth_follows_the_linear_rule_and_rests_in_eval() -> None:
    model = build(msgspec.structs.replace(spec_of("resnet20_v1"), stochastic_depth=0.8))
    drops = [getattr(block.drop, "p", 0.0) for stage in model.stages for block in stage]
    assert drops == pytest.approx([0.8 * i / 8 for i in range(9)])
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(model.eval()(x), model(x))


def test_a_network_of_1001_layers_goes_forward_and_backward() -> None:
    model = build(spec_of("resnet1001_v2"))
    loss = nn.functional.cross_entropy(model(torch.randn(2, 3, 32, 32)), torch.tensor([0, 1]))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_spec_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="2 depths but 3 widths"):
        small(depths=(1, 1))
    with pytest.raises(ValueError, match="plain network has no shortcut"):
        small(family="plain", skip="gate")
