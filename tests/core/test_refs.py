"""A name from outside never becomes a path that leads out of its folder."""

from pathlib import Path

import pytest

from reszoo.core.errors import UsageError
from reszoo.core.refs import LONGEST_REF, check_ref, inside, problem_of
from reszoo.zoo import catalogue

BAD = [
    "",
    ".",
    "..",
    "../x",
    "/abs/x",
    "a/b",
    "a\\b",
    "-rf",
    ".hidden",
    "a\nb",
    "a\x1b[31m",
    "a\x00",
    "~x",
    "=1",
    "a b",
]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_makes_no_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot name a checkpoint: a name has letters"):
        check_ref(name)
    with pytest.raises(UsageError, match="cannot name a file"):
        inside(tmp_path, name)


@pytest.mark.parametrize("name", ["resnet20_v2+skip=gate+families=v1,v2.mine-macs0.5", "сеть", "r.x"])
def test_a_good_name_lies_in_its_folder(name: str, tmp_path: Path) -> None:
    check_ref(name)
    assert inside(tmp_path, name) == tmp_path / name


def test_a_long_name_is_refused_by_its_bytes() -> None:
    assert problem_of("a" * LONGEST_REF) == ""
    assert problem_of("ж" * LONGEST_REF) == "it has 320 bytes, and 160 are the most"
    assert problem_of("a" * LONGEST_REF + "\udcff")


def test_every_name_of_the_catalogue_is_good() -> None:
    assert [ref for ref in catalogue.refs() if problem_of(ref)] == []
