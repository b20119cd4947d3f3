"""What a family of architectures is to the rest of reszoo: the class that each file of `families/` has an instance of.

Light: imports no torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from ..core.errors import UsageError
from ..core.types import ChannelPlan, ModelSpec, NetworkSpec, Unavailable
from .costs import Cost

if TYPE_CHECKING:
    from torch import nn

    from .channels import Axes, Layout
    from .latency import Part, ProbeSet

S = TypeVar("S", bound=NetworkSpec)
Shape = tuple[int, ...]


class Pruning(NamedTuple, Generic[S]):
    """How networks of a family are pruned: `models.pruning` says what each of these is."""

    plan_of: Callable[[S], ChannelPlan]
    with_plan: Callable[[S, ChannelPlan], S]
    layout: "Callable[[S], Layout]"
    layers: "Callable[[S], dict[str, Axes]]"
    fixed_channels: "Callable[[S], Unavailable | None]"
    parts: "Callable[[S], list[Part]]"
    latency_signature: Callable[[S], S]
    probe_sets: "Callable[[S, bool], list[ProbeSet]]"


class Family(ABC, Generic[S]):
    """All networks of one kind of spec.

    Attributes:
        name: What the spec's `type` is on disk. The file is named like it.
        title: What its networks are called in sentences: "VGG networks".
        named: The networks of this family that have a name of their own. Residual networks have rules for others, too
            (`models.names`).
    """

    name: str
    title: str
    named: Mapping[str, ModelSpec] = {}

    @abstractmethod
    def build(self, spec: S) -> "nn.Module":
        """A freshly initialised network in training mode: (N, C, H, W) -> (N, num_classes) logits."""

    @abstractmethod
    def summary(self, spec: S) -> str:
        """What it is, as the object of a sentence: "A residual network (v1, 3+3+3 basic blocks)"."""

    @abstractmethod
    def description(self, spec: S) -> dict[str, str]:
        """What makes it this network, by title, in the order in which it is shown."""

    def head(self, spec: S) -> str:
        """The linear layer that gives the logits, as the state dict names it; "" where that is not known."""
        return "head"

    def block(self, model: "nn.Module") -> "nn.Module":
        """The part of a network that the rest of it repeats."""
        return model.get_submodule("stages.0.0")

    def cost(self, spec: S) -> Cost:
        """Counted in the network, without memory or arithmetic."""
        from .counting import counted

        return counted(self.skeleton(spec), spec.input)

    def state_shapes(self, spec: S) -> dict[str, Shape]:
        """Every entry of the network's state dict, by its name."""
        return {name: tuple(tensor.shape) for name, tensor in self.skeleton(spec).state_dict().items()}

    def skeleton(self, spec: S) -> "nn.Module":
        """The network without weights: shapes alone, on the meta device."""
        from ..core.missing import require

        require("torch", "to build a network")
        import torch

        with torch.device("meta"):
            return self.build(spec)

    def with_stochastic_depth(self, spec: S, probability: float) -> S:
        """The network that drops residual branches while it is trained. Raises UsageError where it has none."""
        if probability:
            raise UsageError(
                f"{self.title} have no stochastic depth",
                "Train with `stochastic_depth=0`, or choose a residual network.",
            )
        return spec

    def pruning(self, spec: S) -> "Pruning[S] | Unavailable":
        """How this network is pruned, or why it cannot be."""
        return Unavailable(
            what="pruning",
            reason=f"reszoo has no plan of how the channels of {self.title} hang together",
            fix="Prune a residual network: `reszoo list` has some.",
        )
