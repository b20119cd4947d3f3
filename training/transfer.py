"""Going on with a trained network on other data: the head for its classes, and the layers that stay as they are."""

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from .. import datasets
from ..core.errors import UsageError
from ..core.types import Checkpoint, ModelSpec
from ..datasets.info import info
from ..models import network
from .randomness import seed_for
from .recipe import Recipe

Head = Literal["own", "reordered", "new"]


def head_for(labels: tuple[str, ...], ref: str, data: str) -> Head:
    """What becomes of the head of the network `ref`, which knows `labels`, for the classes of the data set `data`.

    own         it has the same classes and stays
    reordered   it has the same classes in another order, so its rows are put in that of the data
    new         it has other classes, or more
    """
    rows = _rows(labels, ref, data)
    if rows is None:
        return "new"
    return "own" if rows == sorted(rows) else "reordered"


def _rows(labels: tuple[str, ...], ref: str, data: str) -> list[int] | None:
    """The row of the head for each class of the data set; None where they are not one to one."""
    if len(info(data).classes) != len(labels):
        return None
    try:
        return list(datasets.class_map(data, labels, ref).targets)
    except UsageError:
        return None


def fit_head(model: nn.Module, spec: ModelSpec, labels: tuple[str, ...], ref: str, data: str, seed: int) -> Head:
    """Give the network `ref` of this spec, which knows `labels`, the head for the data set `data`, in place."""
    kind = head_for(labels, ref, data)
    if kind == "reordered":
        _reorder(model.get_submodule(network.head_name(spec)), _rows(labels, ref, data) or [])
    elif kind == "new":
        with torch.random.fork_rng():
            torch.manual_seed(seed_for(seed, "head"))
            network.replace_head(model, spec, len(info(data).classes))
    return kind


@torch.no_grad()
def _reorder(head: nn.Module, rows: list[int]) -> None:
    for parameter in head.parameters():  # weight (classes, features), bias (classes,)
        parameter.copy_(parameter[rows].clone())


def check_parent(parent: Checkpoint | None, data: str, recipe: Recipe, head: Head) -> None:
    """Refuse other classes than the network's where it keeps its head, and what is said of a parent without one."""
    if parent and head == "own" and head_for(parent.labels, parent.ref, data) != "own":
        raise UsageError(
            f"{parent.ref} knows other classes than {data} has, or has them in another order",
            f"Choose the data that it was trained on: {parent.dataset}.",
        )
    named = {"backbone_lr": recipe.backbone_lr != 1, "`freeze`": bool(recipe.freeze)}
    if not parent and any(named.values()):
        raise UsageError(
            f"{' and '.join(name for name in named if named[name])}: from scratch no layer is trained already",
            "Give the checkpoint to go on with as `init`, or choose a recipe for training from scratch.",
        )


def freeze(model: nn.Module, patterns: Iterable[str], new_head: str) -> None:
    """Keep the parameters whose names match one of the glob `patterns` as they are; `new_head` is a new layer or "".

    Raises UsageError for a pattern that matches nothing, and where nothing is left to train or the new layer is kept.
    """
    parameters = dict(model.named_parameters())
    frozen: set[str] = set()
    for pattern in patterns:
        matching = {name for name in parameters if fnmatchcase(name, pattern)}
        if not matching:
            raise UsageError(f"`freeze={pattern}` matches no parameter of the network", _near(pattern, parameters))
        frozen |= matching
    fix = f"Leave the head out, as in `freeze={next(iter(parameters)).partition('.')[0]}.*`."
    if frozen >= {name for name, parameter in parameters.items() if parameter.requires_grad}:
        raise UsageError("`freeze` leaves nothing to train", fix)
    if new_head and any(name.startswith(f"{new_head}.") for name in frozen):
        raise UsageError(f"`freeze` would keep the new head, {new_head}, as it is initialised", fix)
    for name in frozen:
        parameters[name].requires_grad_(False)


def _near(pattern: str, names: Iterable[str]) -> str:
    """Patterns for whole layers and names that look like it, or else the parts of the network."""
    parts = dict.fromkeys(f"{part}.*" for name in names for part in accumulate(name.split(".")[:-1], "{}.{}".format))
    near = get_close_matches(pattern, [*parts, *names], n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Parts of it are {', '.join(part for part in parts if part.count('.') == 1)}."


def frozen_norms(model: nn.Module) -> list[nn.Module]:
    """The batch norms all of whose parameters are kept: their statistics are to stay what these were trained with."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    own = {norm: list(norm.parameters(recurse=False)) for norm in norms}
    return [norm for norm, parameters in own.items() if parameters and not any(p.requires_grad for p in parameters)]
