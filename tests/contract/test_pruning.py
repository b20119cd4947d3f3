"""What pruning must keep of every kind of network that can be built."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from families import BASE, FAMILIES, WITH_FIXED_CHANNELS, catalogue_families, half, images, randomised
from torch import Tensor, nn

from reszoo import zoo
from reszoo.core.types import ChannelPlan, Checkpoint, ModelSpec, Preprocess, ProvenanceStep
from reszoo.export import ExportOptions, export
from reszoo.export.contract.format import Format, formats
from reszoo.models.blocks import PadShortcut, RouteShortcut, WeightedAddition
from reszoo.models.channels import channel_groups, fixed_channels, layers, layout
from reszoo.models.cost import cost_of
from reszoo.models.resnet import ResNet
from reszoo.prune.applying import State, apply_plan, network, sliced
from reszoo.prune.dependencies import dependency_groups
from reszoo.prune.depth import removable, without

STEP = ProvenanceStep(name="prune", config={}, versions={}, input_sha256="")


ALL = {name: spec for name, spec in FAMILIES.items() if name not in WITH_FIXED_CHANNELS} | catalogue_families()


@pytest.fixture(params=ALL.values(), ids=ALL)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    torch.manual_seed(0)
    return request.param


def saved(model: ResNet, folder: Path) -> Checkpoint:
    spec = model.spec
    channels = spec.input[0]
    return zoo.save(
        folder,
        model.state_dict(),
        ref="small.random",
        spec=spec,
        preprocess=Preprocess(mean=(0.5,) * channels, std=(0.25,) * channels, input=spec.input),
        labels=tuple(map(str, range(spec.num_classes))),
        dataset="digits" if spec.input == BASE.input else "photographs",
        metrics=(),
        licence="MIT",
        provenance=(),
    )


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
    for block in layout(pruned).blocks:
        shortcut = getattr(model.get_submodule(block.name), "shortcut", None)
        if isinstance(shortcut, PadShortcut | RouteShortcut):
            shortcut.register_forward_pre_hook(hide(block.source.kept))
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
def test_without_a_block_the_signal_takes_its_shortcut(spec: ModelSpec) -> None:
    pruned, block = spec if fixed_channels(spec) else half(spec), removable(spec, ())[-1]
    shorter = without(pruned, block)
    state = randomised(spec).state_dict()
    with_block = double(sliced(state, spec, pruned), pruned)
    with_block.get_submodule(block).register_forward_hook(lambda module, inputs, output: inputs[0])
    found = double(sliced(state, spec, shorter), shorter)(images(spec))
    assert torch.equal(found, with_block(images(spec)))
    assert not [key for key in sliced(state, spec, shorter) if key.startswith(f"{block}.")]


@torch.no_grad()
def test_a_saved_half_is_loaded_bit_by_bit(spec: ModelSpec, tmp_path: Path) -> None:
    original, pruned = randomised(spec).float(), half(spec)
    parent = saved(original, tmp_path / "parent")
    apply_plan(parent, pruned.plan or ChannelPlan(), tmp_path / "half", "small.half", STEP)
    loaded = zoo.read(tmp_path / "half")
    assert loaded.spec == pruned
    wanted, found = sliced(original.state_dict(), spec, pruned), zoo.build(loaded).state_dict()
    assert found.keys() == wanted.keys() <= original.state_dict().keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_costs_are_counted_of_the_pruned_network(spec: ModelSpec) -> None:
    pruned = half(spec)
    before, after = cost_of(spec), cost_of(pruned)
    assert after.params < 0.6 * before.params
    assert after.macs < 0.75 * before.macs
    assert sum(layer.macs for layer in after.layers) == after.macs


@pytest.mark.parametrize("unpruned", ALL.values(), ids=ALL)
def test_torch_pruning_sees_the_same_couplings(unpruned: ModelSpec) -> None:
    """Its graph is traced from the network; ours is data. Both name the same layers and the same channels."""
    from torch_pruning import prune_conv_in_channels, prune_linear_in_channels

    for spec in (unpruned, half(unpruned)):
        model = randomised(spec).float()
        names: dict[object, str] = {module: name for name, module in model.named_modules()}
        names |= {m.weight: name for name, m in model.named_modules() if isinstance(m, WeightedAddition)}
        ours: dict[str, set[tuple[str, str]]] = {group.name: set() for group in channel_groups(spec)}
        for name, axes in layers(spec).items():
            for role, group in zip(("writes", "reads"), axes, strict=True):
                if group and list(model.get_submodule(name).parameters()):
                    ours[group.name].add((name, role))
        widths = {group.name: group.width for group in channel_groups(spec)}
        for name, group in dependency_groups(model).items():
            theirs = set()
            for item in group:
                if item.dep.layer not in names or isinstance(item.dep.layer, PadShortcut | RouteShortcut):
                    continue  # an operation without parameters
                reads = item.dep.handler in (prune_conv_in_channels, prune_linear_in_channels)
                theirs.add((names[item.dep.layer], "reads" if reads else "writes"))
                assert sorted(item.idxs) == list(range(widths[name]))
                assert list(item.root_idxs) == list(item.idxs)
            assert theirs == ours[name]


# Every kind of layer, shortcut and stem, in few networks: an export takes seconds.
EXPORTED: dict[str, dict[str, Any]] = {
    "v1, option A, gates": {"skip": "shortcut_gate", "se_ratio": 4},
    "v1, wide bottlenecks, projections": {"block_type": "bottleneck", "bottleneck_width": 2, "shortcut": "B"},
    "v1, imagenet stem, no norms": {"stem": "imagenet", "input": (3, 32, 32), "norm": "none", "activation": "silu"},
    "v2, bottlenecks, option A": {"family": "v2", "block_type": "bottleneck"},
    "v2, wide, option C": {"family": "v2", "stem_width": 4, "widths": (16, 32), "shortcut": "C"},
    "v2, group norms": {"family": "v2", "norm": "group", "widths": (48, 96), "stem_width": 48, "se_ratio": 4},
    "plain": {"family": "plain"},
    "v2 to v1, attention": {"families": ("v2", "v1"), "skip": "attention", "shortcut": "B"},
}


@pytest.mark.long(*list(EXPORTED)[1:])
@pytest.mark.parametrize("changes", EXPORTED.values(), ids=EXPORTED)
def test_every_kind_of_pruned_network_is_exported_with_parity(changes: dict[str, Any], tmp_path: Path) -> None:
    spec = msgspec.structs.replace(BASE, **changes, depths=(1, 2))
    parent = saved(randomised(spec).float(), tmp_path / "parent")
    pruned = apply_plan(parent, half(spec).plan or ChannelPlan(), tmp_path / "pruned", "small.half", STEP)
    assert export(pruned, "onnx", out=tmp_path / "onnx").parity.top1_agreement == 1


@pytest.mark.long("coreml", "ethos-u", "executorch", "litert", "tensorrt", "tensorrt-rtx", "tflite-micro", "torch")
@pytest.mark.parametrize("plugin", formats().values(), ids=formats())
def test_a_pruned_network_is_exported_in_every_format(plugin: Format, tmp_path: Path) -> None:
    """With a block less and with option A's channels parted, so that padding is not enough."""
    if missing := plugin.unavailable():
        pytest.skip(missing.reason)
    parent = zoo.load("resnet8_v2.reszoo_digits")
    spec = half(without(parent.spec, "stages.0.0"))
    pruned = apply_plan(parent, spec.plan or ChannelPlan(), tmp_path / "pruned", "resnet8.half", STEP)
    assert [m for m in zoo.build(pruned).modules() if isinstance(m, RouteShortcut)]
    options = ExportOptions(precision=plugin.precisions[0])
    artifact = export(pruned, plugin.name, out=tmp_path / "made", options=options)
    if options.precision == "fp32":
        assert artifact.parity.max_abs_error < 1e-4
    assert [step.name for step in artifact.provenance if step.name != "quantize"][-2:] == ["prune", "export"]
