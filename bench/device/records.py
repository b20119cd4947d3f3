"""On a device, in the place of `core/types.py` and `core/measured.py`: records of any kind, which are not checked.

What the device says is checked where it is read, and what it is told was. So it needs no msgspec.
"""

from typing import Any


class Record:
    """The fields that it is made of, as attributes."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


_KINDS: dict[str, type[Record]] = {}


def __getattr__(name: str) -> type[Record]:
    """`Host`, `Pages` or whatever a module imports: a kind of record of that name, always the same one."""
    if not name[0].isupper():
        raise AttributeError(name)
    return _KINDS.setdefault(name, type(name, (Record,), {}))


def plain(value: Any) -> Any:
    """For JSON: records as their fields."""
    if isinstance(value, Record):
        return {name: plain(each) for name, each in vars(value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def record(fields: dict[str, Any]) -> Record:
    """The hook for JSON's objects."""
    return Record(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})
