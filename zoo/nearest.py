"""What is said of weights that fit no network: the nearest ones, each with the first tensor that is another one."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from ..core.errors import ReszooError
from ..core.types import ModelSpec
from ..models.network import state_shapes
from .checkpoints import first_mismatch, shape_text
from .converters import CONVERTERS, LAYOUTS, restore
from .derived import Shapes
from .surplus import listed

NEAREST, LEAST_LIKENESS = 3, 0.4
NAMED_AS = f"{', '.join(LAYOUTS)} or reszoo itself"
OURS_FIX = (
    "Name what it is with its fields, as in `arch=resnet20_v2+skip=gate`. A pruned network is told by the "
    "checkpoint.json beside its weights alone: name that folder, which needs no import."
)


class Unknown(NamedTuple):
    """Weights that fit no network: their shapes under their own names and under ours, and the names that have none."""

    what: str
    layout: str
    theirs: Shapes
    ours: Shapes
    strange: list[str]

    def mismatch(self, spec: ModelSpec) -> str:
        """The first tensor that a network of this spec has otherwise, by their name."""
        rules = CONVERTERS[self.layout]
        if found := first_mismatch(self.ours, state_shapes(spec), lambda key: restore(key, rules) or key):
            return found
        if not self.strange:
            return "all tensors fit"
        name = self.strange[0]
        return f"{name} of shape {shape_text(self.theirs[name])} is not expected"


class _Candidate(NamedTuple):
    name: str
    spec: ModelSpec
    likeness: tuple[float, int]


def no_such(unknown: Unknown, arch: str, spec: ModelSpec) -> ReszooError:
    """Where it was said which network they are of."""
    return ReszooError(
        f"{unknown.what} does not fit {arch}: {unknown.mismatch(spec)}",
        "Leave out `arch`: the nearest networks are named then.",
    )


def unrecognised(unknown: Unknown, specs: Mapping[str, ModelSpec]) -> ReszooError:
    """Of these specs, by their names, the nearest are named."""
    problem = f"{unknown.what} fits no network that reszoo knows"
    if unknown.strange:
        problem += f", and has tensors called {listed(unknown.strange)}"
    nearest = _nearest(unknown, specs)
    if not nearest:
        return ReszooError(
            f"{problem}; none is near",
            f"Residual networks are recognised, named as in {NAMED_AS}. Of others, give the name: `arch=vgg16_bn`.",
        )
    listing = "; ".join(f"{each.name} ({unknown.mismatch(each.spec)})" for each in nearest)
    fix = (
        f"Where you know which it is, say so and see what differs: `arch={nearest[0].name}`. Its tensors have to be "
        f"named as in {NAMED_AS}."
    )
    return ReszooError(f"{problem}. The nearest: {listing}", OURS_FIX if unknown.layout == "native" else fix)


def _nearest(unknown: Unknown, specs: Mapping[str, ModelSpec]) -> list[_Candidate]:
    """By the shapes of the weights, whatever they are called; of equal ones by the tensors that fit by name, too."""
    have = _weights(unknown.theirs)

    def candidate(name: str, spec: ModelSpec) -> _Candidate:
        expected = state_shapes(spec)
        wanted = _weights(expected)
        share = (have & wanted).total() / max(have.total(), wanted.total())
        same = sum(unknown.ours.get(key) == shape for key, shape in expected.items())
        return _Candidate(name, spec, (share, same))

    found = [candidate(name, spec) for name, spec in specs.items()]
    best = sorted(found, key=lambda each: each.likeness, reverse=True)[:NEAREST]
    return best if best[0].likeness[0] > LEAST_LIKENESS else []


def _weights(shapes: Shapes) -> Counter[tuple[int, ...]]:
    return Counter(shape for shape in shapes.values() if len(shape) > 1)
