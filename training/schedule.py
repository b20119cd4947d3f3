"""The learning rate and the image size of every step, as functions of nothing but the recipe and the step."""

import math
import sys
from collections.abc import Callable

from ..core.errors import UsageError
from . import optim
from .recipe import Recipe

EIGHTHS = 8  # in so many steps images grow from nothing to their full size
BATCH_NORM_DECAY = 0.9  # what a step leaves of the running statistics that were there: PyTorch's default
FORGOTTEN = 0.01  # so little may be left of the statistics of smaller images

# From the fraction of the run that is done (after the warm-up) to the fraction of the learning rate.
CURVES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "one_cycle": lambda done: 1 - done,
}


def total_steps(recipe: Recipe, per_epoch: int) -> int:
    """Of the run, with so many steps an epoch."""
    return min(per_epoch * recipe.epochs, recipe.steps or sys.maxsize)


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """For step 0 <= `step` < `total`."""
    warmup = round(recipe.warmup * total)
    if step < warmup:
        rise = step / warmup if recipe.warmup_shape == "linear" else 0.0
        return recipe.lr * (recipe.warmup_factor + (1 - recipe.warmup_factor) * rise)
    if recipe.schedule == "step":
        return recipe.lr * recipe.drop_factor ** sum(step >= m * total for m in recipe.milestones)
    return recipe.lr * CURVES[recipe.schedule]((step - warmup) / (total - warmup))


def image_size(full: tuple[int, int], recipe: Recipe, epoch: int, per_epoch: int) -> tuple[int, int]:
    """(height, width) of the images in an epoch, counted from 0, where these are their `full` ones."""
    eighths = max(round(EIGHTHS * _scale(recipe, epoch * per_epoch / total_steps(recipe, per_epoch))), 1)
    height, width = (max(round(side * eighths / EIGHTHS), 1) for side in full)
    return height, width


def _scale(recipe: Recipe, done: float) -> float:
    if not recipe.initial_scale or done >= recipe.full_scale_at:
        return 1.0
    return recipe.initial_scale + (1 - recipe.initial_scale) * done / recipe.full_scale_at


def check_sizes(recipe: Recipe, per_epoch: int) -> None:
    """Refuse a run that ends before the statistics of its norms have forgotten the smaller images.

    They are running means, and the average of the weights has means of them.
    """
    if recipe.initial_scale in (0.0, 1.0):
        return
    steps = total_steps(recipe, per_epoch)
    small = math.ceil(recipe.full_scale_at * steps / per_epoch) * per_epoch  # at most: sizes change between epochs
    slowest = max(BATCH_NORM_DECAY, recipe.ema_decay, optim.LOOKAHEAD_DECAY if recipe.lookahead else 0.0)
    needed = math.ceil(math.log(FORGOTTEN) / math.log(slowest)) if slowest < 1 else sys.maxsize
    if steps - small < needed:
        raise UsageError(
            f"initial_scale={recipe.initial_scale:g} leaves {max(steps - small, 0)} of {steps} steps with full images: "
            f"too few for the statistics of the norms, which need {needed}",
            "Train longer, begin with full images earlier (`set full_scale_at=0.5`), or lower `ema_decay`.",
        )
