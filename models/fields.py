"""A network's spec with some of its fields set otherwise, from values or from text. Light: imports no torch."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec.structs import fields, replace

from ..core.choices import words
from ..core.errors import UsageError
from ..core.registry import unknown
from ..core.types import ModelSpec, NetworkSpec, ResNetSpec

S = TypeVar("S", bound=NetworkSpec)
NOT_SET = ("plan", "builder")  # pruning and other packages write these


def fields_of(spec: NetworkSpec) -> dict[str, Any]:
    """The fields that can be set, with their types."""
    return {each.name: each.type for each in fields(spec) if each.name not in NOT_SET}


def every_field() -> set[str]:
    """The fields that can be set of some network or other."""
    return {each.name for spec in get_args(ModelSpec) for each in fields(spec)} - set(NOT_SET)


def changed(spec: S, changes: Mapping[str, object]) -> S:
    """The spec with these fields set otherwise.

    Args:
        spec: What is changed.
        changes: Values, or text as in a name: {"skip": "gate", "se_ratio": "4", "families": "v1,v2,v2"}.

    Raises:
        UsageError: For a field that there is not, and a value that it cannot have, with those that are possible; and
            where the fields contradict each other.
    """
    kinds = fields_of(spec)
    for name in changes:
        if name not in kinds:
            problem = unknown(name, kinds, "field of such a network").problem
            raise UsageError(problem, f"It has {', '.join(kinds)}.")
    values = {name: _converted(name, value, kinds[name]) for name, value in changes.items()}
    try:
        return _normalised(replace(spec, **values))
    except ValueError as error:
        given = ", ".join(f"{name}={value}" for name, value in changes.items())
        raise UsageError(f"{given}: {error}", "Change the fields that do not go together.") from error


def _normalised(spec: S) -> S:
    """One spec for one network: a family that all blocks have is the stage's, and one of all stages the network's."""
    if not isinstance(spec, ResNetSpec) or not spec.families or spec.is_mixed:
        return spec
    families = tuple(spec.family_of(stage) for stage in range(len(spec.depths)))
    if len(set(families)) == 1:
        return replace(spec, family=families[0], families=())
    return replace(spec, families=families)


def _converted(name: str, value: object, kind: Any) -> object:
    if isinstance(value, str) and get_origin(kind) is tuple:
        value = [part for part in value.split(",") if part]
    try:
        return msgspec.convert(msgspec.to_builtins(value), kind, strict=False)
    except (ValueError, TypeError) as error:  # msgspec's, or text that is none
        possible = [word for word in words(kind) if word]
        fix = f"Choose from {', '.join(possible)}." if possible else f"{error}."
        raise UsageError(f"{name}={value!r} is not possible", fix) from error
