"""The spec of a residual network from the shapes of its tensors, and the name of a spec."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress

from ..core.errors import UnavailableError, UsageError
from ..core.types import Norm, ResNetSpec, Shortcut
from ..models import names, spec_of
from ..models.channels import EXPANSION
from ..models.names import extended

Shapes = Mapping[str, tuple[int, ...]]

BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.")
SIZES = {"cifar": 32, "imagenet": 224}
NOT_NAMED = (
    "num_classes",
    "input",
    "shortcut",
    "stochastic_depth",
    "init",
    "plan",
)  # fields that `arch_of` leaves open


def spec_from_shapes(shapes: Shapes, *, has_group_norms: bool = True) -> ResNetSpec | None:
    """The spec that the tensors' shapes, under our names, speak of. None where they are of no residual network.

    That they fit it is for the caller to check. A network without any shortcut that could tell is a v1 network, and
    norms without statistics are group norms.
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
    """A name that `models.spec_of` reads, with the fewest fields: "resnet20_v1", "resnet20_v1+norm=group".

    Classes, input, shortcuts, stochastic depth and pruning are not in it.
    """
    named = {name: _differences(known, spec) for name, known in residuals(_likely_names(spec)).items()}
    name = min(named, key=lambda each: len(named[each]))
    return extended(name, named[name])


def residuals(possible: Iterable[str]) -> dict[str, ResNetSpec]:
    """The residual networks among these names. What is no name, or of a package that cannot be imported, is none."""
    found: dict[str, ResNetSpec] = {}
    for name in possible:
        with suppress(UsageError, UnavailableError):
            if isinstance(spec := spec_of(name), ResNetSpec):
                found[name] = spec
    return found


def _likely_names(spec: ResNetSpec) -> list[str]:
    layers = 2 if spec.block_type == "basic" else 3
    depth, family = layers * sum(spec.depths) + 2, spec.family
    widen = spec.widths[0] // 16
    return [
        f"resnet{depth}_{family}",
        f"resnet{depth}_{family}_cifar",
        *names(),
        f"wide_resnet{depth + 2}_{widen}_{family}",
        f"wide_resnet{depth}_{spec.bottleneck_width}_{family}",
    ]


def _differences(known: ResNetSpec, spec: ResNetSpec) -> dict[str, str]:
    """The fields that the known one has set otherwise, with the spec's values as a name carries them."""
    values = {field: getattr(spec, field) for field in spec.__struct_fields__ if field not in NOT_NAMED}
    return {
        field: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for field, value in values.items()
        if value != getattr(known, field)
    }


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
