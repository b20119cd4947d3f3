"""The public API: every name is what it is in any order of imports, and every path may be text."""

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

PACKAGES = (
    *(
        "",
        ".bench",
        ".datasets",
        ".export",
        ".models",
        ".prune",
        ".quantize",
        ".reporting",
        ".serving",
        ".studies",
        ".training",
    ),
    ".zoo",
)
MORE = ("export.predicting", "reporting.runs", "bench.predictions", "workflows.pruning.fitting", "core.tracking")
EVERYTHING = """
import pkgutil, sys
from importlib import import_module

order, *names = sys.argv[1:]
packages = [import_module(name) for name in names]
def public():
    return {(p.__name__, name): getattr(p, name) for p in packages for name in p.__all__}

before = public() if order == "names first" else None
for package in packages:
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
after = public()
print(*(f"{p}.{name}" for (p, name), found in after.items() if before and before[p, name] != found))
print(*(f"{p}.{name}" for (p, name), found in after.items() if isinstance(found, type(sys))))
"""


@pytest.mark.long("modules first")
@pytest.mark.parametrize("order", ["names first", "modules first"])
def test_a_name_stays_what_it_is_when_modules_are_imported(order: str) -> None:
    """A module that is imported is put into its package under its own name, whatever had that name before."""
    names = [f"reszoo{package}" for package in PACKAGES]
    done = subprocess.run([sys.executable, "-c", EVERYTHING, order, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    changed, modules = done.stdout.splitlines()
    assert changed == ""
    assert set(modules.split()) == {"reszoo.workflows", *names} - {"reszoo"}


def public(name: str) -> Iterator[Callable[..., Any]]:
    """The functions of a module that others may call, and the methods of its classes."""
    module = import_module(f"reszoo.{name}")
    names = getattr(module, "__all__", None) or [n for n, v in vars(module).items() if _is_own(v, module.__name__)]
    for found in (getattr(module, name) for name in names if not name.startswith("_")):
        if inspect.isclass(found):
            members = inspect.getmembers(found, lambda member: inspect.isfunction(member) or inspect.ismethod(member))
            yield from (member for name, member in members if not name.startswith("_"))
        elif inspect.isfunction(found):
            yield found


def _is_own(value: object, module: str) -> bool:
    return getattr(value, "__module__", None) == module


@pytest.mark.parametrize("name", [*(package[1:] for package in PACKAGES if package), *MORE])
def test_a_path_may_be_text(name: str) -> None:
    narrow = [
        f"{function.__qualname__}({parameter})"
        for function in public(name)
        for parameter in inspect.signature(function).parameters.values()
        if "Path" in str(parameter.annotation) and "PathLike" not in str(parameter.annotation)
    ]
    assert narrow == []
