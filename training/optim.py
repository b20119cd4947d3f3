"""The optimizer and the average of the weights that a recipe asks for."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .recipe import Recipe

LOOKAHEAD_DECAY = 0.95  # of the slow weights, for each step between two pulls, at the end of the run: airbench's


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


def make_average(model: nn.Module, recipe: Recipe, steps: int) -> AveragedModel | None:
    """What is told of the model after each of the run's `steps`; None where the last weights count.

    Averages norms' statistics too, so that the average can be evaluated as it is.
    """
    if recipe.lookahead:
        return Lookahead(model, recipe.lookahead, steps)
    if recipe.ema_decay:
        return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay), use_buffers=True)  # type: ignore[no-untyped-call]
    return None


class Lookahead(AveragedModel):
    """Slow weights, which move towards the model's every `every` steps and take their place (Zhang et al. 2019).

    So this average steers the training, while a moving average only watches it. As in airbench (Jordan 2024), the slow
    weights hardly hold back the first steps: what they keep of themselves grows with the cube of the run, to
    0.95 ** `every` at its end.
    """

    done: Tensor

    def __init__(self, model: nn.Module, every: int, steps: int) -> None:
        super().__init__(model, multi_avg_fn=self._pull, use_buffers=True)
        self.every, self.steps = every, steps
        self.register_buffer("done", torch.tensor(0))

    def update_parameters(self, model: nn.Module) -> None:
        self.done += 1
        if int(self.done) % self.every == 0 or int(self.done) == self.steps:
            super().update_parameters(model)
            model.load_state_dict(self.module.state_dict())

    @torch.no_grad()
    def _pull(self, slow: Sequence[Tensor], fast: Sequence[Tensor], _: object) -> None:
        kept = LOOKAHEAD_DECAY**self.every * (int(self.done) / self.steps) ** 3
        for own, new in zip(slow, fast, strict=True):
            if own.is_floating_point():
                own.lerp_(new, 1 - kept)
            else:
                own.copy_(new)
