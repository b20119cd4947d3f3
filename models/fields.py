"""A network's spec with some of its fields set otherwise, from values or from text. Light: imports no torch."""

from collections.abc import Mapping
from typing import Any, get_origin

import msgspec
from msgspec.structs import fields, replace

from ..core.choices import words
from ..core.errors import UsageError
from ..core.registry import unknown
from ..core.types import ModelSpec

# All but what pruning and other packages write.
FIELDS: dict[str, Any] = {each.name: each.type for each in fields(ModelSpec) if each.name not in ("plan", "builder")}
OF_OTHER_PACKAGES = ("num_classes", "input")  # what those who build a network themselves have to heed


def changed(spec: ModelSpec, changes: Mapping[str, object]) -> ModelSpec:
    """The spec with these fields set otherwise.

    Args:
        spec: What is changed.
        changes: Values, or text as in a name: {"skip": "gate", "se_ratio": "4", "families": "v1,v2,v2"}.

    Raises:
        UsageError: For a field that there is not, and a value that it cannot have, with those that are possible; and
            where the fields contradict each other.
    """
    own = OF_OTHER_PACKAGES if spec.builder else tuple(FIELDS)
    for name in changes:
        if name not in FIELDS:
            raise UsageError(f"{unknown(name, own, 'field of a network').problem}", f"It has {', '.join(own)}.")
        if name not in own:
            raise UsageError(
                f"{spec.builder} is built by another package, which does not know {name}",
                f"Only {' and '.join(own)} can be set.",
            )
    values = {name: _converted(name, value) for name, value in changes.items()}
    try:
        return replace(spec, **values)
    except ValueError as error:
        given = ", ".join(f"{name}={value}" for name, value in changes.items())
        raise UsageError(f"{given}: {error}", "Change the fields that do not go together.") from error


def _converted(name: str, value: object) -> object:
    kind = FIELDS[name]
    if isinstance(value, str) and get_origin(kind) is tuple:
        value = [part for part in value.split(",") if part]
    try:
        return msgspec.convert(msgspec.to_builtins(value), kind, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        possible = [word for word in words(kind) if word]
        fix = f"Choose from {', '.join(possible)}." if possible else f"{error}."
        raise UsageError(f"{name}={value!r} is not possible", fix) from error
