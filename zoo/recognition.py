"""Which network weights are of: told from the names and the shapes of their tensors, and proven by fitting all of them.

The names tell the layout, one of the tables in `converters`. Under our own names, the shapes tell the spec (`derived`).
What leaves no trace in a tensor cannot be told. The papers' networks are assumed there: a plain network has the tensors
of a v1 network with option A, and activations have none. Where no assumption is usual, it has to be said.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from ..core.errors import ReszooError, UsageError
from ..core.types import ModelSpec, ResNetSpec
from ..models import names, spec_of
from ..models.names import parsed
from ..models.network import state_shapes
from .checkpoints import first_mismatch
from .convert import renamed
from .converters import CONVERTERS, LAYOUTS, rename, restore
from .derived import Shapes, arch_of, residuals, spec_from_shapes
from .nearest import Unknown, no_such, unrecognised
from .reading import State
from .surplus import are_apart, surplus_error

OURS = re.compile(r"(stem|stages|final|head)\.")
LAYER_OF_HEAD = re.compile(r"head\.(\d+)\.")
NO_LAST_NORM = "it has no norm after its last block, as kuangliu's PreActResNet; a v2 network here ends with one"
MANY_LAYERS = "its classifier has more than one layer with weights; those of networks here have one, and it is linear"
ONE_LOGIT = "it gives one number for each image, as a sigmoid takes it; networks here give one for each class"
RAW_PROJECTIONS = (
    "its projections take the raw signal, as in bearpaw's PreResNet; those of a v2 network here take the activated one"
)
TRAIN_IT = "No weights make up for that: train it here, with `train(resnet18_v2_cifar)` or a network of its depth."
TWO_LOGITS = (
    "The same network with two: torch.cat([-w / 2, w / 2]) in the place of the classifier's weight w, and so its bias."
)
RUN_IT = "import the module in Python, `reszoo.import_checkpoint(model)`: it is run beside reszoo's network."


class Recognised(NamedTuple):
    """The weights under our names in float32, the layout that they had, and the network that all of them fit."""

    state: State
    layout: str
    arch: str
    spec: ModelSpec


def recognise(
    state: State, what: str, arch: str | None = None, own: ResNetSpec | None = None, *, is_run: bool = False
) -> Recognised:
    """Find the network that the weights are of.

    Args:
        state: Weights without prefixes, as `reading.weights_of` gives them.
        what: Names them in errors.
        arch: The architecture's name, where it is known. The weights tell classes, input channels and shortcuts, where
            the name does not; nothing else in it is changed.
        own: The spec of the module that they are from, where that is one of reszoo's.
        is_run: Whether the module that they are from is run beside the network that is found, which shows what leaves
            no trace in weights.

    Raises:
        ReszooError: No network of reszoo's has these tensors; the nearest are named, each with its first mismatch.
        UsageError: There are more tensors than the network has, several networks have just these, or `arch` is no
            architecture.
    """
    named = state_shapes(spec_of(arch)) if arch else {}
    layout = "native" if len(named.keys() & state.keys()) * 2 > len(state) else layout_of(state)
    strange = [name for name in state if not (_is_known(name, layout) or (layout == "native" and name in named))]
    known = {name: array for name, array in state.items() if name not in strange}
    _check_layers_of_head(known, layout, what)
    ours = renamed(known, layout, what)
    shapes = {name: array.shape for name, array in ours.items()}
    _refuse_others(known, layout, shapes, what, is_run=is_run)
    derived = spec_from_shapes(shapes, has_group_norms=layout == "native")
    candidates = list(_candidates(arch, own, derived))
    spec = next((spec for spec in candidates if not first_mismatch(shapes, state_shapes(spec))), None)
    if spec is None or not are_apart(strange, state):
        theirs = {name: array.shape for name, array in state.items()}
        unknown = Unknown(what, layout, theirs, shapes, strange)
        raise no_such(unknown, arch, spec or candidates[-1]) if arch else unrecognised(unknown, _all_like(derived))
    name = arch or _name(spec)
    if strange:
        raise surplus_error(strange, state, name, shapes.get("head.weight", ()), what)
    if not (arch or own or is_run):
        _check_told(spec, layout, what)
    return Recognised(ours, layout, name, spec)


def layout_of(their_names: Iterable[str]) -> str:
    """The layout with a name for the most of them, and the same name; ours, where most begin as ours do."""
    known = list(their_names)

    def fit(layout: str) -> tuple[int, int]:
        ours = [rename(name, CONVERTERS[layout]) for name in known]
        same = sum(
            key is not None and restore(key, CONVERTERS[layout]) == name for key, name in zip(ours, known, strict=True)
        )
        return len(ours) - ours.count(None), same

    best = max(LAYOUTS, key=fit)
    native = sum(OURS.match(name) is not None and ".blocks." not in name for name in known)
    return "native" if native > fit(best)[0] else best


def _is_known(name: str, layout: str) -> bool:
    return OURS.match(name) is not None if layout == "native" else rename(name, CONVERTERS[layout]) is not None


def _candidates(arch: str | None, own: ResNetSpec | None, derived: ResNetSpec | None) -> Iterator[ModelSpec]:
    """What the weights may be of, the likeliest first."""
    if arch:
        yield from _adapted(spec_of(arch), derived, parsed(arch)[1])
    elif own:
        yield from _adapted(own, derived, ("shortcut",))
    elif derived:
        yield derived


def _adapted(spec: ModelSpec, derived: ResNetSpec | None, said: Collection[str] = ()) -> Iterator[ModelSpec]:
    """A spec with the ends that the weights have, then with their shortcuts too; fields that were said stay."""
    if derived is None or not isinstance(spec, ResNetSpec):
        yield spec
        return
    ends = {"num_classes": derived.num_classes, "input": (derived.input[0], *spec.input[1:])}
    own = replace(spec, **{field: value for field, value in ends.items() if field not in said})
    yield own
    if "shortcut" not in said:
        yield replace(own, shortcut=derived.shortcut)


def _all_like(derived: ResNetSpec | None) -> dict[str, ModelSpec]:
    """Every network with a name, each with the weights' ends and shortcuts, and the one that their shapes speak of."""
    specs = {name: list(_adapted(spec, derived))[-1] for name, spec in residuals(names()).items()}
    return specs | ({arch_of(derived): derived} if derived else {})


def _name(spec: ModelSpec) -> str:
    return arch_of(spec) if isinstance(spec, ResNetSpec) else ""


def _check_layers_of_head(theirs: Iterable[str], layout: str, what: str) -> None:
    ours = (rename(name, CONVERTERS[layout]) or "" for name in theirs)
    if len({match[1] for name in ours if (match := LAYER_OF_HEAD.match(name))}) > 1:
        raise ReszooError(f"{what} is of another network: {MANY_LAYERS}", TRAIN_IT)


def _refuse_others(theirs: Iterable[str], layout: str, shapes: Shapes, what: str, *, is_run: bool) -> None:
    """Refuse networks that are none of ours although the tensors could be."""
    if shapes.get("head.weight", ())[:1] == (1,):
        raise ReszooError(f"{what} is of another network: {ONE_LOGIT}", TWO_LOGITS)
    if layout == "native":
        return
    has_v1_ends = "stem.norm.weight" in shapes
    if not has_v1_ends and "final.0.weight" not in shapes and "stages.0.0.norms.0.running_mean" in shapes:
        raise ReszooError(f"{what} is of another network: {NO_LAST_NORM}", TRAIN_IT)
    if layout == "preact" and not is_run and any(".downsample." in name for name in theirs):
        raise ReszooError(f"{what} is of another network: {RAW_PROJECTIONS}", f"If yours do not, {RUN_IT}")


def _check_told(spec: ModelSpec, layout: str, what: str) -> None:
    """Refuse tensors that are those of several networks, of which none is the usual one."""
    if not isinstance(spec, ResNetSpec):
        return
    name = arch_of(spec)
    if layout == "preact" and spec.shortcut != "A":
        raise UsageError(
            f"{what} has the tensors of a {name}, and does not tell whether its projections take the activated signal, "
            "as here, or the raw one",
            f"To find out, {RUN_IT} Where you know that they take the activated one, say so: `arch={name}`.",
        )
    if layout != "native":
        return
    others: ResNetSpec | None = None
    if spec.norm == "group":
        others = replace(spec, norm="layer")
    elif spec.norm == "none" and spec.shortcut == "A":
        others = replace(spec, family="v2")
    if others:
        other = arch_of(others)
        raise UsageError(
            f"{what} has the tensors of a {name} and of a {other}",
            f"Say which it is: `arch={name}` or `arch={other}`.",
        )
