"""Plug-ins that other packages bring, by their entry points: `project.entry-points."reszoo.runtimes"` and the like."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .errors import ReszooError
from .missing import unavailable_error
from .types import Unavailable

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PREFIX = "reszoo."
KINDS = ("runtimes", "formats", "schemes", "architectures", "targets")


class ForeignPlugins(Mapping[str, Any]):
    """Those of one kind, by name. Each is imported when it is first asked for.

    kind      the last part of the entry points' group, "runtimes"
    expected  the class that they are instances of
    stand_in  makes what takes the place of one that cannot be used: so it is shown, and breaks nothing else
    """

    def __init__(self, kind: str, expected: type, stand_in: Callable[[Unavailable], Any]) -> None:
        self._kind, self._expected, self._stand_in = kind, expected, stand_in
        self._imported: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._imported:
            self._imported[name] = self._import(self._points[name])
        return self._imported[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def check_apart_from(self, own: Mapping[str, Any] | list[str]) -> None:
        """Raises ReszooError where one is called like one of reszoo's `own`."""
        for name in own:
            if name in self._points:
                raise _twice(self._kind, name, "reszoo", _package(self._points[name]))

    @cached_property
    def _points(self) -> "dict[str, EntryPoint]":
        """Raises ReszooError for two of one name."""
        from importlib.metadata import entry_points

        by_name: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=PREFIX + self._kind), key=lambda point: point.name):
            if other := by_name.get(point.name):
                raise _twice(self._kind, point.name, _package(other), _package(point))
            by_name[point.name] = point
        return by_name

    def _import(self, point: "EntryPoint") -> Any:
        try:
            plugin = point.load()
        except Exception as error:  # whatever the package does while it is imported
            said = (str(error).splitlines() or [""])[0]
            return self._unusable(point, f"it cannot be imported: {type(error).__name__}: {said}")
        if not isinstance(plugin, self._expected):
            return self._unusable(point, f"{point.value} is no {self._expected.__name__}")
        if (name := getattr(plugin, "name", None)) != point.name:
            return self._unusable(point, f"{point.value} calls itself {name!r}")
        return plugin

    def _unusable(self, point: "EntryPoint", reason: str) -> Any:
        package = _package(point)
        missing = Unavailable(what=point.name, reason=f"{reason} (of the package {package})", fix=_fix(package))
        return self._stand_in(missing)


def unusable(expected: type, missing: Unavailable, **attributes: Any) -> Any:
    """An `expected` plug-in in the place of one that cannot be used.

    It has the name of that one and these attributes. `unavailable` says why, and its other methods raise that.
    """

    def fail(*_: object, **__: object) -> None:
        raise unavailable_error(missing)

    methods: dict[str, Any] = dict.fromkeys(getattr(expected, "__abstractmethods__", ()), fail)
    methods["unavailable"] = lambda *_, **__: missing
    return type("Unusable", (expected,), methods | {"name": missing.what} | attributes)()


def packages() -> tuple[str, ...]:
    """Those that bring plug-ins, for the record of what is installed."""
    from importlib.metadata import entry_points

    found = {_package(point) for kind in KINDS for point in entry_points(group=PREFIX + kind)}
    return tuple(sorted(found))


def _package(point: "EntryPoint") -> str:
    return point.dist.name if point.dist else "unknown"


def _fix(package: str) -> str:
    return f"pip install --upgrade {package}, or pip uninstall {package}"


def _twice(kind: str, name: str, first: str, second: str) -> ReszooError:
    problem = f"two {kind} are called {name!r}: those of the packages {first} and {second}"
    return ReszooError(problem, f"Uninstall one of them: pip uninstall {second}")
