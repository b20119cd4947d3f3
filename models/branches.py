"""The order of operations in a block's branch, as data. Light: imports no torch.

    v1, plain  conv norm act conv norm        norms after the convolutions
    v2         norm act conv norm act conv    norms before them, the activation too

A bottleneck has a third convolution. `norm_place` and `order` of a spec move the norms and the activations.
"""

from typing import Literal, NamedTuple

from msgspec.structs import replace

from ..core.types import BlockType, Family, ResNetSpec

Kind = Literal["norm", "act", "conv"]
CONVOLUTIONS: dict[BlockType, int] = {"basic": 2, "bottleneck": 3}


class Step(NamedTuple):
    """One operation, and which of its kind it is: convolutions and norms have weights of their own."""

    kind: Kind
    number: int


def steps_of(spec: ResNetSpec, family: Family) -> tuple[Step, ...]:
    """The branch of this network's blocks of that family. No norm follows another one directly."""
    place = spec.norm_place or ("before" if family == "v2" else "after")
    before: tuple[Kind, ...] = () if place == "after" else ("norm",)
    after: tuple[Kind, ...] = () if place == "before" else ("norm",)
    count = CONVOLUTIONS[spec.block_type]
    kinds: tuple[Kind, ...]
    if family == "v2":
        kinds = (*_lead(spec, before), "conv", *after) * count
    else:
        kinds = ((*before, "conv", *after, "act") * count)[:-1]  # the last activation follows the addition
    single: list[Kind] = [kind for i, kind in enumerate(kinds) if kinds[max(i - 1, 0) : i + 1] != ("norm", "norm")]
    return tuple(Step(kind, single[:i].count(kind)) for i, kind in enumerate(single))


def has_papers_order(spec: ResNetSpec, family: Family) -> bool:
    """Whether this network's blocks of that family have their norms and activations where the papers put them."""
    return steps_of(spec, family) == steps_of(replace(spec, norm_place="", order="norm-act-conv"), family)


def _lead(spec: ResNetSpec, before: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """What precedes each convolution of a v2 block."""
    if spec.order == "norm-conv":
        return before
    return (*before, "act") if spec.order == "norm-act-conv" else ("act", *before)
