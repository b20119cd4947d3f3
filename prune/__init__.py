"""Structured pruning: whole channels, whole residual blocks or both are removed until a cost is met. Imported lazily.

A plan says what stays; it is data and a part of the spec, so a pruned network is built, loaded, trained, exported
and measured like any other. This package may use `training`, which counts its correct answers. It measures no latency:
what a network costs is a function of its spec that the caller gives.

config = prune.PruneConfig(importance="taylor", ranking="isomorphic", round_to=8)
pruned = prune.prune(checkpoint, config, lambda spec: cost_of(spec).macs, limit, folder, ref)
rows = prune.sensitivity.sensitivity(checkpoint, config, (0.25, 0.5, 0.75))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.missing import require
from .config import PruneConfig as PruneConfig

if TYPE_CHECKING:
    from .applying import apply_plan as apply_plan
    from .planning import UnreachableError as UnreachableError
    from .pruning import plan_for as plan_for
    from .pruning import prune as prune

_HOME = {
    "UnreachableError": "planning",
    "apply_plan": "applying",
    "plan_for": "pruning",
    "prune": "pruning",
}
__all__ = ["PruneConfig", *_HOME]

require("torch", "to prune")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
