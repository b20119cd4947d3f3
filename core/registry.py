"""Plug-ins by folder: every file of a package that defines a certain name is found by listing the folder."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import UsageError


def listed(folder: Path) -> list[str]:
    """The names of a folder's plug-ins, without importing one: a file is named like its plug-in, with _ for -."""
    return sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules([str(folder)]))


def discover(package: ModuleType, attribute: str) -> dict[str, Any]:
    """Import each module of `package` and collect its `attribute`, keyed by the plug-in's `name`."""
    return _discover(package.__name__, tuple(package.__path__), attribute)


@cache
def _discover(package: str, folders: tuple[str, ...], attribute: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for info in sorted(pkgutil.iter_modules(folders), key=lambda info: info.name):
        module = importlib.import_module(f"{package}.{info.name}")
        plugin = getattr(module, attribute, None)
        if plugin is None:
            raise TypeError(f"{module.__file__} defines no {attribute}")
        add_unique(found, plugin.name, plugin, package)
    return found


def add_unique(table: dict[str, Any], name: str, entry: object, what: str) -> None:
    if name in table:
        raise ValueError(f"two entries named {name!r} in {what}: rename one of them")
    table[name] = entry


def choose(table: dict[str, Any], name: str, what: str) -> Any:
    """`table[name]`, or a usage error that lists the nearest names."""
    if name in table:
        return table[name]
    raise unknown(name, table, what)


def unknown(name: str, known: Iterable[str], what: str) -> UsageError:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names[:12])}."
    return UsageError(f"unknown {what} {name!r}", hint)
