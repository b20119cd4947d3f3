"""The classes of ImageNet are those of the libraries whose networks tell them apart, in their order."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from reszoo.core.imagenet import names_by_wnid, wnid_of


def test_the_order_is_that_of_the_ids_and_no_name_is_there_twice() -> None:
    table = names_by_wnid()
    assert len(table) == len(set(table.values())) == 1000
    assert list(table) == sorted(table)
    assert (next(iter(table)), list(table)[-1]) == ("n01440764", "n15075141")


def test_the_names_are_those_of_torchvision() -> None:
    meta = pytest.importorskip("torchvision.models._meta")
    assert list(names_by_wnid().values()) == meta._IMAGENET_CATEGORIES


def test_the_ids_and_their_order_are_those_of_timm() -> None:
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        pytest.skip("timm is not installed")
    lists = Path(spec.origin).parent / "data" / "_info"
    assert list(names_by_wnid()) == (lists / "imagenet_synsets.txt").read_text().split()
    lemmas = dict(line.split("\t") for line in (lists / "imagenet_synset_to_lemma.txt").read_text().splitlines())
    known = [name in lemmas[wnid].split(", ") for wnid, name in names_by_wnid().items()]
    assert sum(known) >= 998  # torchvision says "crane bird" and "maillot tank suit", where WordNet has two of a name


@pytest.mark.parametrize(
    ("label", "wnid"),
    [
        ("n01440764", "n01440764"),
        ("n01440764 tench, Tinca tinca", "n01440764"),
        ("tench", "n01440764"),
        ("n014407641", None),
        ("my tench", None),
    ],
)
def test_an_id_is_read_from_a_label(label: str, wnid: str | None) -> None:
    assert wnid_of(label) == wnid
