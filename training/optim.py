"""The optimizer and the moving average that a recipe asks for."""

from collections import defaultdict
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe, head: str = "") -> Optimizer:
    """Weight decay acts on the weights of convolutions and linear layers; on norms and biases only if asked for.

    All layers but `head` have the recipe's `backbone_lr` as a factor on their rate.
    """
    alike: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    for name, p in model.named_parameters():
        if p.requires_grad:
            factor = 1.0 if name.startswith(f"{head}.") else recipe.backbone_lr
            alike[factor, p.ndim > 1 or recipe.decay_all].append(p)
    groups: list[dict[str, Any]] = [
        {"params": alike[key], "lr": recipe.lr * key[0], "weight_decay": recipe.weight_decay if key[1] else 0.0}
        for key in sorted(alike, reverse=True)
    ]
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
