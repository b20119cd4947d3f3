"""The packages import each other in one direction only, and never under a bare name."""

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A package may use the packages on the levels before its own, and none beside it.
LEVELS = (
    ("core",),
    ("models",),
    ("datasets", "zoo"),
    ("training",),
    ("prune", "quantize"),
    ("export",),
    ("bench",),
    ("reporting", "serving", "studies"),
    ("workflows",),
    ("cli",),
)
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}
PLUGINS = {"formats", "runtimes", "schemes"}
FILES = [path.relative_to(ROOT) for package in LEVEL for path in sorted((ROOT / package).rglob("*.py"))]


def imported_packages(path: Path) -> Iterator[tuple[int, str]]:
    """The packages that the relative imports of a file reach, with the line."""
    package = ["reszoo", *path.parent.parts]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            full = [*base, *(node.module or "").split(".")] if node.module else base
            if len(full) > 1 and full[1]:
                yield node.lineno, full[1]
            else:  # from .. import datasets
                yield from ((node.lineno, alias.name) for alias in node.names)


def absolute_imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The top-level names that these nodes import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


def imported_modules(path: Path) -> set[Path]:
    """The files that a file imports, also within functions; what is for type checkers only is no import."""
    package, found = list(path.parent.parts), set()
    for node in _running(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            module = Path(*filter(None, base))
            known = [file for alias in node.names for file in _files(module / alias.name) if (ROOT / file).is_file()]
            found |= set(known or [file for file in _files(module) if (ROOT / file).is_file()])
    return found - {path}


def _files(module: Path) -> tuple[Path, ...]:
    return (module / "__init__.py", *([module.with_suffix(".py")] if module.name else []))


def _running(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield child
            yield from _running(child)


def test_no_module_leads_back_to_itself() -> None:
    """A circle is one module in several files: none of them can be read, tested or moved alone."""
    TopologicalSorter({path: imported_modules(path) for path in FILES}).prepare()  # raises CycleError, which names it


def test_every_package_on_disk_is_on_a_level() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(LEVEL)
    assert len(FILES) > 30


def test_basedpyright_is_told_of_every_package() -> None:
    """It follows only the links that are named to it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["basedpyright"]
    assert set(settings["include"]) == {"src/reszoo/*.py", *(f"src/reszoo/{package}" for package in LEVEL)}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_downwards(path: Path) -> None:
    package = path.parts[0]
    wrong = [
        f"{path}:{line} {package} imports {other}"
        for line, other in imported_packages(path)
        if other != package and LEVEL[other] >= LEVEL[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=str)
def test_packages_are_imported_relatively(path: Path) -> None:
    """`import zoo` would make a second copy of every registry; `from reszoo.zoo` would hide the file from editors."""
    tree = ast.parse((ROOT / path).read_text())
    assert [m for m in absolute_imports(ast.walk(tree)) if m in {*LEVEL, "reszoo"}] == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_tests_import_the_package_never_the_folders(path: Path) -> None:
    assert [m for m in absolute_imports(ast.walk(ast.parse(path.read_text()))) if m in LEVEL] == []


@pytest.mark.parametrize("path", [p for p in FILES if PLUGINS & set(p.parts)], ids=str)
def test_plugins_import_their_vendors_inside_functions(path: Path) -> None:
    """So every plug-in can be listed where nothing but reszoo's core is installed."""
    top = ast.parse((ROOT / path).read_text()).body
    assert [m for m in absolute_imports(top) if m not in sys.stdlib_module_names] == []


def test_the_plugins_of_every_vendor_are_among_them() -> None:
    seen = {path.as_posix() for path in FILES if PLUGINS & set(path.parts)}
    assert {"export/formats/litert.py", "export/formats/openvino.py", "export/runtimes/openvino.py"} <= seen


def test_the_reader_of_imports_sees_every_spelling() -> None:
    source = "import zoo.store, os\nfrom models.names import names\ndef f():\n    from reszoo import zoo\n"
    assert list(absolute_imports(ast.walk(ast.parse(source)))) == ["zoo", "os", "models", "reszoo"]
    assert {"core", "zoo", "export"} <= {package for _, package in imported_packages(Path("workflows/references.py"))}


def test_no_folder_shadows_the_package() -> None:
    assert not (ROOT / "reszoo").exists()
