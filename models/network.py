"""What the rest of reszoo asks of a network by its spec, whatever its architecture. Light: imports no torch."""

from math import prod
from typing import TYPE_CHECKING, Any, cast

from ..core import limits
from ..core.errors import UsageError
from ..core.missing import require
from ..core.registry import discover
from ..core.types import ModelSpec, ResNetSpec
from . import families
from .family import Family, Shape

if TYPE_CHECKING:
    from torch import nn

FAMILIES = discover(families, "FAMILY")  # by the `type` of their specs


def family_of(spec: ModelSpec) -> Family[Any]:
    """What its architecture is to the rest of reszoo."""
    family: Family[Any] = FAMILIES[str(spec.__struct_config__.tag)]
    return family


def build(spec: ModelSpec) -> "nn.Module":
    """A freshly initialised network of this spec, in training mode."""
    require("torch", "to build a network")
    check_size(spec)
    return family_of(spec).build(spec)


def check_size(spec: ModelSpec) -> None:
    """Raises UsageError for a network of more parameters than any machine here could hold."""
    if not isinstance(spec, ResNetSpec):
        return  # their shapes are told by a network, which is on the meta device wherever weights are read
    if (values := sum(map(prod, state_shapes(spec).values()))) > limits.PARAMETERS:
        problem = f"{summary(spec)} has {values:,} parameters, and {limits.PARAMETERS:,} are the most"
        raise UsageError(problem, "Give it fewer channels or blocks.")


def state_shapes(spec: ModelSpec) -> dict[str, Shape]:
    """Every entry of the network's state dict, by its name."""
    return family_of(spec).state_shapes(spec)


def summary(spec: ModelSpec) -> str:
    """What it is, as the object of a sentence: "A residual network (v1, 3+3+3 basic blocks)"."""
    return family_of(spec).summary(spec)


def description(spec: ModelSpec) -> dict[str, str]:
    """What makes it this network, by title, in the order in which it is shown."""
    return family_of(spec).description(spec)


def replace_head(model: "nn.Module", spec: ModelSpec, num_classes: int) -> None:
    """Give a network of this spec a fresh linear layer for another number of classes, in place."""
    from torch import nn

    name = head_name(spec)
    head = cast("nn.Linear", model.get_submodule(name))
    model.set_submodule(name, nn.Linear(head.in_features, num_classes))


def head_name(spec: ModelSpec) -> str:
    """The linear layer that gives the logits. Raises UsageError where it is not known."""
    family = family_of(spec)
    if not (name := family.head(spec)):
        raise UsageError(
            f"reszoo does not know which layer of {family.title} tells classes apart",
            "Keep its classes and their order, and one learning rate for all of its layers.",
        )
    return name


def with_stochastic_depth(spec: ModelSpec, probability: float) -> ModelSpec:
    """With this probability of dropping the last residual branch. Raises UsageError where there is none to drop."""
    changed: ModelSpec = family_of(spec).with_stochastic_depth(spec, probability)
    return changed
