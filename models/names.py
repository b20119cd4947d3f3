"""From a name to a spec: the tables of named networks, the rules for depths that no table lists, and changes.

A name may be followed by fields of the spec, each with its value: resnet20_v2+skip=gate+norm=none.
"""

import re
from collections.abc import Callable, Mapping
from typing import get_args

from msgspec.structs import replace

from ..core.errors import UsageError
from ..core.registry import unknown
from ..core.types import BlockType, Family, ForeignSpec, ModelSpec, ResNetSpec, Shortcut
from .architectures import architecture, architectures
from .fields import changed
from .network import FAMILIES

# He et al. 2015, table 1: blocks per stage, and the type of block.
IMAGENET: dict[int, tuple[BlockType, tuple[int, ...]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}
# Depths that the papers give for CIFAR. 164 = 9*18+2 is a bottleneck network although 6*27+2 is 164 too.
CIFAR_DEPTHS: dict[Family, tuple[int, ...]] = {
    "v1": (8, 14, 20, 32, 44, 56, 110, 164, 1001, 1202),
    "v2": (8, 14, 20, 32, 44, 56, 110, 164, 1001),
    "plain": (20, 32, 44, 56, 110),
}
IMAGENET_PLAIN = (18, 34)  # He et al. 2015, table 2
CIFAR_BOTTLENECKS = (164, 1001)
WIDE_CIFAR = ((28, 10),)
DEPTH_RULE = (
    "A CIFAR network's depth is 6n+2 (two 3x3 layers a block: 20, 32, 44, ...) or 9n+2 (bottlenecks: 29, 164, ...), "
    "an ImageNet network's is one of 18, 34, 50, 101, 152."
)


def spec_of(name: str) -> ModelSpec:
    """The spec that `name` stands for.

    resnet20_v1, resnet68_v2, resnet56_plain   CIFAR networks of depth 6n+2 or 9n+2
    resnet50_v1, resnet18_v2, resnet34_plain   ImageNet networks
    resnet18_v1_cifar                          the same with a CIFAR stem, 10 classes and 32x32 inputs
    wide_resnet28_10_v2, wide_resnet50_2_v1    wide ones
    resnet20_v2+skip=gate+families=v1,v2,v2    any of these with other values in fields of `ModelSpec`

    Raises:
        UsageError: For a name that stands for nothing, a field that a spec has not, or a value that a field cannot
            have, with those that are possible.
    """
    base, changes = parsed(name)
    spec = _of_base(base)
    return changed(spec, changes) if changes else spec


def parsed(name: str) -> tuple[str, dict[str, str]]:
    """The name in the tables, and the fields that are set otherwise: "resnet20_v2+skip=gate".

    Raises UsageError where that is not how it is written.
    """
    base, *suffixes = name.split("+")
    changes: dict[str, str] = {}
    for suffix in suffixes:
        field, separator, value = suffix.partition("=")
        if not separator:
            raise UsageError(f"+{suffix} in {name} is not +FIELD=VALUE", f"Write it as {base}+skip=gate.")
        if field in changes:
            raise UsageError(f"{name} sets {field} twice", "Leave one of them away.")
        if "." in value:
            raise UsageError(
                f"+{suffix} in {name} has a dot, which begins the tag of a checkpoint's name",
                "Set such a field in the recipe, or in Python by `create_model(NAME, FIELD=VALUE)`.",
            )
        changes[field] = value
    return base, changes


def extended(name: str, changes: Mapping[str, str]) -> str:
    """The name of the same network with these fields set otherwise."""
    return name + "".join(f"+{field}={value}" for field, value in changes.items())


def _of_base(name: str) -> ModelSpec:
    for pattern, make in _PATTERNS:
        if match := pattern.fullmatch(name):
            try:
                return make(**match.groupdict())
            except ValueError as error:
                raise UsageError(f"{name}: {error}", DEPTH_RULE) from error
    if name in (named := _named()):
        return named[name]
    if name in architectures():
        return _foreign(name)
    raise unknown(name, names(), "architecture")


def names() -> tuple[str, ...]:
    """Every name in the tables, and those of other packages; `spec_of` knows more (any valid depth)."""
    cifar = [f"resnet{depth}_{family}" for family, depths in CIFAR_DEPTHS.items() for depth in depths]
    imagenet = [f"resnet{depth}_{family}" for family in ("v1", "v2") for depth in IMAGENET]
    imagenet += [f"resnet{depth}_plain" for depth in IMAGENET_PLAIN]
    wide = [f"wide_resnet{depth}_{k}_v2" for depth, k in WIDE_CIFAR] + ["wide_resnet50_2_v1", "wide_resnet101_2_v1"]
    return (*cifar, *imagenet, *(f"{name}_cifar" for name in imagenet), *wide, *_named(), *architectures())


def _named() -> dict[str, ModelSpec]:
    return {name: spec for family in FAMILIES.values() for name, spec in family.named.items()}


def _foreign(name: str) -> ModelSpec:
    found = architecture(name)
    if found.build is None:
        return found.spec
    return ForeignSpec(builder=name, num_classes=found.spec.num_classes, input=found.spec.input)


def _resnet(depth: str, family: Family) -> ResNetSpec:
    return _imagenet(int(depth), family) if int(depth) in IMAGENET else _cifar(int(depth), family)


def _imagenet(depth: int, family: Family, bottleneck_width: int = 1) -> ResNetSpec:
    block_type, depths = IMAGENET[depth]
    return ResNetSpec(
        family=family,
        block_type=block_type,
        depths=depths,
        widths=(64, 128, 256, 512),
        stem_width=64,
        bottleneck_width=bottleneck_width,
        stem="imagenet",
        shortcut="B",
        num_classes=1000,
        input=(3, 224, 224),
    )


def _cifar(depth: int, family: Family, widen: int = 1, shortcut: Shortcut | None = None) -> ResNetSpec:
    """He et al. 2015, section 4.2 (6n+2) and He et al. 2016, section 5 (9n+2), with their shortcuts."""
    is_basic = depth % 6 == 2 and depth not in CIFAR_BOTTLENECKS
    if depth < 8 or not (is_basic or depth % 9 == 2):
        raise UsageError(f"no residual network has depth {depth}", DEPTH_RULE)
    blocks = (depth - 2) // (6 if is_basic else 9)
    return ResNetSpec(
        family=family,
        block_type="basic" if is_basic else "bottleneck",
        depths=(blocks,) * 3,
        widths=(16 * widen, 32 * widen, 64 * widen),
        stem_width=16,
        stem="cifar",
        shortcut=shortcut or ("A" if is_basic else "B"),
        num_classes=10,
        input=(3, 32, 32),
    )


def _imagenet_with_cifar_stem(depth: str, family: Family) -> ResNetSpec:
    if int(depth) not in IMAGENET:
        raise UsageError(f"resnet{depth} is no ImageNet network, so it has no CIFAR variant", DEPTH_RULE)
    return replace(_imagenet(int(depth), family), stem="cifar", num_classes=10, input=(3, 32, 32))


def _wide_cifar(depth: str, k: str, family: Family) -> ResNetSpec:
    """Zagoruyko & Komodakis 2016: the depth counts the shortcuts' projections too, so it is 6n+4."""
    if int(depth) % 6 != 4 or int(depth) < 10 or int(k) < 1:
        raise UsageError(
            f"no wide network has depth {depth} and width {k}",
            "The depth is 6n+4 (16, 22, 28, 40, ...) and the width at least 1, as in wide_resnet28_10_v2.",
        )
    return _cifar(int(depth) - 2, family, widen=int(k), shortcut="B")


def _wide_imagenet(depth: str) -> ResNetSpec:
    return _imagenet(int(depth), "v1", bottleneck_width=2)


_FAMILY = f"(?P<family>{'|'.join(get_args(Family))})"
_NUMBER = r"[0-9]{1,9}"
_PATTERNS: tuple[tuple[re.Pattern[str], Callable[..., ResNetSpec]], ...] = (
    (re.compile(r"wide_resnet(?P<depth>50|101)_2_v1"), _wide_imagenet),
    (re.compile(rf"wide_resnet(?P<depth>{_NUMBER})_(?P<k>{_NUMBER})_{_FAMILY}"), _wide_cifar),
    (re.compile(rf"resnet(?P<depth>{_NUMBER})_{_FAMILY}_cifar"), _imagenet_with_cifar_stem),
    (re.compile(rf"resnet(?P<depth>{_NUMBER})_{_FAMILY}"), _resnet),
)
