import sys
from pathlib import Path
from types import ModuleType

import pytest

from reszoo.core.errors import UsageError
from reszoo.core.registry import choose, discover, unknown


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
        package(tmp_path / "plugins_a", x=PLUGIN.format(name="x"), y_z=PLUGIN.format(name="y-z")), "PLUGIN"
    )
    assert list(found) == ["x", "y-z"]
    assert found["y-z"].name == "y-z"
    assert found["y-z"] is found["y-z"]
    assert found.get("z") is None


def test_a_folder_in_it_is_no_plugin(tmp_path: Path) -> None:
    folder = tmp_path / "plugins_e"
    found = package(folder, x=PLUGIN.format(name="x"))
    (folder / "parts").mkdir()
    (folder / "parts" / "__init__.py").touch()
    assert list(discover(found, "PLUGIN")) == ["x"]


def test_none_is_imported_before_it_is_asked_for(tmp_path: Path) -> None:
    found = discover(package(tmp_path / "plugins_d", whole=PLUGIN.format(name="whole"), broken="1 / 0"), "PLUGIN")
    assert list(found) == ["broken", "whole"]
    assert "broken" in found
    assert found["whole"].name == "whole"
    with pytest.raises(ZeroDivisionError):
        found["broken"]


def test_a_file_that_is_not_named_like_its_plugin_is_an_error(tmp_path: Path) -> None:
    other = discover(package(tmp_path / "plugins_b", one=PLUGIN.format(name="x")), "PLUGIN")
    with pytest.raises(ValueError, match=r"one\.py defines 'x'"):
        other["one"]


def test_a_file_that_defines_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"empty\.py defines no PLUGIN"):
        discover(package(tmp_path / "plugins_c", empty=""), "PLUGIN")["empty"]


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown fruit 'aple'\nDid you mean apple or pear\?"):
        choose({"apple": 1, "pear": 2}, "aple", "fruit")
    with pytest.raises(UsageError, match="Known: apple, pear"):
        choose({"apple": 1, "pear": 2}, "zzz", "fruit")


def test_the_beginning_of_a_name_and_the_number_of_others_are_told() -> None:
    names = ["resnet20_v1.akamaster_cifar10", "resnet20_v2.x", "resnet20_v3", *(f"n{i}" for i in range(20))]
    assert unknown("resnet20_v1", names, "checkpoint").fix == "Did you mean resnet20_v1.akamaster_cifar10?"
    assert unknown("", names, "checkpoint").fix.endswith("n19 and 11 more.")
    assert unknown("zzz", names[:2], "checkpoint").fix == "Known: resnet20_v1.akamaster_cifar10, resnet20_v2.x."
