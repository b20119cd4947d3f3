"""From shapes to a spec: every named network and any like it, without a weight; and the layouts' names."""

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
import timm
import torch
import torchvision
from families import FAMILIES
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models.resnet import Bottleneck, ResNet

from reszoo import models
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import ResNetSpec
from reszoo.models.architectures import architectures
from reszoo.models.network import state_shapes
from reszoo.zoo.converters import CONVERTERS, LAYOUTS, rename, restore
from reszoo.zoo.derived import NOT_NAMED, arch_of, spec_from_shapes
from reszoo.zoo.recognition import layout_of, recognise

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


@given(spec=specs())
def test_every_spec_has_a_name_that_stands_for_it(spec: ResNetSpec) -> None:
    named = models.spec_of(arch_of(spec))
    assert isinstance(named, ResNetSpec)
    open_fields = {field: getattr(spec, field) for field in NOT_NAMED}
    assert msgspec.structs.replace(named, **open_fields) == spec


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
        assert found == msgspec.structs.replace(spec, family="v1", shortcut="A")  # it has no projections
    else:
        assert found == spec
        assert arch_of(found) == name


def test_other_depths_and_variants_have_their_names_too() -> None:
    for name in ("resnet26_v2", "resnet38_v1", "wide_resnet16_4_v1", "resnet101_v2_cifar", "resnet29_v1"):
        assert arch_of(models.spec_of(name)) == name
    changed = msgspec.structs.replace(models.spec_of("resnet20_v1"), num_classes=7, shortcut="B", input=(1, 8, 8))
    assert arch_of(changed) == "resnet20_v1"
    assert arch_of(msgspec.structs.replace(changed, widths=(8, 16, 32))) == "resnet20_v1+widths=8,16,32"
    assert arch_of(msgspec.structs.replace(changed, se_ratio=4, norm="group")) == "resnet20_v1+norm=group+se_ratio=4"


def residual(name: str) -> ResNetSpec:
    spec = models.spec_of(name)
    assert isinstance(spec, ResNetSpec)
    return spec


def state_of(spec: ResNetSpec, layout: str = "native") -> dict[str, np.ndarray]:
    """Zeros in the shapes of a network, under the names of a layout."""
    rules = CONVERTERS[layout]
    return {restore(key, rules) or key: np.zeros(shape, np.float32) for key, shape in state_shapes(spec).items()}


WHOLE = {"wide_resnet": "v2", "timm_resnetv2": "v2", "preact": "v2"}  # the family of a layout's networks, where not v1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_names_every_tensor_of_its_networks(layout: str) -> None:
    spec = residual(f"resnet8_{WHOLE.get(layout, 'v1')}+shortcut=B")
    theirs = [restore(key, CONVERTERS[layout]) for key in state_shapes(spec)]
    assert None not in theirs
    assert layout_of([name or "" for name in theirs]) == layout


# What happens to the variants of ours by their tensors alone. They have those of several networks:
UNTOLD = {"group norms", "layer norms", "no norms"}
# They have those of the usual network, which is then assumed; beside plain ones, which have those of v1.
ASSUMED: dict[str, set[str]] = {
    "scaled": {"skip"},
    "dropout": {"skip"},
    "activations first": {"order"},
    "no activations": {"order"},
    "imagenet stem": {"activation"},
    "norms in front": {"norm_place"},
    "norms behind": {"norm_place"},
}
# They have more, or others.
REFUSED = {"gates", "gates, option A", "weights of channels", "attention", "one weight", "dense", "dense bottlenecks"}
REFUSED |= {"norms on both sides", "v1 to v2", "v2 to v1", "v2 to plain"}
REFUSED |= {"v1, norms in front", "plain, norms in front", "v2, norms behind"}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_variant_is_recognised_or_refused_and_assumed_only_where_that_is_usual(name: str) -> None:
    spec, (family, kind) = FAMILIES[name], name.split(", ", 1)
    state = state_of(spec)
    if kind in UNTOLD:
        with pytest.raises(UsageError, match="mine has the tensors of a") as caught:
            recognise(state, "mine")
        for hint in re.findall(r"`arch=(.*?)`", caught.value.fix):
            recognise(state, "mine", hint)
    elif {kind, name} & REFUSED:
        with pytest.raises(ReszooError, match="mine fits no network that reszoo knows"):
            recognise(state, "mine")
    else:
        found = recognise(state, "mine").spec
        differing = {field for field in spec.__struct_fields__ if getattr(found, field) != getattr(spec, field)}
        assert differing - {"input"} == ASSUMED.get(kind, set()) | ({"family"} if family == "plain" else set())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_variant_that_is_named_is_what_it_is_named(name: str) -> None:
    spec = FAMILIES[name]
    found = recognise(state_of(spec), "mine", arch_of(spec))
    assert isinstance(found.spec, ResNetSpec)
    assert state_shapes(found.spec) == state_shapes(spec)
    assert msgspec.structs.replace(found.spec, input=spec.input, shortcut=spec.shortcut) == spec


def test_what_a_name_says_of_shortcuts_and_classes_is_not_changed() -> None:
    state = state_of(residual("resnet8_v1+shortcut=B+num_classes=7"))
    assert recognise(state, "mine", "resnet8_v1").spec == residual("resnet8_v1+shortcut=B+num_classes=7")
    with pytest.raises(ReszooError, match=r"does not fit resnet8_v1\+shortcut=A: stages\.1\.0\.shortcut\.0\.weight of"):
        recognise(state, "mine", "resnet8_v1+shortcut=A")
    with pytest.raises(ReszooError, match=r"head\.weight has shape 7x64, expected 5x64"):
        recognise(state, "mine", "resnet8_v1+num_classes=5")


@pytest.mark.parametrize("name", ["vgg11_bn_cifar", "inception6_bn_cifar", "densenet40_k12_cifar", "resnet_mobile_v2"])
def test_networks_of_other_families_are_what_they_are_named(name: str) -> None:
    spec = models.spec_of(name)
    state = {key: np.zeros(shape, np.float32) for key, shape in state_shapes(spec).items()}
    found = recognise(state, "mine", name)
    assert (found.spec, found.layout, found.state.keys()) == (spec, "native", state.keys())
    with pytest.raises(ReszooError, match="mine fits no network that reszoo knows"):
        recognise(state, "mine")
    with pytest.raises(UsageError, match=f"aux is no part of a {name}, which has all the others"):
        recognise(state | {"aux": np.zeros(3, np.float32)}, "mine", name)


def test_preactivated_networks_of_others_need_a_word_on_their_projections() -> None:
    state = state_of(residual("resnet8_v2+shortcut=B"), "preact")
    assert "layer2.0.shortcut.0.weight" in state
    with pytest.raises(UsageError, match="mine has the tensors of a resnet8_v2, and does not tell whether") as caught:
        recognise(state, "mine")
    assert "`arch=resnet8_v2`" in caught.value.fix
    expected = residual("resnet8_v2+shortcut=B")
    for found in (recognise(state, "mine", "resnet8_v2"), recognise(state, "mine", is_run=True)):
        assert (found.spec, found.layout) == (expected, "preact")
    bearpaw = {name.replace("shortcut", "downsample").replace("linear", "fc"): array for name, array in state.items()}
    with pytest.raises(ReszooError, match="its projections take the raw signal, as in bearpaw's"):
        recognise(bearpaw, "mine", "resnet8_v2")
    assert recognise(bearpaw, "mine", is_run=True).spec == expected


@pytest.mark.parametrize("layout", ["torchvision", "akamaster", "timm_resnetv2", "native"])
def test_a_classifier_behind_a_dropout_is_read(layout: str) -> None:
    spec = residual(f"resnet8_{WHOLE.get(layout, 'v1')}+shortcut=B")
    head = (restore("head.weight", CONVERTERS[layout]) or "").removesuffix("weight")
    state = {
        name.replace(head, f"{head}1.") if name.startswith(head) else name: array
        for name, array in state_of(spec, layout).items()
    }
    found = recognise(state, "mine")
    assert (found.spec, found.layout, "head.weight" in found.state) == (spec, layout, True)
    with pytest.raises(ReszooError, match="its classifier has more than one layer with weights"):
        recognise(state | {f"{head}3.weight": np.zeros((10, 10), np.float32)}, "mine")


def test_one_logit_is_no_class() -> None:
    state = state_of(residual("resnet8_v1+num_classes=1"), "torchvision")
    with pytest.raises(ReszooError, match="it gives one number for each image") as caught:
        recognise(state, "mine")
    assert r"torch.cat([-w / 2, w / 2])" in caught.value.fix


def test_an_architecture_that_cannot_be_imported_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "farm-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: farm\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[reszoo.architectures]\nbroken = nowhere:broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    architectures.cache_clear()
    try:
        assert "broken" in models.names()
        spec = residual("resnet8_v1+widths=8,16,32")
        assert recognise(state_of(spec), "mine").arch == "resnet8_v1+widths=8,16,32"
        with pytest.raises(ReszooError, match="fits no network that reszoo knows"):
            recognise(state_of(residual("resnet8_v1+skip=gate")), "mine")
    finally:
        architectures.cache_clear()


@pytest.mark.parametrize(("groups", "width"), [(32, 4), (32, 8), (64, 4)])
def test_every_architecture_that_is_hinted_at_exists(groups: int, width: int) -> None:
    """ResNeXts, whose shapes are those of no named network."""
    theirs = ResNet(Bottleneck, [1, 1, 1, 1], num_classes=10, groups=groups, width_per_group=width)
    zeros = {key: np.zeros(tensor.shape, np.float32) for key, tensor in theirs.state_dict().items()}
    with pytest.raises(ReszooError, match="mine fits no network") as caught:
        recognise(zeros, "mine")
    (hint,) = re.findall(r"`arch=(.*?)`", caught.value.fix)
    with pytest.raises(ReszooError, match=rf"mine does not fit {re.escape(hint)}: "):
        recognise(zeros, "mine", hint)


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
    assert found == residual(expected)
    assert arch_of(residual(expected)) == expected
