"""What the variants of a residual network compute, against formulas written out by hand."""

from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
import torch
from families import BASE, FAMILIES, images, randomised
from torch import Tensor, nn
from torch.nn import functional as F

from reszoo.core.types import Family, ModelSpec, NormPlace, Order
from reszoo.models import build, spec_of
from reszoo.models.blocks import WeightedAddition
from reszoo.models.branches import steps_of
from reszoo.models.channels import layout
from reszoo.models.probes import blocks_of, verify_identity
from reszoo.models.pruning import unprunable
from reszoo.models.residual import Block, Branch
from reszoo.models.resnet import BasicBlock, Bottleneck, ResNet
from reszoo.models.variants import VariantBlock, through


def variant(**changes: object) -> ModelSpec:
    return msgspec.structs.replace(BASE, **changes)


def order_of(family: Family, **changes: object) -> str:
    return " ".join(step.kind for step in steps_of(variant(family=family, **changes), family))


def branch(module: Branch, x: Tensor) -> Tensor:
    return through(module, module.steps, x)


# What a block of v2 with an identity gives, of x and its branch h. The block is passed for its weights.
FORMULAS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "identity": lambda block, x, h: x + h,
    "scale": lambda block, x, h: x / 2 + h / 2,
    "gate": lambda block, x, h: (1 - gate(block, x)) * x + gate(block, x) * h,
    "shortcut_gate": lambda block, x, h: (1 - gate(block, x)) * x + h,
    "dropout": lambda block, x, h: x + h,
    "channel_weight": lambda block, x, h: x + block.addition.weight[:, None, None] * h,
    "attention": lambda block, x, h: x + gate(block, x.mean((2, 3), keepdim=True)) * h,
    "dense": lambda block, x, h: x + h + branch(block.dense, x),
    "skipinit": lambda block, x, h: x + block.addition.weight * h,
}


def gate(block: Any, x: Tensor) -> Tensor:
    return torch.sigmoid(F.conv2d(x, block.addition.gate.weight, block.addition.gate.bias))


@torch.no_grad()
@pytest.mark.parametrize("skip", FORMULAS)
def test_a_block_adds_its_branch_by_the_formula_of_its_skip(skip: str) -> None:
    model = randomised(variant(family="v2", skip=skip))
    for weighted in (m for m in model.modules() if isinstance(m, WeightedAddition)):
        nn.init.uniform_(weighted.weight, 0.2, 0.9)
    block, x = blocks_of(model)["stages.0.1"], torch.randn(2, 8, 8, 8, dtype=torch.float64)
    expected = FORMULAS[skip](block, x, branch(block, x))
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_skipinit_starts_as_the_identity() -> None:
    """De & Smith 2020: the residual branches contribute nothing at initialisation."""
    spec = msgspec.structs.replace(spec_of("resnet20_v2+skip=skipinit+norm=none"), shortcut="B")
    model = build(spec)
    x = torch.randn(2, 3, 16, 16)
    h = model.stem(x)
    for block in blocks_of(model).values():
        if isinstance(block.shortcut, nn.Identity):
            assert verify_identity(block, h).distance == 0
        else:
            h = block.shortcut(h.relu())
    assert torch.equal(model(x), model.head(h.relu().mean((2, 3))))


def test_weights_of_channels_start_at_a_half() -> None:
    block = blocks_of(build(variant(skip="channel_weight", family="v2")))["stages.1.1"]
    assert isinstance(block.addition, WeightedAddition)
    assert torch.equal(block.addition.weight, torch.full((16,), 0.5))


def test_the_second_branch_of_a_dense_block_has_weights_of_its_own() -> None:
    state = build(variant(skip="dense")).state_dict()
    second = {name for name in state if ".dense." in name}
    first = {name for name in state if ".convs." in name or ".norms." in name} - second
    assert {name.replace(".dense.", ".") for name in second} == first
    assert not torch.equal(state["stages.0.0.convs.0.weight"], state["stages.0.0.dense.convs.0.weight"])


@pytest.mark.parametrize(
    ("family", "changes", "expected"),
    [
        ("v1", {}, "conv norm act conv norm"),
        ("v1", {"norm_place": "after"}, "conv norm act conv norm"),
        ("v1", {"norm_place": "before"}, "norm conv act norm conv"),
        ("v1", {"norm_place": "both"}, "norm conv norm act norm conv norm"),
        ("plain", {"norm_place": "before"}, "norm conv act norm conv"),
        ("v2", {}, "norm act conv norm act conv"),
        ("v2", {"norm_place": "before"}, "norm act conv norm act conv"),
        ("v2", {"norm_place": "after"}, "act conv norm act conv norm"),  # He et al. 2016, figure 4d
        ("v2", {"norm_place": "both"}, "norm act conv norm act conv norm"),
        ("v2", {"order": "act-norm-conv"}, "act norm conv act norm conv"),
        ("v2", {"order": "act-norm-conv", "norm_place": "both"}, "act norm conv norm act norm conv norm"),
        ("v2", {"order": "norm-conv"}, "norm conv norm conv"),
        ("v2", {"block_type": "bottleneck"}, "norm act conv norm act conv norm act conv"),
        ("v1", {"block_type": "bottleneck", "norm_place": "before"}, "norm conv act norm conv act norm conv"),
    ],
)
def test_norms_and_activations_stand_where_the_spec_puts_them(
    family: Family, changes: dict[str, object], expected: str
) -> None:
    assert order_of(family, **changes) == expected
    block = blocks_of(build(variant(family=family, **changes)))["stages.0.1"]
    assert _ran(block) == [*expected.split(), *([] if family == "v2" else ["act"])]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, [BasicBlock, BasicBlock]),
        ({"block_type": "bottleneck", "skip": "gate"}, [Bottleneck, Bottleneck]),
        ({"norm_place": "before"}, [BasicBlock, VariantBlock]),  # a v2 block's own place
        ({"norm_place": "after"}, [VariantBlock, BasicBlock]),
        ({"order": "norm-conv"}, [VariantBlock, BasicBlock]),
        ({"skip": "dense"}, [VariantBlock, VariantBlock]),
    ],
)
def test_only_what_the_papers_do_not_write_is_a_block_of_steps(changes: dict[str, object], kinds: list[type]) -> None:
    model = build(variant(families=("v2", "v1"), **changes))
    assert [type(stage[0]) for stage in model.stages] == kinds


@torch.no_grad()
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("block_type", ["basic", "bottleneck"])
@pytest.mark.parametrize("family", ["v1", "v2", "plain"])
def test_the_papers_blocks_compute_what_their_steps_say(family: Family, block_type: str, norm: str) -> None:
    """`channels`, folding and export go by the steps, the forward of the papers' blocks by its own lines."""
    spec = variant(family=family, block_type=block_type, norm=norm, activation="silu")
    model = randomised(spec)
    x = model.stem(images(spec))
    for channels, block in zip(layout(spec).blocks, blocks_of(model).values(), strict=True):
        steps = VariantBlock(spec, channels, 0.0).double().eval()
        steps.load_state_dict(block.state_dict())
        expected = steps(x.clone())
        x = block(x)
        assert torch.equal(x, expected)


def _ran(block: Block) -> list[str]:
    """The kinds of the modules that ran, in order."""
    ran: list[str] = []
    kinds = {nn.Conv2d: "conv", nn.BatchNorm2d: "norm", nn.ReLU: "act"}
    for module in block.modules():
        if kind := kinds.get(type(module)):
            module.register_forward_hook(lambda *_, kind=kind: ran.append(kind))
    block(torch.randn(2, block.convs[0].in_channels, 8, 8))
    return ran


@torch.no_grad()
@pytest.mark.parametrize("order", get_args(Order))
@pytest.mark.parametrize("place", get_args(NormPlace))
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_no_order_touches_what_the_shortcut_carries(order: str, place: str, norm: str) -> None:
    """Activations work in place."""
    spec = variant(family="v2", order=order, norm_place=place, norm=norm, skip="dense")
    block = blocks_of(build(spec).eval())["stages.0.1"]
    for module in (block, block.dense):
        nn.init.zeros_(module.convs[-1].weight)
    x = torch.randn(2, 8, 8, 8)
    before = x.clone()
    assert torch.equal(block(x), before)
    assert torch.equal(x, before)


@torch.no_grad()
def test_stages_of_several_families_compute_what_is_written_here() -> None:
    """v1, v2, v1: the v2 stage reads an activated signal, and ends with a norm and an activation."""
    spec = variant(families=("v1", "v2", "v1"), depths=(1, 2, 1), widths=(8, 16, 32), shortcut="B")
    model = randomised(spec)
    state = model.state_dict()

    def norm(name: str, x: Tensor) -> Tensor:
        of = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *of)

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def v1(name: str, x: Tensor, stride: int = 1) -> Tensor:
        s = x if stride == 1 else norm(f"{name}.shortcut.1", conv(f"{name}.shortcut.0", x, stride))
        h = norm(f"{name}.norms.0", conv(f"{name}.convs.0", x, stride)).relu()
        return (norm(f"{name}.norms.1", conv(f"{name}.convs.1", h)) + s).relu()

    def v2(name: str, x: Tensor, stride: int = 1) -> Tensor:
        a = norm(f"{name}.norms.0", x).relu()
        s = x if stride == 1 else conv(f"{name}.shortcut", a, stride)
        h = norm(f"{name}.norms.1", conv(f"{name}.convs.0", a, stride)).relu()
        return conv(f"{name}.convs.1", h) + s

    x = images(spec)
    h = norm("stem.norm", conv("stem.conv", x)).relu()
    h = v2("stages.1.1", v2("stages.1.0", v1("stages.0.0", h), stride=2))
    h = v1("stages.2.0", norm("stages.1.final.0", h).relu(), stride=2)
    expected = F.linear(h.mean((2, 3)), state["head.weight"], state["head.bias"])
    torch.testing.assert_close(model(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("families", "norms"),
    [
        (("v1", "v2"), ["stem.norm", "final.0"]),
        (("v2", "v1"), ["stages.0.final.0"]),
        (("v2", "plain"), ["stages.0.final.0"]),
        (("plain", "v1"), ["stem.norm"]),
        (("v2", "v2"), ["final.0"]),
    ],
)
def test_norms_outside_of_blocks_follow_the_families_beside_them(families: tuple[str, ...], norms: list[str]) -> None:
    model = build(variant(families=families))
    found = [name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d) and ".norms." not in name]
    assert sorted(name for name in found if "shortcut" not in name) == sorted(norms)


def test_one_family_for_every_stage_is_the_family() -> None:
    one, other = randomised_twice(variant(family="v2"), variant(families=("v2", "v2")))
    assert one.state_dict().keys() == other.state_dict().keys()
    assert torch.equal(one(images(BASE)), other(images(BASE)))


@torch.no_grad()
def test_blocks_of_a_stage_may_lack_their_skip() -> None:
    """Families v1, plain, v1: the middle block gives its branch alone, and the others add theirs to what they read."""
    model = randomised(variant(families=("v1", "plain", "v1", "plain"), depths=(3, 1)))
    assert [block.family for block in blocks_of(model).values()] == ["v1", "plain", "v1", "plain"]
    x = model.stem(images(BASE))
    for block in model.stages[0]:
        h = branch(block, x)
        expected = (h if block.family == "plain" else x + h).relu()
        x = block(x)
        torch.testing.assert_close(x, expected, rtol=1e-12, atol=1e-12)
    assert not any("shortcut" in name or "addition" in name for name in model.stages[1].state_dict())
    missing = unprunable(model.spec)
    assert missing
    assert "blocks of one stage are of several families" in missing.reason


def randomised_twice(*specs: ModelSpec) -> list[ResNet]:
    made = []
    for spec in specs:
        torch.manual_seed(0)
        made.append(randomised(spec))
    return made


def test_a_layer_norm_takes_all_channels_and_pixels_of_an_image_together() -> None:
    block = blocks_of(build(variant(family="v2", norm="layer")))["stages.0.0"]
    x = 3 + 2 * torch.randn(2, 8, 8, 8)
    torch.testing.assert_close(block.norms[0](x), F.layer_norm(x, x.shape[1:]), rtol=1e-4, atol=1e-4)


def test_the_first_weights_are_hes_or_pytorchs() -> None:
    torch.manual_seed(0)
    models = {init: build(variant(init=init, widths=(64, 64))) for init in ("he", "pytorch")}
    weights = {init: model.stages[1][1].convs[1].weight.detach() for init, model in models.items()}
    fan_out = 64 * 9
    assert float(weights["he"].var()) == pytest.approx(2 / fan_out, rel=0.05)
    bound = (64 * 9) ** -0.5  # nn.Conv2d: uniform between -bound and bound
    assert float(weights["pytorch"].abs().max()) <= bound
    assert float(weights["pytorch"].var()) == pytest.approx(bound**2 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"families": ("v1",)}, "2 depths but 1 families"),
        ({"families": ("v1",) * 3, "depths": (1, 1)}, "2 depths but 3 families"),
        ({"families": ("v1", "v1", "v2", "plain"), "depths": (2, 2)}, "stage 1 has blocks of v2 and others"),
        ({"families": ("plain", "plain"), "skip": "gate"}, "plain network has no shortcut"),
        ({"order": "norm-conv"}, "is of v2 blocks, and the network has none"),
        ({"families": ("v1", "plain"), "order": "norm-conv"}, "is of v2 blocks, and the network has none"),
    ],
)
def test_variants_that_contradict_the_network_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        variant(**changes)


def test_a_specs_older_document_stands_for_the_same_network() -> None:
    added = ("families", "norm_place", "order", "init", "gate_bias")
    older = {name: value for name, value in msgspec.to_builtins(BASE).items() if name not in added}
    assert msgspec.convert(older, ModelSpec) == BASE


@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_of_every_kind_of_network_is_used(name: str) -> None:
    model = build(FAMILIES[name])
    for weighted in (m for m in model.modules() if isinstance(m, WeightedAddition)):
        nn.init.constant_(weighted.weight, 0.5)
    channels = FAMILIES[name].input
    F.cross_entropy(model(torch.randn(4, *channels)), torch.arange(4)).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert idle == []


@torch.no_grad()
@pytest.mark.parametrize("init", ["he", "pytorch"])
def test_gates_begin_where_their_bias_says(init: str) -> None:
    network = build(variant(skip="gate", gate_bias=-6.0, init=init))
    gates = [block.addition.gate for block in blocks_of(network).values()]
    assert all(bool((gate.bias == -6).all()) for gate in gates)
    x = torch.randn(2, *BASE.input)
    shortcuts = [1 - torch.sigmoid(gate(torch.zeros(1, gate.in_channels, 1, 1))) for gate in gates]
    assert all(float(open_share.min()) > 0.997 for open_share in shortcuts)
    assert network(x).isfinite().all()


def test_a_gates_bias_needs_a_gate() -> None:
    with pytest.raises(ValueError, match=r"gate_bias = -6 is of gates, and skip = 'attention' has none"):
        variant(skip="attention", gate_bias=-6.0)
