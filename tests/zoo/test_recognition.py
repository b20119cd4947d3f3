"""From shapes to a spec: every named network and any like it, without a weight; and the layouts' names."""

import msgspec
import pytest
import timm
import torch
import torchvision
from families import FAMILIES
from hypothesis import given
from hypothesis import strategies as st

from reszoo import models
from reszoo.core.types import ResNetSpec
from reszoo.models.shapes import state_shapes
from reszoo.zoo.converters import CONVERTERS, LAYOUTS, rename, restore
from reszoo.zoo.recognition import arch_of, layout_of, spec_from_shapes

HIDDEN: dict[str, object] = {"activation": "relu", "stochastic_depth": 0.0}  # what leaves no trace in a tensor


@st.composite
def specs(draw: st.DrawFn) -> ResNetSpec:
    stages = draw(st.integers(2, 4))
    block_type = draw(st.sampled_from(["basic", "bottleneck"]))
    width = draw(st.sampled_from([4, 8, 16, 24]))
    is_small = draw(st.booleans())
    channels, side = draw(st.integers(1, 4)), 32 if is_small else 224
    return ResNetSpec(
        family=draw(st.sampled_from(["v1", "v2"])),
        block_type=block_type,
        depths=tuple(draw(st.lists(st.integers(1, 12), min_size=stages, max_size=stages))),
        widths=tuple(width << stage for stage in range(stages)),
        stem_width=width * draw(st.sampled_from([1, 2])),
        stem="cifar" if is_small else "imagenet",
        shortcut=draw(st.sampled_from(["A", "B"])),
        num_classes=draw(st.integers(1, 2000)),
        input=(channels, side, side),
        bottleneck_width=draw(st.integers(1, 3)) if block_type == "bottleneck" else 1,
        norm=draw(st.sampled_from(["batch", "group"])),
        se_ratio=draw(st.sampled_from([0, 4])),
    )


@given(spec=specs())
def test_the_shapes_of_a_network_give_back_its_spec(spec: ResNetSpec) -> None:
    found = spec_from_shapes(state_shapes(spec))
    assert found is not None
    assert state_shapes(found) == state_shapes(spec)
    assert msgspec.structs.replace(found, se_ratio=0) == msgspec.structs.replace(spec, se_ratio=0)


@given(spec=specs(), data=st.data())
def test_the_layouts_names_lead_back_to_ours(spec: ResNetSpec, data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(LAYOUTS))
    for key in state_shapes(msgspec.structs.replace(spec, se_ratio=0)):
        theirs = restore(key, CONVERTERS[layout])
        assert theirs is None or rename(theirs, CONVERTERS[layout]) == key


RESIDUAL = {name: spec for name in models.names() if isinstance(spec := models.spec_of(name), ResNetSpec)}


@pytest.mark.parametrize("name", RESIDUAL)
def test_every_named_residual_network_is_found_by_its_shapes(name: str) -> None:
    spec = msgspec.structs.replace(RESIDUAL[name], stochastic_depth=0.0)  # which has no tensors
    found = spec_from_shapes(state_shapes(spec))
    assert found is not None
    if spec.family == "plain":
        assert found == msgspec.structs.replace(spec, family="v1")
    else:
        assert found == spec
        assert arch_of(found) == name


def test_other_depths_and_variants_have_their_names_too() -> None:
    for name in ("resnet26_v2", "resnet38_v1", "wide_resnet16_4_v1", "resnet101_v2_cifar", "resnet29_v1"):
        assert arch_of(models.spec_of(name)) == name
    changed = msgspec.structs.replace(models.spec_of("resnet20_v1"), num_classes=7, shortcut="B", input=(1, 8, 8))
    assert arch_of(changed) == "resnet20_v1"
    assert arch_of(msgspec.structs.replace(changed, widths=(8, 16, 32))) == "resnet_v1"


@pytest.mark.parametrize("name", FAMILIES)
def test_variants_of_ours_are_recognised_or_not_at_all(name: str) -> None:
    """Never as something whose tensors are others."""
    spec = FAMILIES[name]
    found = spec_from_shapes(state_shapes(spec))
    assert found is not None
    fits = state_shapes(found) == state_shapes(spec)
    assert fits == ("gates" not in name)


LIBRARIES = [
    *(f"torchvision {name}" for name in "resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2".split()),
    *(f"timm {name}" for name in "resnet18 resnet50 wide_resnet101_2 resnetv2_18 resnetv2_34 resnetv2_50".split()),
    *(f"timm {name}" for name in "resnetv2_101 resnetv2_152".split()),
]


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_libraries_networks_by_their_names_and_shapes(name: str) -> None:
    library, arch = name.split()
    make = torchvision.models.get_model if library == "torchvision" else timm.create_model
    with torch.device("meta"):
        state = make(arch).state_dict()
    layout = layout_of(state)
    assert layout == ("timm_resnetv2" if "v2" in arch else "torchvision")
    shapes = {rename(key, CONVERTERS[layout]) or key: tuple(tensor.shape) for key, tensor in state.items()}
    shapes["head.weight"] = shapes["head.weight"][:2]
    found = spec_from_shapes(shapes)
    expected = arch.replace("resnetv2_", "resnet") + ("_v2" if "v2" in arch else "_v1")
    assert found == models.spec_of(expected)
    assert arch_of(models.spec_of(expected)) == expected
