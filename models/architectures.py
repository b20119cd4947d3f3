"""Networks that other packages name, and may build: the plug-ins `reszoo.architectures`."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ..core.foreign import ForeignPlugins
from ..core.missing import unavailable_error
from ..core.types import ForeignSpec, ModelSpec, Unavailable

if TYPE_CHECKING:
    from torch import nn


class Architecture(NamedTuple):
    """A name for a spec, and what makes a network of it: (N, C, H, W) -> (N, num_classes) logits.

    Without `build`, it is one of reszoo's own families with other numbers, and reszoo does with it what it does with
    those. With it, the spec is a `ForeignSpec`, whose `builder` is this name: the network is trained, exported,
    quantized and measured, but not pruned. `build` heeds the spec's `num_classes` and `input`, which users change.
    """

    name: str
    spec: ModelSpec
    build: "Callable[[ForeignSpec], nn.Module] | None" = None


@cache
def architectures() -> ForeignPlugins:
    """By name; an `Unavailable` stands for one that cannot be imported."""
    return ForeignPlugins("architectures", Architecture, lambda missing: missing)


def architecture(name: str) -> Architecture:
    """Raises UnavailableError where its package is not here or cannot be imported."""
    found: Architecture | Unavailable | None = architectures().get(name)
    if isinstance(found, Architecture):
        return found
    reason, fix = f"no package that is installed brings the architecture {name}", "Install the package that does."
    raise unavailable_error(found or Unavailable(what=name, reason=reason, fix=fix))
