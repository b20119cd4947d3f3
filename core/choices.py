"""Records of what a user chooses, whose fields are checked when they are made."""

from math import isfinite
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from .errors import UsageError
from .registry import unknown
from .types import Record


class Choices(Record, frozen=True, kw_only=True):
    """Base of the records that people fill in. Other records are checked where they are read from a file.

    Making one raises UsageError for a field that is out of range or of another type.
    """

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(type(self)):
            check(field.name, getattr(self, field.name), field.type)


def check(name: str, value: object, kind: Any) -> None:
    """Raises UsageError where the value is not of this type, breaks its constraints, or is no finite number."""
    if isinstance(value, float) and not isfinite(value):
        raise UsageError(f"`{name}={value}` is not possible", "Give a finite number.")
    try:
        msgspec.convert(msgspec.to_builtins(value), kind)
    except (ValueError, TypeError) as error:  # msgspec's, or text that is none
        if isinstance(value, str) and (known := words(kind)):
            raise unknown(value, known, name) from error
        raise UsageError(f"`{name}={value!r}` is not possible", str(error)) from error


def words(kind: Any) -> tuple[str, ...]:
    """The texts that a type allows, if it is a list of them, or that its items may be."""
    if get_origin(kind) is Literal:
        return tuple(word for word in get_args(kind) if isinstance(word, str))
    if get_origin(kind) in (Union, UnionType, Annotated, tuple):
        return tuple(word for part in get_args(kind) for word in words(part))
    return ()
