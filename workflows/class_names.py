"""The names of a network's classes, from wherever people have them."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import UsageError

WRITE = "Give a file with one name in each line, in the order of the network's outputs, or a data set's name."


def class_names(
    labels: "str | os.PathLike[str] | Sequence[str] | None", data: str | None, classes: int
) -> tuple[str, ...]:
    """So many names: of a file, of a data set, or as given.

    None is those of the data set `data`, and without one the numbers from 0.

    Raises UsageError where there is no such file or data set, or where it has another number of classes.
    """
    if labels is None:
        if not data:
            return tuple(map(str, range(classes)))
        if (known := _of_data(data)) is None:
            raise UsageError(
                f"the classes of {data} are not known here",
                f"Bring it in first with `reszoo data add {data} PATH...`, or give `labels`.",
            )
        found, what = known, data
    elif isinstance(labels, str | os.PathLike):
        found, what = _named(labels), os.fspath(labels)
    else:
        found, what = tuple(labels), "`labels`"
    if len(found) != classes:
        raise UsageError(f"{what} has {len(found)} classes, but the network has {classes}", WRITE)
    return found


def _of_data(name: str) -> tuple[str, ...] | None:
    """Of a data set on this machine, or of one that the catalogue's networks were trained on."""
    from .. import datasets
    from ..datasets.info import info
    from ..zoo.labels import LISTS, labels

    if datasets.is_installed(name):
        return info(name).classes
    return labels(name) if name in LISTS else None


def _named(labels: "str | os.PathLike[str]") -> tuple[str, ...]:
    path, name = Path(labels), os.fspath(labels)
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is no text in UTF-8", WRITE) from error
        return tuple(line.strip() for line in lines if line.strip())
    if (found := _of_data(name)) is None:
        raise UsageError(f"{name} is neither a file nor a data set on this machine", WRITE)
    return found
