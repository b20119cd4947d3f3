"""Networks that other packages name, and may build: the plug-ins `reszoo.architectures`."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ..core.foreign import ForeignPlugins
from ..core.missing import unavailable_error
from ..core.types import ModelSpec, Unavailable

if TYPE_CHECKING:
    from torch import nn


class Architecture(NamedTuple):
    """A name for a spec, and what makes a network of it: (N, C, H, W) -> (N, num_classes) logits.

    Without `build`, it is reszoo's own assembly with other numbers, and all that reszoo does with a network goes. With
    it, `family`, `depths` and the like only describe the network: it is trained, exported, quantized and measured, but
    not pruned. `build` has to heed the spec's `num_classes` and `input`, which users change.
    """

    name: str
    spec: ModelSpec
    build: "Callable[[ModelSpec], nn.Module] | None" = None


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


def skeleton(spec: ModelSpec) -> "nn.Module":
    """The network of another package without weights: shapes alone, on the meta device."""
    from ..core.missing import require

    require("torch", "to build a network")
    import torch

    with torch.device("meta"):
        return built(spec)


def built(spec: ModelSpec) -> "nn.Module":
    """The network of a spec that names its `builder`."""
    build = architecture(spec.builder).build
    if build is None:
        raise unavailable_error(
            Unavailable(what=spec.builder, reason="its package builds no network", fix="Install another version of it.")
        )
    return build(spec)
