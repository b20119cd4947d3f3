"""Training: recipes, and the loop that turns a network into a checkpoint of ours. Imported lazily.

recipe = training.override(training.load("digits"), {"epochs": "10"})
spec = training.spec_for("resnet8_v1", "digits", recipe)
checkpoint = training.fit(training.initialised(spec, recipe.seed), spec, "digits", recipe, out, ref="resnet8_v1.mine")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.missing import require

if TYPE_CHECKING:
    from .recipe import Recipe as Recipe
    from .recipe import load as load
    from .recipe import names as names
    from .recipe import override as override
    from .run import fit as fit
    from .run import initialised as initialised
    from .run import tidy as tidy
    from .specs import for_training as for_training
    from .specs import spec_for as spec_for

_HOME = {
    "Recipe": "recipe",
    "fit": "run",
    "for_training": "specs",
    "initialised": "run",
    "load": "recipe",
    "names": "recipe",
    "override": "recipe",
    "spec_for": "specs",
    "tidy": "run",
}
__all__ = list(_HOME)

require("torch", "to train")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
