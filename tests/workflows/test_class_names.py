"""What names the classes of a network, and a data set that is named for it afterwards."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

import reszoo
from reszoo.core.errors import UsageError
from reszoo.core.types import Checkpoint
from reszoo.workflows.class_names import class_names, with_data


@pytest.fixture
def flowers(tmp_path: Path, cache: Path) -> str:
    for n, name in enumerate(("rose", "tulip")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (8, 8), (i, 20 * n, 0)).save(tmp_path / "photos" / name / f"{i}.png")
    reszoo.datasets.add("flowers", [tmp_path / "photos"])
    return "flowers"


def checkpoint(dataset: str, *labels: str) -> Checkpoint:
    digits = reszoo.load("resnet8_v1.reszoo_digits")
    return replace(digits, dataset=dataset, labels=labels, spec=replace(digits.spec, num_classes=len(labels)))


def test_names_are_of_a_data_set_or_numbers(flowers: str) -> None:
    assert class_names(None, flowers).of(2) == ("rose", "tulip")
    assert class_names(flowers, None).of(2) == ("rose", "tulip")
    assert class_names(None, None).of(3) == ("0", "1", "2")
    assert class_names(None, "cifar10").of(10)[0] == "airplane"
    with pytest.raises(UsageError, match="flowers has 2 classes, but the network has 3"):
        class_names(None, flowers).of(3)


def test_a_data_set_is_named_for_a_network_that_names_none(flowers: str) -> None:
    named = with_data(checkpoint("", "0", "1"), flowers)
    assert (named.dataset, named.labels) == ("flowers", ("rose", "tulip"))
    same = with_data(checkpoint("others", "rose", "tulip"), flowers)
    assert (same.dataset, same.labels) == ("flowers", ("rose", "tulip"))
    assert with_data(same, None) is same
    turned = with_data(checkpoint("others", "Tulip", "rose", "lily"), flowers)
    assert (turned.dataset, turned.labels) == ("flowers", ("Tulip", "rose", "lily"))


@pytest.mark.parametrize("labels", [("0", "1", "2"), ("cat", "dog")], ids=str)
def test_other_classes_are_refused(flowers: str, labels: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="resnet8_v1.reszoo_digits knows".replace(".", r"\.")):
        with_data(checkpoint("", *labels), flowers)


def test_numbers_that_name_a_data_sets_classes_are_names(flowers: str) -> None:
    with pytest.raises(UsageError, match="that are none of flowers"):
        with_data(checkpoint("digits", "0", "1"), flowers)
