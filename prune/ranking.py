"""From importances to one order: which channels are removed first."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.types import ModelSpec
from ..models.pruning import layers
from .config import Ranking


def order(spec: ModelSpec, importances: Mapping[str, NDArray[np.float64]], ranking: Ranking) -> list[str]:
    """The channel group of each channel (or set that a group norm normalises together), the least important first.

    Each is ranked against those of its scope, from 0 (least important) to 1, and these ranks are put in order: so
    at every point of it the same share of every scope is removed.
    """
    ranks, names = [], []
    for scope in _scopes(spec, list(importances), ranking):
        scores = np.concatenate([importances[name] for name in scope])
        positions = np.empty(len(scores))
        positions[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1) / len(scores)
        ranks.append(positions)
        names += [name for name in scope for _ in importances[name]]
    return [names[i] for i in np.argsort(np.concatenate(ranks), kind="stable")]


def _scopes(spec: ModelSpec, names: list[str], ranking: Ranking) -> list[list[str]]:
    """Which channel groups are ranked together."""
    if ranking == "local":
        return [[name] for name in names]
    if ranking == "global":
        return [names]
    structures = _structures(spec)
    scopes: dict[object, list[str]] = defaultdict(list)
    for name in names:
        scopes[structures[name]].append(name)
    return list(scopes.values())


def _structures(spec: ModelSpec) -> dict[str, tuple[str, ...]]:
    """What surrounds each channel group: the layers that write and read it, by their place in a block.

    Groups with equal surroundings are isomorphic, whatever their widths (Fang et al. 2024, section 3.2).
    """
    surroundings: dict[str, list[str]] = defaultdict(list)
    for layer, axes in layers(spec).items():
        block, place = layer.split(".")[:3], layer.split(".")[3:]
        kind = ".".join(place) if block[0] == "stages" else layer
        for role, group in zip(("writes", "reads"), axes, strict=True):
            if group:
                surroundings[group.name].append(f"{kind} {role}")
    return {name: tuple(sorted(kinds)) for name, kinds in surroundings.items()}
