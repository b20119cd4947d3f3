"""torch-pruning's groups: the layers that its dependency graph finds coupled, for each of our channel groups.

DepGraph (Fang et al. 2023, section 3.2) reads the couplings off the real network's backward graph. Its groups carry
the importances; that it and `models.channels` see the same couplings is what the tests prove.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..models.blocks import PadShortcut, RouteShortcut
from ..models.channels import channel_groups, layers
from ..models.resnet import ResNet

if TYPE_CHECKING:
    from torch_pruning import DependencyGraph, Group


def dependency_groups(model: ResNet) -> "dict[str, Group]":
    """One for each channel group, over all its kept channels: its root is the first convolution that writes them.

    The network is left in eval mode.
    """
    from torch_pruning import prune_conv_out_channels

    graph = dependency_graph(model)
    roots: dict[str, nn.Module] = {}
    for name, axes in layers(model.spec).items():
        layer = model.get_submodule(name)
        if axes.rows and isinstance(layer, nn.Conv2d):
            roots.setdefault(axes.rows.name, layer)
    return {
        group.name: graph.get_pruning_group(roots[group.name], prune_conv_out_channels, list(range(group.width)))
        for group in channel_groups(model.spec)
    }


def dependency_graph(model: ResNet) -> "DependencyGraph":
    """Traced from the network as it is, with what it needs to know about our fixed shortcuts."""
    from torch_pruning import DependencyGraph

    device = next(model.parameters()).device
    return DependencyGraph().build_dependency(
        model,
        torch.zeros(1, *model.spec.input, device=device),
        customized_pruners=fixed_shortcuts(),
        verbose=False,
    )


def fixed_shortcuts() -> dict[type[nn.Module], Any]:
    """Option A moves channels to other places: without this, the graph would take channel i for the next stage's i.

    The assembly makes a shortcut that fits the plan, so nothing in it is to be pruned.
    """
    from torch_pruning import BasePruningFunc

    class Fixed(BasePruningFunc):  # type: ignore[misc]
        def prune_out_channels(self, layer: nn.Module, idxs: list[int]) -> nn.Module:
            return layer

        # Another function than the one above: so what comes in is not coupled with what goes out.
        def prune_in_channels(self, layer: nn.Module, idxs: list[int]) -> nn.Module:
            return layer

        def get_out_channels(self, layer: PadShortcut | RouteShortcut) -> int:
            return layer.out_channels

        def get_in_channels(self, layer: PadShortcut | RouteShortcut) -> int:
            return layer.in_channels

    return dict.fromkeys((PadShortcut, RouteShortcut), Fixed())
