import pytest
from msgspec.structs import replace

from reszoo.core.errors import UsageError
from reszoo.core.types import ForeignSpec, ResNetSpec
from reszoo.models import names, spec_of
from reszoo.models.fields import changed

LISTED = """
resnet8_v1 resnet14_v1 resnet20_v1 resnet32_v1 resnet44_v1 resnet56_v1 resnet110_v1 resnet1202_v1
resnet8_v2 resnet14_v2 resnet20_v2 resnet32_v2 resnet44_v2 resnet56_v2 resnet110_v2
resnet164_v1 resnet1001_v1 resnet164_v2 resnet1001_v2
resnet18_plain resnet34_plain resnet18_plain_cifar
resnet20_plain resnet32_plain resnet44_plain resnet56_plain resnet110_plain
resnet18_v1 resnet34_v1 resnet50_v1 resnet101_v1 resnet152_v1
resnet18_v2 resnet34_v2 resnet50_v2 resnet101_v2 resnet152_v2
resnet18_v1_cifar resnet50_v2_cifar wide_resnet50_2_v1 wide_resnet28_10_v2
vgg16_bn vgg16_bn_cifar inception6_bn_cifar densenet40_k12_cifar
resnet_mobile_v2 resnet_edge_v2 resnet_npu_v2 resnet_cloud_v2
""".split()


def test_every_promised_network_is_listed() -> None:
    assert set(LISTED) <= set(names())
    assert len(set(names())) == len(names())


@pytest.mark.parametrize("name", names())
def test_every_listed_name_has_a_spec(name: str) -> None:
    spec = spec_of(name)
    if isinstance(spec, ResNetSpec):
        assert f"_{spec.family}" in name
        assert spec.input == ((3, 224, 224) if spec.stem == "imagenet" else (3, 32, 32))
    else:
        assert spec.input == ((3, 32, 32) if name.endswith(("_cifar", "_v2")) else (3, 224, 224))


@pytest.mark.parametrize(
    ("name", "block_type", "blocks"),
    [("resnet68_v2", "basic", 11), ("resnet29_v1", "bottleneck", 3), ("resnet164_v2", "bottleneck", 18)],
)
def test_any_valid_depth_has_a_spec(name: str, block_type: str, blocks: int) -> None:
    spec = spec_of(name)
    assert (spec.block_type, spec.depths) == (block_type, (blocks,) * 3)


@pytest.mark.parametrize("name", ["resnet21_v1", "resnet2_v2", "resnet0_plain", "resnet100_v1"])
def test_an_invalid_depth_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(UsageError, match=r"6n\+2.*9n\+2"):
        spec_of(name)


def test_an_invalid_wide_network_is_refused_with_the_rule() -> None:
    with pytest.raises(UsageError, match=r"6n\+4"):
        spec_of("wide_resnet27_10_v2")


def test_a_cifar_depth_has_no_imagenet_body_to_put_a_cifar_stem_on() -> None:
    with pytest.raises(UsageError, match="resnet20 is no ImageNet network"):
        spec_of("resnet20_v1_cifar")


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match="resnet20_v1"):
        spec_of("resnet20v1")


def test_a_name_carries_fields_of_the_spec() -> None:
    spec = spec_of("resnet20_v2+skip=gate+families=v1,v2,v2+se_ratio=4")
    assert spec == replace(spec_of("resnet20_v2"), skip="gate", families=("v1", "v2", "v2"), se_ratio=4)
    small = spec_of("resnet18_plain_cifar+norm=none+widths=8,16,32,64")
    assert (small.norm, small.widths, small.family) == ("none", (8, 16, 32, 64), "plain")


@pytest.mark.parametrize(
    ("suffix", "says"),
    [
        ("+skip=gates", ("skip='gates'", "Choose from identity, scale, gate", "skipinit")),
        ("+families=v1,v3,v2", ("not possible", "Choose from v1, v2, plain")),
        ("+norm=", ("norm=''", "batch, group, layer, none")),
        ("+skipp=gate", ("unknown field of such a network 'skipp'", "norm_place", "skip,")),
        ("+plan=x", ("unknown field", "families")),
        ("+se_ratio=many", ("se_ratio='many'", "Expected `int`")),
        ("+skip", ("not +FIELD=VALUE", "Write it as resnet20_v2+skip=gate")),
        ("+skip=gate+skip=scale", ("sets skip twice", "Leave one")),
        ("+families=v1,v2", ("3 depths but 2 families",)),
        ("+order=norm-conv+families=v1,v1,v1", ("is of v2 blocks",)),
        ("+stochastic_depth=0.5", ("has a dot, which begins the tag", "in the recipe")),
    ],
)
def test_a_field_or_a_value_that_cannot_be_gets_the_possible_ones(suffix: str, says: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        spec_of(f"resnet20_v2{suffix}")
    for text in says:
        assert text in str(caught.value)


def test_a_network_of_another_package_keeps_what_its_package_decides() -> None:
    spec = ForeignSpec(builder="theirs", num_classes=10, input=(3, 32, 32))
    assert changed(spec, {"num_classes": "3"}).num_classes == 3
    for name in ("skip", "builder"):
        with pytest.raises(
            UsageError, match=rf"unknown field of such a network '{name}'(?s:.*)It has num_classes, input"
        ):
            changed(spec, {name: "gate"})


def test_stages_that_are_all_of_one_family_are_a_network_of_that_family() -> None:
    assert spec_of("resnet20_v2+families=v1,v1,v1") == spec_of("resnet20_v1")
    assert changed(spec_of("resnet20_v1"), {"families": ("v2", "v2", "v2")}) == spec_of("resnet20_v2")


def test_blocks_may_be_of_several_families_and_one_network_has_one_spec() -> None:
    mixed = spec_of("resnet14_v1+families=v1,plain,v1,v1,plain,v1")
    assert isinstance(mixed, ResNetSpec)
    assert mixed.is_mixed
    by_stage = spec_of("resnet14_v1+families=v1,v1,plain,plain,v2,v2")
    assert by_stage == spec_of("resnet14_v1+families=v1,plain,v2")
    assert spec_of("resnet14_v1+families=v2,v2,v2,v2,v2,v2") == spec_of("resnet14_v2")


def test_a_gates_bias_may_be_negative() -> None:
    spec = spec_of("resnet20_v2+skip=gate+gate_bias=-6")
    assert spec == replace(spec_of("resnet20_v2"), skip="gate", gate_bias=-6.0)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("densenet40_k12_cifar+depths=", "a densely connected network needs a stage"),
        ("resnet20_v2+gate_bias=-6", "gate_bias = -6 is of gates"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        spec_of(name)
