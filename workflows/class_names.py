"""The names of a network's classes, from wherever people have them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.errors import UsageError
from ..core.types import Checkpoint

WRITE = "Give a file with one name in each line, in the order of the network's outputs, or a data set's name."


class ClassNames(NamedTuple):
    """Names in the order of the outputs, and what they are from; None where nobody gave any."""

    names: tuple[str, ...] | None
    origin: str

    def of(self, classes: int) -> tuple[str, ...]:
        """The names of so many classes: without any, their numbers from 0. Raises UsageError for another count."""
        if self.names is None:
            return tuple(map(str, range(classes)))
        if len(self.names) != classes:
            raise UsageError(f"{self.origin} has {len(self.names)} classes, but the network has {classes}", WRITE)
        return self.names


def class_names(labels: "str | os.PathLike[str] | Sequence[str] | None", data: str | None) -> ClassNames:
    """Those of a file, of a data set, or as given; None is those of the data set `data`.

    Raises:
        UsageError: There is no such file or data set, or something else than names was given.
        UnavailableError: The data set is not on this machine.
    """
    if labels is None:
        return ClassNames(_of_data(data) if data else None, data or "")
    if isinstance(labels, str | os.PathLike):
        return ClassNames(_of_file(labels), os.fspath(labels))
    names = tuple(labels)
    if others := [name for name in names if not isinstance(name, str)]:
        raise UsageError(f"`labels` has {others[0]!r}, which is no name", f"Give strings. {WRITE}")
    return ClassNames(names, "`labels`")


def with_data(checkpoint: Checkpoint, data: str | None) -> Checkpoint:
    """The checkpoint with this data set in the place of its own, named by it where `named_by` says so; None is its own.

    Raises UsageError where the data set has classes that it does not know, UnavailableError where it is not on this
    machine.
    """
    from msgspec.structs import replace

    from .. import datasets

    if data is None:
        return checkpoint
    named = named_by(data, checkpoint)
    fix = (
        f"Choose a data set of the classes that it knows, as {checkpoint.dataset}."
        if checkpoint.dataset
        else "It may know other classes, or no names: import it again with `data=NAME` or `labels`."
    )
    datasets.class_map(data, named.labels, checkpoint.ref, fix=fix)
    return replace(named, dataset=data)


def named_by(data: str, checkpoint: Checkpoint) -> Checkpoint:
    """Where it names no data set, and its classes have numbers for names, as many as `data` has: with these names."""
    from msgspec.structs import replace

    from ..datasets.info import info

    classes, numbers = info(data).classes, tuple(map(str, range(len(checkpoint.labels))))
    is_unnamed = not checkpoint.dataset and checkpoint.labels == numbers and len(classes) == len(numbers)
    return replace(checkpoint, labels=classes) if is_unnamed else checkpoint


def _of_data(name: str) -> tuple[str, ...]:
    """Of a data set on this machine, or of one that the catalogue's networks were trained on."""
    from .. import datasets
    from ..datasets.info import info
    from ..zoo.labels import LISTS, labels

    return labels(name) if name in LISTS and not datasets.is_installed(name) else info(name).classes


def _of_file(labels: "str | os.PathLike[str]") -> tuple[str, ...]:
    path, name = Path(labels), os.fspath(labels)
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is no text in UTF-8", WRITE) from error
        return tuple(line.strip() for line in lines if line.strip())
    from .. import datasets
    from ..zoo.labels import LISTS

    if name in LISTS or datasets.is_installed(name):
        return _of_data(name)
    raise UsageError(f"{name} is neither a file nor a data set on this machine", WRITE)
