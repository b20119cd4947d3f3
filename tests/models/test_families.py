"""What every family answers, whatever its architecture."""

import msgspec
import pytest
import torch
from families import OTHERS

from reszoo.core.errors import UnavailableError, UsageError
from reszoo.core.types import ForeignSpec, ModelSpec, VGGSpec
from reszoo.models import build, network, pruning, spec_of
from reszoo.models.cost import cost_of
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


@pytest.mark.parametrize("spec", OTHERS.values(), ids=OTHERS)
def test_a_network_tells_its_classes_apart_at_any_size(spec: ModelSpec) -> None:
    for shape in ((3, 32, 32), (1, 8, 8)):
        model = build(msgspec.structs.replace(spec, input=shape, num_classes=7))
        assert model(torch.randn(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("spec", OTHERS.values(), ids=OTHERS)
def test_a_spec_on_disk_is_the_spec_that_it_was(spec: ModelSpec) -> None:
    assert msgspec.json.decode(msgspec.json.encode(spec), type=ModelSpec) == spec


@pytest.mark.parametrize("spec", OTHERS.values(), ids=OTHERS)
def test_all_parameters_learn(spec: ModelSpec) -> None:
    torch.manual_seed(0)
    model = build(spec)
    torch.nn.functional.cross_entropy(model(torch.randn(4, *spec.input)), torch.arange(4)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("spec", OTHERS.values(), ids=OTHERS)
def test_a_head_for_other_classes_takes_the_place_of_the_last_layer(spec: ModelSpec) -> None:
    model = build(spec).eval()
    network.replace_head(model, spec, 3)
    assert model(torch.zeros(1, *spec.input)).shape == (1, 3)


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_a_vgg_network_has_torchvisions_weights(depth: int) -> None:
    from torchvision import models

    with torch.device("meta"):
        theirs = getattr(models, f"vgg{depth}_bn")()
        ours = build(spec_of(f"vgg{depth}_bn"))
    assert {name: p.shape for name, p in ours.state_dict().items()} == {
        name: p.shape for name, p in theirs.state_dict().items()
    }


def test_a_vgg_network_answers_as_torchvisions() -> None:
    from torchvision.models.vgg import VGG, make_layers

    spec = VGGSpec(depths=(1, 1, 1, 1, 1), widths=(4, 4, 8, 8, 8), dense=(16, 16), num_classes=5, input=(3, 224, 224))
    theirs = VGG(make_layers([4, "M", 4, "M", 8, "M", 8, "M", 8, "M"], batch_norm=True), num_classes=5)
    dense = {0: (8 * 49, 16), 3: (16, 16), 6: (16, 5)}
    for position, sizes in dense.items():
        theirs.classifier[position] = torch.nn.Linear(*sizes)
    ours = build(spec).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, *spec.input)
    assert torch.equal(ours(images), theirs.eval()(images))


@pytest.mark.parametrize(
    ("name", "params"),
    [("vgg16_bn", 138_365_992), ("densenet40_k12_cifar", 1.0e6), ("densenet_bc100_k12_cifar", 0.8e6)],
)
def test_published_sizes_are_met(name: str, params: float) -> None:
    """Of torchvision's documentation, and of Huang et al. 2017, table 2, which rounds to 0.1 M."""
    assert cost_of(spec_of(name)).params == pytest.approx(params, abs=0 if isinstance(params, int) else 0.05e6)


@pytest.mark.parametrize(("name", "multiple"), [("resnet_edge_v2", 8), ("resnet_npu_v2", 32)])
def test_a_design_keeps_the_multiples_of_its_hardware(name: str, multiple: int) -> None:
    spec = spec_of(name)
    assert {group.channels % multiple for group in pruning.channel_groups(spec)} == {0}
    assert {layer.kind.split()[0] for layer in cost_of(spec).layers} == {"conv3x3", "conv1x1", "linear"}


def test_only_the_networks_for_phones_filter_channels_one_by_one() -> None:
    model = build(spec_of("resnet_mobile_v2"))
    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    assert sum(conv.groups > 1 for conv in convolutions) == 8


def test_without_its_branch_an_inverted_residual_is_the_identity() -> None:
    model = build(OTHERS["mobile"]).eval()
    block = model.get_submodule("stages.1.1")
    torch.nn.init.zeros_(block.get_submodule("convs.2").weight)
    x = torch.randn(1, 24, 8, 8)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    "name",
    [
        "wide_resnet10_2_v2",
        "densenet40_k12_cifar+depths=4,4,4",
        "vgg11_bn_cifar+widths=32,64,128,256,256+dense=512",
        "inception6_narrow_bn_cifar",
    ],
)
def test_small_members_of_families_are_as_large_as_resnet_20(name: str) -> None:
    assert cost_of(spec_of(name)).macs == pytest.approx(cost_of(spec_of("resnet20_v2")).macs, rel=0.15)


def test_an_inception_network_has_modules_in_every_stage() -> None:
    with pytest.raises(ValueError, match="needs a stage, and each stage a module"):
        msgspec.structs.replace(spec_of("inception6_bn_cifar"), stages=((),))


def test_a_transition_keeps_a_channel_however_much_it_compresses() -> None:
    spec = msgspec.structs.replace(OTHERS["densenet"], compression=0.001)
    assert build(spec)(torch.randn(2, *spec.input)).shape == (2, 10)
