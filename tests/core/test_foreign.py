"""Plug-ins of other packages: what is said of those that clash, or cannot be used."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest

from reszoo.core.errors import ReszooError, UnavailableError
from reszoo.core.foreign import ForeignPlugins, packages, unusable
from reszoo.core.registry import Plugins
from reszoo.core.types import Unavailable

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes a package with these entry points of the group `reszoo.fruits` one that is installed."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "orchard.py").write_text(
        "class Fruit:\n    def __init__(self, name):\n        self.name = name\n"
        "apple, pear, stone = Fruit('apple'), Fruit('pear'), 5\n"
    )

    def make(package: str, **points: str) -> None:
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[reszoo.fruits]", *lines]))

    return make


def fruits() -> ForeignPlugins:
    from orchard import Fruit  # type: ignore[import-not-found]

    return ForeignPlugins("fruits", Fruit, lambda missing: missing)


def test_they_are_named_without_being_imported_and_imported_once(install: Install) -> None:
    install("farm", pear="orchard:pear", apple="orchard:apple", lost="nowhere:lost")
    found = fruits()
    assert list(found) == ["apple", "lost", "pear"]
    assert found["pear"].name == "pear"
    assert found["pear"] is found["pear"]
    assert "plum" not in found


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nowhere:lost", "it cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("orchard:plum", "it cannot be imported: AttributeError: module 'orchard' has no attribute 'plum'"),
        ("orchard:stone", "orchard:stone is no Fruit"),
        ("orchard:pear", "orchard:pear calls itself 'pear'"),
    ],
)
def test_one_that_cannot_be_used_is_a_value_with_its_reason(value: str, reason: str, install: Install) -> None:
    install("farm", odd=value)
    fix = "pip install --upgrade farm, or pip uninstall farm"
    assert fruits()["odd"] == Unavailable(what="odd", reason=f"{reason} (of the package farm)", fix=fix)


def test_two_of_one_name_are_an_error_that_names_both(install: Install) -> None:
    install("farm", apple="orchard:apple")
    install("market", apple="orchard:apple")
    with pytest.raises(ReszooError, match=r"two fruits are called 'apple': those of the packages (farm|market) and"):
        list(fruits())


def test_reszoos_own_name_is_taken(install: Install, tmp_path: Path) -> None:
    install("farm", apple="orchard:apple")
    own = tmp_path / "own_fruits"
    own.mkdir()
    (own / "__init__.py").touch()
    (own / "apple.py").write_text("class Own:\n    name = 'apple'\nFRUIT = Own()\n")
    both = Plugins("own_fruits", (str(own),), "FRUIT", fruits())
    with pytest.raises(ReszooError, match="of the packages reszoo and farm\nUninstall one of them: pip uninstall farm"):
        list(both)


def test_the_packages_that_bring_them_are_known(install: Install, tmp_path: Path) -> None:
    install("farm", pear="orchard:pear")
    points = tmp_path / "farm-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text().replace("reszoo.fruits", "reszoo.runtimes"))
    assert packages() == ("farm",)


def test_what_stands_in_for_one_says_why_and_does_nothing_else() -> None:
    class Peeler(ABC):
        @abstractmethod
        def unavailable(self, device: str) -> Unavailable | None: ...

        @abstractmethod
        def peel(self, fruit: str, *, thin: bool) -> str: ...

    missing = Unavailable(what="knife", reason="it is blunt", fix="pip install --upgrade knives")
    broken = unusable(Peeler, missing, fruits=("apple",))
    assert isinstance(broken, Peeler)
    assert (broken.name, broken.fruits, broken.unavailable("cpu")) == ("knife", ("apple",), missing)
    with pytest.raises(UnavailableError, match="knife is not available here: it is blunt"):
        broken.peel("apple", thin=True)
