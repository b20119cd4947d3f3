"""Plug-ins by folder: every file of a package that defines a certain name is found by listing the folder.

Other packages bring theirs by entry points, see `core/foreign.py`.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    from .foreign import ForeignPlugins


NEAR, FEW = 3, 12  # names in an error
ALL = "all"  # the word for every plug-in that is here


def listed(folder: Path) -> list[str]:
    """The names of a folder's plug-ins, without importing one: a file is named like its plug-in, with _ for -.

    A folder in it is no plug-in.
    """
    return sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules([str(folder)]) if not info.ispkg)


class Plugins(Mapping[str, Any]):
    """The plug-ins of a package by name, then those of others. Each is imported when it is first asked for."""

    def __init__(
        self, package: str, folders: tuple[str, ...], attribute: str, foreign: "ForeignPlugins | None" = None
    ) -> None:
        self._package, self._attribute, self._foreign = package, attribute, foreign
        self._names = [name for folder in folders for name in listed(Path(folder))]
        self._imported: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            return self._others[name]
        if name not in self._imported:
            self._imported[name] = self._import(name)
        return self._imported[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._names
        yield from self._others  # looked for only by who goes on so far

    def __len__(self) -> int:
        return len(self._names) + len(self._others)

    def __contains__(self, name: object) -> bool:
        return name in self._names or name in self._others

    @cached_property
    def _others(self) -> Mapping[str, Any]:
        """Raises ReszooError for one that is called like one of the package."""
        if self._foreign is None:
            return {}
        self._foreign.check_apart_from(self._names)
        return self._foreign

    def _import(self, name: str) -> Any:
        module = importlib.import_module(f"{self._package}.{name.replace('-', '_')}")
        plugin = getattr(module, self._attribute, None)
        if plugin is None:
            raise TypeError(f"{module.__file__} defines no {self._attribute}")
        if plugin.name != name:
            raise ValueError(f"{module.__file__} defines {plugin.name!r}: a file is named like its plug-in")
        return plugin


def discover(package: ModuleType, attribute: str, foreign: "ForeignPlugins | None" = None) -> Plugins:
    """The plug-ins that the modules of `package` define as `attribute`, keyed by their `name`, and `foreign` ones."""
    return Plugins(package.__name__, tuple(package.__path__), attribute, foreign)


def add_unique(table: dict[str, Any], name: str, entry: object, what: str) -> None:
    if name in table:
        raise ValueError(f"two entries named {name!r} in {what}: rename one of them")
    table[name] = entry


def choose(table: Mapping[str, Any], name: str, what: str) -> Any:
    """`table[name]`, or a usage error that lists the nearest names."""
    if name in table:
        return table[name]
    raise unknown(name, table, what)


def unknown(name: str, known: Iterable[str], what: str) -> UsageError:
    names = sorted(known)
    longer = [each for each in names if name and each.startswith(name)]  # somebody has left the end away
    near = (longer or difflib.get_close_matches(name, names, n=NEAR, cutoff=0.5))[:NEAR]
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names[:FEW])}{more}."
    return UsageError(f"unknown {what} {name!r}", hint)
