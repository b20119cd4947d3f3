"""Which network weights are of: told from the names and the shapes of their tensors, and proven by fitting all of them.

The names tell the layout, one of the tables in `converters`. Under our own names, the shapes tell the spec: depths,
widths, the kind of block, the stem, the shortcuts, classes and input channels. What leaves no trace in a tensor cannot
be told: a plain network has the tensors of a v1 network with option A, and which it is has to be said.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from ..core.errors import ReszooError, UsageError
from ..core.types import ModelSpec, Norm, ResNetSpec, Shortcut
from ..models import names, spec_of
from ..models.channels import EXPANSION
from ..models.network import state_shapes
from .checkpoints import first_mismatch, shape_text
from .convert import renamed
from .converters import CONVERTERS, LAYOUTS, rename, restore
from .reading import State

Shapes = Mapping[str, tuple[int, ...]]

OURS = re.compile(r"(stem|stages|final|head)\.")
BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.")
SIZES = {"cifar": 32, "imagenet": 224}
NEAREST, LEAST_LIKENESS = 3, 0.4
NAMED_AS = f"{', '.join(LAYOUTS)} or reszoo itself"
# Networks whose tensors fit, and that compute something else than ours.
RAW_PROJECTIONS = (
    "its projections take the raw signal, as in bearpaw's PreResNet; those of a v2 network here take the activated one"
)
NO_LAST_NORM = "it has no norm after its last block, as kuangliu's PreActResNet; a v2 network here ends with one"
OTHER_FIX = "No weights make up for that: train it here, with `train(resnet18_v2_cifar)` or a network of its depth."


class Recognised(NamedTuple):
    """The weights under our names in float32, the layout that they had, and the network that all of them fit."""

    state: State
    layout: str
    arch: str
    spec: ModelSpec


def recognise(state: State, what: str, arch: str | None = None) -> Recognised:
    """Find the network that the weights are of.

    Args:
        state: Weights without prefixes, as `reading.unprefixed` gives them.
        what: Names them in errors.
        arch: The architecture's name, where it is known. Classes, input channels and shortcuts are the weights'.

    Raises:
        ReszooError: No network of reszoo's has these tensors; the nearest are named, each with its first mismatch.
        UsageError: There are more tensors than the network has, or `arch` is no architecture.
    """
    layout = layout_of(state)
    strange = [name for name in state if rename(name, CONVERTERS[layout]) is None]
    ours = renamed({name: array for name, array in state.items() if name not in strange}, layout, what)
    shapes = {name: array.shape for name, array in ours.items()}
    if reason := _computes_otherwise(shapes, strange):
        raise ReszooError(f"{what} is of a network that reszoo has not: {reason}", OTHER_FIX)
    derived = spec_from_shapes(shapes, has_group_norms=layout == "native")
    spec = _adapted(spec_of(arch), derived) if arch else derived
    name = arch or (arch_of(derived) if derived else "")
    if spec is None or first_mismatch(shapes, state_shapes(spec)) or (strange and not _are_apart(strange, state)):
        raise _unrecognised(state, layout, shapes, arch, what)
    if strange:
        raise UsageError(
            f"{what}: {_listed(strange)} {'is' if len(strange) == 1 else 'are'} no part of a {name}, "
            "which has all the others",
            f"Leave them out: {' '.join(f'`ignore={pattern}`' for pattern in _patterns(strange))}.",
        )
    return Recognised(ours, layout, name, spec)


def layout_of(their_names: Iterable[str]) -> str:
    """The layout with a name for the most of them, and the same name; ours, where most begin as ours do."""
    known = list(their_names)

    def fitting(layout: str) -> tuple[int, int]:
        ours = [rename(name, CONVERTERS[layout]) for name in known]
        same = sum(
            key is not None and restore(key, CONVERTERS[layout]) == name for key, name in zip(ours, known, strict=True)
        )
        return len(ours) - ours.count(None), same

    best = max(LAYOUTS, key=fitting)
    native = sum(OURS.match(name) is not None and ".blocks." not in name for name in known)
    return "native" if native > fitting(best)[0] else best


def spec_from_shapes(shapes: Shapes, *, has_group_norms: bool = True) -> ResNetSpec | None:
    """The spec that the tensors' shapes, under our names, speak of. None where they are of no residual network.

    That they fit it is for the caller to check. A network without any shortcut that could tell is a v1 network.
    """
    stem, head = shapes.get("stem.conv.weight", ()), shapes.get("head.weight", ())
    depths = _depths(shapes)
    convs = sum(f"stages.0.0.convs.{i}.weight" in shapes for i in range(3))
    if len(stem) != 4 or stem[2] not in (3, 7) or len(head) != 2 or not depths or convs not in (2, 3):
        return None
    inner = [_rows(shapes, f"stages.{stage}.0.convs.{convs - 2}.weight") for stage in range(len(depths))]
    outputs = [_rows(shapes, f"stages.{stage}.0.convs.{convs - 1}.weight") for stage in range(len(depths))]
    widths = tuple(outputs if convs == 2 else (width // EXPANSION for width in outputs))
    if not all((*inner, *widths)):
        return None
    is_small = stem[2] == 3
    side = SIZES["cifar" if is_small else "imagenet"]
    return ResNetSpec(
        family="v2" if _is_v2(shapes) else "v1",
        block_type="basic" if convs == 2 else "bottleneck",
        depths=depths,
        widths=widths,
        stem_width=stem[0],
        stem="cifar" if is_small else "imagenet",
        shortcut=_shortcut(shapes, depths, has_first_identity=stem[0] == outputs[0]),
        num_classes=head[0],
        input=(stem[1], side, side),
        bottleneck_width=max(inner[0] // widths[0], 1) if convs == 3 else 1,
        norm=_norm(shapes, has_group_norms),
        se_ratio=_se_ratio(shapes, outputs),
    )


def arch_of(spec: ResNetSpec) -> str:
    """The name of the architecture, whatever its classes, its input and its shortcuts; resnet_v1 where it has none."""
    return next((name for name in _possible_names(spec) if _is_like(name, spec)), f"resnet_{spec.family}")


def _possible_names(spec: ResNetSpec) -> list[str]:
    layers = 2 if spec.block_type == "basic" else 3
    depth, family = layers * sum(spec.depths) + 2, spec.family
    widen = spec.widths[0] // 16
    return [
        f"resnet{depth}_{family}",
        f"resnet{depth}_{family}_cifar",
        f"wide_resnet{depth + 2}_{widen}_{family}",
        f"wide_resnet{depth}_{spec.bottleneck_width}_{family}",
        *names(),
    ]


def _is_like(name: str, spec: ResNetSpec) -> bool:
    try:
        known = spec_of(name)
    except UsageError:
        return False
    free = ("num_classes", "input", "shortcut", "norm", "activation", "stochastic_depth", "se_ratio")
    return isinstance(known, ResNetSpec) and known == replace(spec, **{field: getattr(known, field) for field in free})


def _adapted(spec: ModelSpec, found: ResNetSpec | None) -> ModelSpec:
    """An architecture with what the weights say of its ends, its shortcuts and its norms."""
    if found is None or not isinstance(spec, ResNetSpec):
        return spec
    return replace(
        spec,
        num_classes=found.num_classes,
        input=(found.input[0], *spec.input[1:]),
        shortcut=spec.shortcut if spec.family == "plain" else found.shortcut,
        norm=found.norm,
    )


def _depths(shapes: Shapes) -> tuple[int, ...]:
    """Blocks of each stage; none, where a stage or a block is missing."""
    numbers = {(int(match[1]), int(match[2])) for name in shapes if (match := BLOCK.match(name))}
    stages = Counter(stage for stage, _ in numbers)
    depths = tuple(stages[stage] for stage in range(len(stages)))
    return depths if numbers == {(stage, block) for stage, n in enumerate(depths) for block in range(n)} else ()


def _rows(shapes: Shapes, name: str) -> int:
    shape = shapes.get(name, ())
    return shape[0] if len(shape) == 4 else 0


def _is_v2(shapes: Shapes) -> bool:
    """By the last norm; without norms, by the name of a projection, which in v1 is the first of two layers."""
    return "final.0.weight" in shapes or any(name.endswith(".shortcut.weight") for name in shapes)


def _shortcut(shapes: Shapes, depths: tuple[int, ...], *, has_first_identity: bool) -> Shortcut:
    projected = {
        (int(match[1]), int(match[2]))
        for name in shapes
        if (match := BLOCK.match(name)) and name[match.end() :].startswith("shortcut")
    }
    identities = {(stage, block) for stage, depth in enumerate(depths) for block in range(1, depth)}
    if has_first_identity:
        identities.add((0, 0))
    return "A" if not projected else "C" if projected & identities else "B"


def _norm(shapes: Shapes, has_group_norms: bool) -> Norm:
    if has_group_norms and "stages.0.0.norms.0.running_mean" not in shapes:
        return "group" if "stages.0.0.norms.0.weight" in shapes else "none"
    return "batch"


def _se_ratio(shapes: Shapes, outputs: list[int]) -> int:
    squeezed = _rows(shapes, f"stages.{len(outputs) - 1}.0.se.fc1.weight")
    return outputs[-1] // squeezed if squeezed else 0


def _computes_otherwise(shapes: Shapes, strange: list[str]) -> str | None:
    """Why the network is none of ours although the tensors could be."""
    has_v1_ends = "stem.norm.weight" in shapes
    if has_v1_ends or "final.0.weight" in shapes or "stages.0.0.norms.0.running_mean" not in shapes:
        return None
    if not strange:
        return NO_LAST_NORM
    return RAW_PROJECTIONS if all(name.startswith("bn.") for name in strange) else None


def _are_apart(strange: list[str], state: State) -> bool:
    """Whether they are modules of their own beside the network's, such as another head, and no part of its blocks."""
    body = {_top(name) for name in state if name not in strange}
    return not body & {_top(name) for name in strange}


def _top(name: str) -> str:
    return name.partition(".")[0]


def _patterns(strange: list[str]) -> list[str]:
    return list(dict.fromkeys(f"{_top(name)}.*" if "." in name else name for name in strange))


def _listed(strange: list[str]) -> str:
    shown = ", ".join(strange[:NEAREST])
    return f"{shown} and {len(strange) - NEAREST} more tensors" if len(strange) > NEAREST else shown


class _Candidate(NamedTuple):
    name: str
    spec: ModelSpec
    likeness: tuple[float, int]


def _unrecognised(state: State, layout: str, shapes: Shapes, arch: str | None, what: str) -> ReszooError:
    """With the nearest networks, each with the first tensor that is another one."""
    derived = spec_from_shapes(shapes, has_group_norms=layout == "native")
    strange = [name for name in state if rename(name, CONVERTERS[layout]) is None]

    def mismatch(spec: ModelSpec) -> str:
        found = first_mismatch(shapes, state_shapes(spec), lambda key: restore(key, CONVERTERS[layout]) or key)
        return found or f"{strange[0]} of shape {shape_text(state[strange[0]].shape)} is not expected"

    if arch:
        problem = f"{what} is of no {arch}: {mismatch(_adapted(spec_of(arch), derived))}"
        return ReszooError(problem, "Leave `arch` away: the nearest networks are then named.")
    problem = f"{what} is of no network that reszoo knows"
    if strange:
        problem += f", with tensors called {_listed(strange)}"
    nearest = _nearest({name: array.shape for name, array in state.items()}, shapes, derived)
    if not nearest:
        return ReszooError(f"{problem}, nor near to one", f"Residual networks are imported, named as in {NAMED_AS}.")
    return ReszooError(
        f"{problem}. The nearest: {'; '.join(f'{each.name} ({mismatch(each.spec)})' for each in nearest)}",
        f"Where you know which it is, say so and see what differs: `arch={nearest[0].name}`. Its tensors have to be "
        f"named as in {NAMED_AS}.",
    )


def _nearest(theirs: Shapes, ours: Shapes, derived: ResNetSpec | None) -> list[_Candidate]:
    """By the shapes of the weights, whatever they are called; of equal ones by the tensors that fit by name, too."""
    have = _weights(theirs)

    def candidate(name: str, spec: ModelSpec) -> _Candidate:
        expected = state_shapes(spec)
        wanted = _weights(expected)
        share = (have & wanted).total() / max(have.total(), wanted.total())
        return _Candidate(name, spec, (share, sum(ours.get(key) == shape for key, shape in expected.items())))

    specs = {name: _adapted(spec, derived) for name in names() if isinstance(spec := spec_of(name), ResNetSpec)}
    if derived:
        specs[arch_of(derived)] = derived
    found = [candidate(name, spec) for name, spec in specs.items()]
    best = sorted(found, key=lambda each: each.likeness, reverse=True)[:NEAREST]
    return best if best[0].likeness[0] > LEAST_LIKENESS else []


def _weights(shapes: Shapes) -> Counter[tuple[int, ...]]:
    return Counter(shape for shape in shapes.values() if len(shape) > 1)
