"""The learning rate of every step, as a function of nothing but the recipe and the step."""

import math
from collections.abc import Callable

from .recipe import Recipe

# From the fraction of the run that is done (after the warm-up) to the fraction of the learning rate.
CURVES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "one_cycle": lambda done: 1 - done,
}


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """For step 0 <= `step` < `total`."""
    warmup = round(recipe.warmup * total)
    if step < warmup:
        rise = step / warmup if recipe.warmup_shape == "linear" else 0.0
        return recipe.lr * (recipe.warmup_factor + (1 - recipe.warmup_factor) * rise)
    if recipe.schedule == "step":
        return recipe.lr * recipe.drop_factor ** sum(step >= m * total for m in recipe.milestones)
    return recipe.lr * CURVES[recipe.schedule]((step - warmup) / (total - warmup))
