"""Which of a network's outputs each class of a data set is: by WordNet id, by name, or as the user says.

Positions are no identity: a data set's classes are sorted by the names of their folders, and a network's outputs stand
as its training had them.
"""

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import SupportsIndex, get_args

from ..core.errors import UsageError
from ..core.imagenet import WNID, names_by_wnid, wnid_of
from ..core.measured import Among
from ..core.types import NotNegative, Positive, Record, StrPath
from .info import DatasetInfo, info

Given = StrPath | Mapping[str, str | int]

FORMAT = (
    "Each line has the data set's class and the network's, by its name, its number from 0 or its WordNet id: "
    "`rose,n12620546` or `rose,7`."
)


class ClassMap(Record, frozen=True, kw_only=True):
    """How the logits of a network answer a data set.

    Attributes:
        names: The classes that an answer is chosen among.
        outputs: The network's output for each of them.
        positions: Where each of the data set's classes stands in `names`.
        known: How many classes the network tells apart.
        among: Where it knows more than the data set has: whether an answer is one of all that it knows ("network"), or
            one of the data set's ("data").
    """

    names: tuple[str, ...]
    outputs: tuple[NotNegative, ...]
    positions: tuple[NotNegative, ...]
    known: Positive
    among: Among = "network"

    @property
    def targets(self) -> tuple[int, ...]:
        """The network's output for each of the data set's classes."""
        return tuple(self.outputs[position] for position in self.positions)

    @property
    def is_partial(self) -> bool:
        """Whether the network knows classes that the data set has not."""
        return len(self.positions) < self.known

    def __str__(self) -> str:
        """ "10 of the network's 1000 classes, answers among all of them"."""
        which = "all of them" if self.among == "network" else "these"
        return f"{len(self.positions)} of the network's {self.known} classes, answers among {which}"


def class_map(
    name: str,
    labels: tuple[str, ...],
    ref: str,
    *,
    classes: Given | None = None,
    among: Among = "network",
    own: str = "",
    fix: str = "",
) -> ClassMap:
    """Find every class of the data set `name` among the outputs of the network `ref`.

    A class is found by its WordNet id where both have one, else by its name; upper case, `_` and `-` do not count
    where the exact name is none of the network's. The network may know more classes than the data set has.

    classes  says it instead: a CSV file, or a mapping from the data set's classes to names, ids or numbers
    own      the data set that the network was trained on, another one to measure it on
    fix      what to do where a class is not found, for a caller that takes no `classes`

    Raises UsageError where a class is not found, or two are the same output; what is given has to name every class.
    """
    if among not in get_args(Among):
        raise UsageError(f"`among={among}` is neither of {', '.join(get_args(Among))}", "Give `among=network`.")
    data = info(name)
    if classes is None and labels == data.classes:
        found = list(range(len(labels)))
    else:
        outputs = _Outputs(labels, ref)
        found = _matched(data, outputs, own, fix) if classes is None else _as_given(data, outputs, classes)
    _check_distinct(data, found, labels)
    if among == "network" and len(found) < len(labels):
        everything = tuple(range(len(labels)))
        return ClassMap(names=labels, outputs=everything, positions=tuple(found), known=len(labels))
    positions = tuple(range(len(found)))
    return ClassMap(names=data.classes, outputs=tuple(found), positions=positions, known=len(labels), among=among)


def own_class_map(name: str, labels: tuple[str, ...], ref: str) -> ClassMap:
    """The same for the data set `name` that the network was trained on, where there is nothing for a user to say."""
    fix = f"Bring in the images that it was trained on: `datasets.add({name}, PATH..., replace=True)`."
    return class_map(name, labels, ref, fix=fix)


def named(folders: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names and the WordNet ids of classes whose folders have these names; no ids unless all folders are ids."""
    if not all(WNID.fullmatch(folder) for folder in folders):
        return tuple(folders), ()
    return tuple(names_by_wnid().get(folder, folder) for folder in folders), tuple(folders)


class _Outputs:
    """The outputs of a network, to be found by whatever names its classes."""

    def __init__(self, labels: tuple[str, ...], ref: str) -> None:
        self.labels, self.ref = labels, ref
        self._exact, self._folded = _positions(labels), _positions([_folded(label) for label in labels])
        self._by_wnid = _positions(_wnids(labels))

    def find(self, name: str, wnid: str | None = None) -> int | None:
        """None where no output is that class. Raises UsageError where several are."""
        if match := WNID.match(name):
            wnid = match[0]
        for table, key in (
            (self._by_wnid, wnid),
            (self._exact, name),
            (self._by_wnid, wnid_of(name)),
            (self._folded, _folded(name)),
        ):
            found = table.get(key, []) if key else []
            if len(found) > 1:
                outputs = " and ".join(map(str, found))
                problem = f"{name!r} is the name of several outputs of {self.ref}: {outputs}"
                raise UsageError(problem, f"Say which one it is by its number: `classes=map.csv`. {FORMAT}")
            if found:
                return found[0]
        return None


def _wnids(labels: tuple[str, ...]) -> Sequence[str | None]:
    """By name; also by place, where the labels are ImageNet's in their order and a few are spelled otherwise."""
    ours = names_by_wnid()
    if len(labels) == len(ours):
        by_first_name = {_folded(name): wnid for wnid, name in ours.items()}
        meant = [wnid_of(label) or by_first_name.get(_folded(label.split(",")[0])) for label in labels]
        times = Counter(meant)  # many lists call two classes crane, which tells nothing
        in_place = [wnid == own for wnid, own in zip(meant, ours, strict=True) if wnid and times[wnid] == 1]
        if all(in_place) and 2 * len(in_place) > len(ours):
            return tuple(ours)
    return [wnid_of(label) for label in labels]


def _positions(keys: Sequence[str | None]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        if key is not None:
            found.setdefault(key, []).append(position)
    return found


def _folded(name: str) -> str:
    """ "Great_White-Shark" -> "great white shark"."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _matched(data: DatasetInfo, outputs: _Outputs, own: str, fix: str) -> list[int]:
    wnids = data.wnids or [None] * len(data.classes)
    found = [outputs.find(name, wnid) for name, wnid in zip(data.classes, wnids, strict=True)]
    missing = [name for name, output in zip(data.classes, found, strict=True) if output is None]
    if not missing:
        return [output for output in found if output is not None]
    if len(missing) == len(found):
        known = f"classes ({some(outputs.labels)}) that are none of {data.name}'s ({some(missing)})"
    else:
        known = f"{len(found) - len(missing)} of the {len(found)} classes of {data.name}, and not: {some(missing)}"
    elsewhere = f" Or measure it on {own}." if own and own != data.name else ""
    say = f"Say which of its classes each one is, in a file: `classes=map.csv`. {FORMAT}{elsewhere}"
    raise UsageError(f"{outputs.ref} knows {known}", fix or say)


def _as_given(data: DatasetInfo, outputs: _Outputs, given: Given) -> list[int]:
    """The output of each class, as a file or a mapping says."""
    if not isinstance(given, str | os.PathLike | Mapping):
        raise UsageError(f"`classes` is a {type(given).__name__}", f"Give a CSV file or a mapping. {FORMAT}")
    where = "`classes`" if isinstance(given, Mapping) else os.fspath(given)
    pairs: Mapping[str, str | int] = given if isinstance(given, Mapping) else _read(Path(given), data)
    found: dict[str, int] = {}
    for theirs, ours in pairs.items():
        name = _class_of(data, theirs)
        if name is None:
            raise UsageError(f"{where}: {data.name} has no class {theirs!r}", f"Its classes are {some(data.classes)}.")
        if name in found:
            raise UsageError(f"{where} says twice what {name!r} is", "Leave one of them.")
        found[name] = _output_of(outputs, ours, where)
    if missing := [name for name in data.classes if name not in found]:
        raise UsageError(f"{where} does not say what these classes of {data.name} are: {some(missing)}", FORMAT)
    return [found[name] for name in data.classes]


def _read(path: Path, data: DatasetInfo) -> dict[str, str]:
    """The two columns; a first line that names no class of the data set is a heading."""
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', error)}", FORMAT) from error
    pairs: dict[str, str] = {}
    for line, row in zip(count(1), rows, strict=False):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (line == 1 and _class_of(data, cells[0]) is None):
            continue
        if len(cells) != 2:
            raise UsageError(f"{path}, line {line} has {len(cells)} columns, not 2", FORMAT)
        if cells[0] in pairs:
            raise UsageError(f"{path}, line {line} says a second time what {cells[0]!r} is", "Leave one of them.")
        pairs[cells[0]] = cells[1]
    return pairs


def _class_of(data: DatasetInfo, text: str) -> str | None:
    """The data set's class of that name or WordNet id."""
    if text in data.classes:
        return text
    return data.classes[data.wnids.index(text)] if text in data.wnids else None


def _output_of(outputs: _Outputs, given: str | int, where: str) -> int:
    """A name or a WordNet id, else a number."""
    if isinstance(given, str):
        found = outputs.find(given)
        if found is None and given.isdecimal():
            found = int(given)
    else:
        found = int(given) if isinstance(given, SupportsIndex) else None
    if found is None or not 0 <= found < len(outputs.labels):
        problem = f"{where}: {outputs.ref} has no class {given!r}"
        raise UsageError(problem, f"Its {len(outputs.labels)} classes are {some(outputs.labels)}. {FORMAT}")
    return found


def _check_distinct(data: DatasetInfo, found: Sequence[int], labels: tuple[str, ...]) -> None:
    for output, positions in _positions([str(output) for output in found]).items():
        if len(positions) > 1:
            both = " and ".join(data.classes[position] for position in positions)
            raise UsageError(
                f"{both} of {data.name} are one class of the network, {labels[int(output)]!r}",
                "Each needs one of its own: put their images into one folder, or say another with `classes=map.csv`.",
            )


def some(names: Sequence[str]) -> str:
    """The first of them: "rose, tulip, lily, ..."."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
