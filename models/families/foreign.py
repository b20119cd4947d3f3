"""Networks that other packages build: the plug-ins `reszoo.architectures`."""

from typing import TYPE_CHECKING

from ...core.missing import unavailable_error
from ...core.types import ForeignSpec, Unavailable
from ..architectures import architecture
from ..family import Family, Pruning

if TYPE_CHECKING:
    from torch import nn


class Foreign(Family[ForeignSpec]):
    """All that is known of such a network is what can be seen from outside."""

    name = "foreign"
    title = "networks of other packages"

    def head(self, spec: ForeignSpec) -> str:
        return ""

    def build(self, spec: ForeignSpec) -> "nn.Module":
        build = architecture(spec.builder).build
        if build is None:
            raise unavailable_error(
                Unavailable(
                    what=spec.builder, reason="its package builds no network", fix="Install another version of it."
                )
            )
        return build(spec)

    def block(self, model: "nn.Module") -> "nn.Module":
        return model

    def summary(self, spec: ForeignSpec) -> str:
        return f"A network of another package, {spec.builder},"

    def description(self, spec: ForeignSpec) -> dict[str, str]:
        return {"family": "another package's", "architecture": spec.builder}

    def pruning(self, spec: ForeignSpec) -> Pruning[ForeignSpec] | Unavailable:
        return Unavailable(
            what="pruning",
            reason=f"{spec.builder} is built by another package, which does not say how its channels hang together",
            fix="Prune a residual network: `reszoo list` has some.",
        )


FAMILY = Foreign()
