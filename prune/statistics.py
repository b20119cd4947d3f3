"""The means and variances of batch norms, computed anew for what pruning has left, without any training.

They were collected in the unpruned network. Without some of its channels or blocks, what reaches a norm has another
mean and another variance.
"""

import torch
from torch import nn

from ..core.types import ModelSpec
from ..zoo.checkpoints import empty_network
from .calibration import Batches


def has_batch_norms(spec: ModelSpec) -> bool:
    return bool(_norms(empty_network(spec)))


@torch.no_grad()
def renew(model: nn.Module, data: Batches) -> None:
    """Give every batch norm the mean of its statistics over these batches, as PyTorch has it for momentum None.

    The network is left in eval mode. Buffers that it shares with others stay as they are: it gets new ones.
    """
    for norm in _norms(model):
        norm.running_mean, norm.running_var = torch.zeros(norm.num_features), torch.ones(norm.num_features)
        norm.num_batches_tracked = torch.tensor(0)
        norm.momentum = None
        norm.train()
    for images, _ in data:
        model(images)
    model.eval()


def use_those_of_batches(model: nn.Module) -> None:
    """Let every batch norm take each batch's own statistics: as if they were renewed, in one pass over the images."""
    for norm in _norms(model):
        norm.running_mean = norm.running_var = None


def _norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
