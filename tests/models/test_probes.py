"""Gradient norms against a hand-made computation, and blocks against the identity."""

import pytest
import torch
from families import FAMILIES, images, randomised
from torch import nn
from torch.nn import functional as F

from reszoo.core.errors import UsageError
from reszoo.core.types import ModelSpec
from reszoo.models.probes import blocks_of, edited_branch, gradient_norms, verify_identity

LABELS = torch.tensor([0, 1, 2])


def loss(x: torch.Tensor) -> "object":
    return lambda model: F.cross_entropy(model(x), LABELS)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_norms_are_those_of_what_enters_each_block(name: str) -> None:
    """Each block again from the tensor that enters it, as a leaf."""
    spec: ModelSpec = FAMILIES[name]
    model, x = randomised(spec), images(spec)
    norms = gradient_norms(model, loss(x))  # type: ignore[arg-type]
    blocks = list(blocks_of(model))
    assert list(norms) == blocks
    parts = [f"stages.{s}.{part}" for s, stage in enumerate(model.stages) for part, _ in stage.named_children()]
    for name in (blocks[0], blocks[-1]):
        with torch.no_grad():
            before = model.stem(x)
            for part in parts[: parts.index(name)]:
                before = model.get_submodule(part)(before)
        leaf = before.clone().requires_grad_()
        h = leaf.clone()
        for part in parts[parts.index(name) :]:
            h = model.get_submodule(part)(h)
        logits = model.head(model.flatten(model.pool(model.final(h))))
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, LABELS), leaf)
        assert norms[name] == pytest.approx(float(gradient.norm()), rel=1e-9)


def test_the_network_is_left_as_it_was() -> None:
    spec = FAMILIES["v1, option A"]
    model, x = randomised(spec), images(spec)
    before = model(x)
    gradient_norms(model, loss(x))  # type: ignore[arg-type]
    assert torch.equal(model(x), before)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not x.requires_grad


def test_any_modules_of_any_network_can_be_asked_about() -> None:
    chain = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)).double()
    with torch.no_grad():
        for layer, gain in zip(chain, (2.0, 3.0), strict=True):
            layer.weight.copy_(gain * torch.eye(4))
    x = torch.ones(1, 4).double()
    norms = gradient_norms(chain, lambda model: model(x).sum(), ["0", "1"])
    assert norms == pytest.approx({"0": 12.0, "1": 6.0})


def test_a_module_that_the_loss_does_not_need_has_none() -> None:
    chain = nn.Sequential(nn.Linear(2, 2))
    assert gradient_norms(chain, lambda model: (model(torch.ones(1, 2)) * 0).sum(), ["0"]) == {"0": 0.0}


@pytest.mark.parametrize(("family", "positive", "any_sign"), [("v1", True, False), ("v2", True, True)])
def test_without_its_branch_a_v2_block_is_the_identity_and_a_v1_block_for_positive_inputs(
    family: str, positive: bool, any_sign: bool
) -> None:
    block = blocks_of(randomised(FAMILIES[f"{family}, option A"]))["stages.0.0"]
    x = torch.randn(2, 8, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kept = x.clone()
    assert verify_identity(block, x.abs()).is_identity is positive
    assert verify_identity(block, x).is_identity is any_sign
    assert torch.equal(x, kept)
    check = verify_identity(block, x)
    with torch.no_grad():
        assert check.distance == pytest.approx(float((block(x) - x).norm() / x.norm()))


def test_a_plain_block_without_its_branch_is_no_identity() -> None:
    block = blocks_of(randomised(FAMILIES["plain, option A"]))["stages.0.0"]
    assert verify_identity(block, torch.rand(2, 8, 8, 8, dtype=torch.float64)).without_branch == pytest.approx(1.0)


def test_what_cannot_be_an_identity_is_refused() -> None:
    block = blocks_of(randomised(FAMILIES["v1, option A"]))["stages.1.0"]
    with pytest.raises(UsageError, match=r"gives \(2, 16, 4, 4\) for \(2, 8, 8, 8\): it cannot be an identity"):
        verify_identity(block, torch.rand(2, 8, 8, 8, dtype=torch.float64))
    with pytest.raises(UsageError, match="Linear is no residual block") as refused:
        verify_identity(nn.Linear(2, 2), torch.rand(2, 2))
    assert "blocks_of(model)" in refused.value.fix


def test_an_edit_ends_with_its_block() -> None:
    block = blocks_of(randomised(FAMILIES["v2, option A"]))["stages.0.0"]
    x = torch.rand(2, 8, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        before = block(x)
        with edited_branch(block, lambda h: 2 * h):
            assert torch.allclose(block(x) - x, 2 * (before - x))
        assert torch.equal(block(x), before)
