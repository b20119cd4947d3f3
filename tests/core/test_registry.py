import sys
from pathlib import Path
from types import ModuleType

import pytest

from reszoo.core.errors import UsageError
from reszoo.core.registry import choose, discover


def package(folder: Path, **files: str) -> ModuleType:
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name, source in files.items():
        (folder / f"{name}.py").write_text(source)
    sys.path.insert(0, str(folder.parent))
    try:
        return __import__(folder.name)
    finally:
        sys.path.pop(0)


PLUGIN = "class P:\n    name = {name!r}\nPLUGIN = P()\n"


def test_a_plugin_is_found_by_its_file(tmp_path: Path) -> None:
    found = discover(
        package(tmp_path / "plugins_a", one=PLUGIN.format(name="x"), two=PLUGIN.format(name="y")), "PLUGIN"
    )
    assert list(found) == ["x", "y"]


def test_two_of_one_name_are_an_error(tmp_path: Path) -> None:
    double = package(tmp_path / "plugins_b", one=PLUGIN.format(name="x"), two=PLUGIN.format(name="x"))
    with pytest.raises(ValueError, match="two entries named 'x'"):
        discover(double, "PLUGIN")


def test_a_file_that_defines_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"empty\.py defines no PLUGIN"):
        discover(package(tmp_path / "plugins_c", empty=""), "PLUGIN")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown fruit 'aple'\nDid you mean apple or pear\?"):
        choose({"apple": 1, "pear": 2}, "aple", "fruit")
    with pytest.raises(UsageError, match="Known: apple, pear"):
        choose({"apple": 1, "pear": 2}, "zzz", "fruit")
