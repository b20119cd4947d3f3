"""Sparse learning against torch-pruning's own, and that it makes channels small."""

import pytest
import torch
from families import FAMILIES, images, randomised

from reszoo.models.channels import channel_groups, layers
from reszoo.prune.dependencies import fixed_shortcuts
from reszoo.training.sparsity import GroupSparsity


@pytest.mark.parametrize("family", ["v1, option A", "v2, bottlenecks", "v1, squeeze and excitation"])
def test_gradients_are_those_of_torch_pruning(family: str) -> None:
    from torch_pruning import GroupNormPruner, importance

    spec = FAMILIES[family]
    model = randomised(spec).float()
    pruner = GroupNormPruner(
        model,
        torch.zeros(1, *spec.input),
        importance.GroupMagnitudeImportance(p=2),
        reg=0.01,
        ignored_layers=[model.head],
        customized_pruners=fixed_shortcuts(),
    )
    found = []
    for regularise in (lambda: pruner.regularize(model, alpha=2**4), GroupSparsity(model, 0.01, alpha=4)):
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        regularise()
        found.append([p.grad.clone() for p in model.parameters()])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert any(gradient.any() for gradient in found[1])


def test_the_weakest_channels_of_a_group_fade_first() -> None:
    torch.manual_seed(0)
    spec = FAMILIES["v2, option A"]
    model = randomised(spec).float()
    sparsity = GroupSparsity(model, strength=0.02)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    def norms(group: str) -> torch.Tensor:
        return torch.stack(
            [
                model.get_submodule(name).weight.detach().transpose(0, d).flatten(1).square().sum(1)
                for name, axes in layers(spec).items()
                for d, one in enumerate(axes)
                if one and one.name == group and model.get_submodule(name).weight.ndim > 1
            ]
        ).sum(0)

    before = {group.name: norms(group.name) for group in channel_groups(spec)}
    for _ in range(5):
        optimizer.zero_grad()
        (model(images(spec).float()).square().mean() * 0).backward()
        sparsity()
        optimizer.step()
    for name, old in before.items():
        left = norms(name) / old
        assert left[old.argmin()] < left[old.argmax()]
