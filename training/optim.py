"""The optimizer and the moving average that a recipe asks for."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """Weight decay acts on the weights of convolutions and linear layers; on norms and biases only if asked for."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    weights = [p for p in parameters if p.ndim > 1 or recipe.decay_all]
    others = [p for p in parameters if not (p.ndim > 1 or recipe.decay_all)]
    groups: list[dict[str, Any]] = [{"params": weights, "weight_decay": recipe.weight_decay}]
    if others:
        groups.append({"params": others, "weight_decay": 0.0})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.nesterov, fused=True)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, recipe.lr, fused=True)
    from timm.optim.lamb import Lamb

    lamb: Optimizer = Lamb(groups, lr=recipe.lr)
    return lamb


def make_ema(model: nn.Module, decay: float) -> AveragedModel | None:
    """Averages norms' statistics too, so that the average can be evaluated as it is."""
    if not decay:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]
