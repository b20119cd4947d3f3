"""What pruning must keep of every kind of network that can be built."""

from pathlib import Path

import pytest
import torch
from families import FAMILIES, catalogue_families, half, images, randomised
from torch import Tensor, nn

from reszoo import zoo
from reszoo.core.types import ChannelPlan, ModelSpec, Preprocess, Step
from reszoo.export import export
from reszoo.models.blocks import PadShortcut, RouteShortcut
from reszoo.models.channels import layers, layout, spaces
from reszoo.models.cost import cost_of
from reszoo.models.resnet import ResNet
from reszoo.prune.applying import State, cut, network, sliced
from reszoo.prune.depth import removable, without
from reszoo.prune.groups import groups

STEP = Step(name="prune", config={}, versions={}, input_sha256="")


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    torch.manual_seed(0)
    return request.param


def double(state: State, spec: ModelSpec) -> nn.Module:
    return network(state, spec).double()  # what is not in the state is in single precision


def masked(model: ResNet, pruned: ModelSpec) -> ResNet:
    """The unpruned network in which nobody reads a dropped channel: what it holds does not matter any more."""

    def hide(kept: tuple[int, ...]) -> object:
        def pre_hook(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
            mask = torch.zeros(inputs[0].shape[1], dtype=inputs[0].dtype)
            mask[list(kept)] = 1
            return inputs[0] * mask.view(-1, *[1] * (inputs[0].ndim - 2))

        return pre_hook

    for name, axes in layers(pruned).items():
        if axes.columns:
            model.get_submodule(name).register_forward_pre_hook(hide(axes.columns.kept))
    for unit in layout(pruned).units:
        shortcut = getattr(model.get_submodule(unit.name), "shortcut", None)
        if isinstance(shortcut, PadShortcut | RouteShortcut):
            shortcut.register_forward_pre_hook(hide(unit.source.kept))
    return model


@torch.no_grad()
def test_half_a_network_computes_what_the_masked_original_does(spec: ModelSpec) -> None:
    original, pruned = randomised(spec), half(spec)
    x = images(spec)
    before = original(x)
    found = double(sliced(original.state_dict(), spec, pruned), pruned)(x)
    torch.testing.assert_close(found, masked(original, pruned)(x), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(found, before, rtol=0.01)


@torch.no_grad()
def test_pruning_twice_is_pruning_once(spec: ModelSpec) -> None:
    state = randomised(spec).state_dict()
    first = half(spec)
    second = half(first, seed=1)
    once, twice = sliced(state, spec, second), sliced(sliced(state, spec, first), first, second)
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[key], twice[key]) for key in once)


WITH_IDENTITIES = {name: spec for name, spec in FAMILIES.items() if spec.family != "plain" and spec.shortcut != "C"}


@torch.no_grad()
@pytest.mark.parametrize("spec", WITH_IDENTITIES.values(), ids=WITH_IDENTITIES)
def test_without_a_unit_the_signal_takes_its_shortcut(spec: ModelSpec) -> None:
    pruned, unit = half(spec), removable(spec, ())[-1]
    shorter = without(pruned, unit)
    state = randomised(spec).state_dict()
    with_unit = double(sliced(state, spec, pruned), pruned)
    with_unit.get_submodule(unit).register_forward_hook(lambda module, inputs, output: inputs[0])
    found = double(sliced(state, spec, shorter), shorter)(images(spec))
    assert torch.equal(found, with_unit(images(spec)))
    assert not [key for key in sliced(state, spec, shorter) if key.startswith(f"{unit}.")]


@torch.no_grad()
def test_a_saved_half_is_loaded_bit_by_bit(spec: ModelSpec, tmp_path: Path) -> None:
    original, pruned = randomised(spec).float(), half(spec)
    channels = spec.input[0]
    whole = zoo.save(
        tmp_path / "whole",
        original.state_dict(),
        ref="small.random",
        spec=spec,
        preprocess=Preprocess(mean=(0.5,) * channels, std=(0.25,) * channels, input=spec.input),
        labels=tuple("0123456789"),
        dataset="digits",
        metrics=(),
        licence="MIT",
        lineage=(),
    )
    cut(whole, pruned.plan or ChannelPlan(), tmp_path / "half", "small.half", STEP)
    loaded = zoo.read(tmp_path / "half")
    assert loaded.spec == pruned
    wanted, found = sliced(original.state_dict(), spec, pruned), zoo.build(loaded).state_dict()
    assert found.keys() == wanted.keys() <= original.state_dict().keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_costs_are_counted_of_what_is_left(spec: ModelSpec) -> None:
    pruned = half(spec)
    whole, less = cost_of(spec), cost_of(pruned)
    assert less.params < 0.6 * whole.params
    assert less.macs < 0.75 * whole.macs
    assert sum(layer.macs for layer in less.layers) == less.macs


ALL = FAMILIES | catalogue_families()


@pytest.mark.parametrize("whole", ALL.values(), ids=ALL)
def test_torch_pruning_sees_the_same_couplings(whole: ModelSpec) -> None:
    """Its graph is traced from the network; ours is data. Both name the same layers and the same channels."""
    from torch_pruning import prune_conv_in_channels, prune_linear_in_channels

    for spec in (whole, half(whole)):
        model = randomised(spec).float()
        names = {module: name for name, module in model.named_modules()}
        ours: dict[str, set[tuple[str, str]]] = {space.name: set() for space in spaces(spec)}
        for name, axes in layers(spec).items():
            for role, space in zip(("writes", "reads"), axes, strict=True):
                if space and list(model.get_submodule(name).parameters()):
                    ours[space.name].add((name, role))
        widths = {space.name: space.width for space in spaces(spec)}
        for space, group in groups(model).items():
            theirs = set()
            for item in group:
                if item.dep.layer not in names or isinstance(item.dep.layer, PadShortcut | RouteShortcut):
                    continue  # an operation without parameters
                reads = item.dep.handler in (prune_conv_in_channels, prune_linear_in_channels)
                theirs.add((names[item.dep.layer], "reads" if reads else "writes"))
                assert sorted(item.idxs) == list(range(widths[space]))
                assert list(item.root_idxs) == list(item.idxs)
            assert theirs == ours[space]


@pytest.mark.parametrize("family", ["v1", "v2"])
def test_a_pruned_network_is_exported_with_parity(family: str, tmp_path: Path) -> None:
    """With a unit less and with option A's channels parted, so that nothing is left to padding."""
    parent = zoo.load(f"resnet8_{family}.reszoo_digits")
    spec = half(without(parent.spec, "stages.0.0"))
    pruned = cut(parent, spec.plan or ChannelPlan(), tmp_path / "pruned", "resnet8.half", STEP)
    assert [m for m in zoo.build(pruned).modules() if isinstance(m, RouteShortcut)]
    artifact = export(pruned, "onnx", out=tmp_path / "onnx")
    assert artifact.parity.max_abs_error < 1e-4
    assert [step.name for step in artifact.lineage][-2:] == ["prune", "export"]
