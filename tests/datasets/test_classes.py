"""Which output of a network a class is: never by its position alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reszoo import datasets
from reszoo.core.errors import UsageError
from reszoo.core.imagenet import names_by_wnid
from reszoo.datasets.classes import ClassMap

IMAGENET = tuple(names_by_wnid().values())
PETS = ("cat", "dog", "parrot")


@pytest.fixture
def add(image: Callable[[int], bytes], tree: Callable[[str, dict[str, bytes]], Path]) -> Callable[..., None]:
    """A data set with one picture in each of these folders."""

    def make(name: str, folders: Sequence[str]) -> None:
        datasets.add(name, [tree(name, {f"{folder}/{i}.png": image(i) for i, folder in enumerate(folders)})])

    return make


def outputs(name: str, labels: Sequence[str], **options: Any) -> tuple[int, ...]:
    return datasets.class_map(name, tuple(labels), "net", **options).targets


def test_the_same_names_in_the_same_order(add) -> None:
    add("pets", PETS)
    found = datasets.class_map("pets", PETS, "net")
    assert found == ClassMap(names=PETS, outputs=(0, 1, 2), positions=(0, 1, 2), known=3)
    assert not found.is_partial


def test_the_same_names_in_another_order_are_told_apart_as_the_data_set_does(add) -> None:
    add("pets", PETS)
    found = datasets.class_map("pets", ("parrot", "cat", "dog"), "net")
    assert found == ClassMap(names=PETS, outputs=(1, 2, 0), positions=(0, 1, 2), known=3)
    assert found.targets == (1, 2, 0)


def test_of_more_classes_an_answer_is_one_of_all_or_one_of_the_datas(add) -> None:
    add("pets", ("dog", "cat"))
    labels = ("parrot", "dog", "cat")
    assert datasets.class_map("pets", labels, "net") == ClassMap(
        names=labels, outputs=(0, 1, 2), positions=(2, 1), known=3, among="network"
    )
    among = datasets.class_map("pets", labels, "net", among="data")
    assert among == ClassMap(names=("cat", "dog"), outputs=(2, 1), positions=(0, 1), known=3, among="data")
    assert among.is_partial
    assert str(among) == "2 of the network's 3 classes, answers among these"
    with pytest.raises(UsageError, match="among=subset"):
        outputs("pets", labels, among="subset")


def test_folders_named_by_wordnet_ids_have_names_and_keep_the_ids(add) -> None:
    add("birds", ("n02012849", "n01518878"))
    info = datasets.info.info("birds")
    assert (info.classes, info.wnids) == (("ostrich", "crane bird"), ("n01518878", "n02012849"))
    assert outputs("birds", IMAGENET) == (9, 134)
    assert outputs("birds", [*IMAGENET[::-1]]) == (990, 865)
    assert outputs("birds", ("n02012849 crane", "n01518878 ostrich, Struthio camelus")) == (1, 0)


def test_names_of_imagenet_that_others_spell_otherwise_are_known_by_their_places(add) -> None:
    """Many lists call two classes crane, and two maillot."""
    add("cranes", ("n02012849", "n03126707"))
    theirs = [f"{name.removesuffix(' bird')}, genus" for name in IMAGENET]
    assert outputs("cranes", theirs) == (134, 517)
    add("by-name", ("crane bird", "tench"))
    assert outputs("by-name", theirs) == (134, 0)


@pytest.mark.parametrize("folders", [("n01440764", "n01496331"), ("tench", "electric ray")])
def test_of_a_thousand_classes_in_another_order_each_is_found_by_its_name(folders: tuple[str, str], add) -> None:
    """By folders that are ids and by folders that are names: most of the classes stand where ImageNet has them."""
    exchanged = [*IMAGENET]
    exchanged[0], exchanged[5] = exchanged[5], exchanged[0]
    turned = [*IMAGENET[399::-1], *IMAGENET[400:]]
    add("fish", folders)
    names = datasets.info.info("fish").classes
    for labels in (exchanged, turned):
        assert [labels[output] for output in outputs("fish", labels)] == list(names)
    described = [f"{name}, one of its kind" for name in turned]
    with pytest.raises(UsageError, match="that are none of fish's"):
        outputs("fish", described)


def test_spelling_counts_only_where_it_tells_classes_apart(add) -> None:
    add("fish", ("Great_White-shark", "Tench"))
    assert outputs("fish", IMAGENET) == (2, 0)
    add("cardigans", ("Cardigan", "cardigan"))
    assert [IMAGENET[output] for output in outputs("cardigans", IMAGENET)] == ["Cardigan", "cardigan"]
    add("hat", ("CARDIGAN",))
    with pytest.raises(UsageError, match="'CARDIGAN' is the name of several outputs of net: 264 and 474"):
        outputs("hat", IMAGENET)


def test_what_the_network_does_not_know_is_named(add) -> None:
    add("pets", PETS)
    with pytest.raises(UsageError, match="net knows 2 of the 3 classes of pets, and not: dog") as caught:
        outputs("pets", ("cat", "parrot", "fish"), own="animals")
    assert "`classes=map.csv`" in caught.value.fix
    assert caught.value.fix.endswith("Or measure it on animals.")
    with pytest.raises(UsageError, match=r"net knows classes \(0, 1, 2\) that are none of pets's") as caught:
        outputs("pets", ("0", "1", "2"), own="pets")
    assert "measure it on" not in caught.value.fix  # which was just done
    add("two", ("Cat", "cat"))
    with pytest.raises(UsageError, match="Cat and cat of two are one class of the network, 'cat'"):
        outputs("two", ("cat", "dog"))


@pytest.mark.parametrize(
    "text",
    [
        "ours,theirs\ncat,tabby\ndog,n02085620\nparrot,88\n",
        "\ufeffcat , tabby\n\nparrot,88\ndog,Chihuahua\n",
    ],
)
def test_a_file_says_it_by_name_by_number_or_by_id(text: str, add, tmp_path: Path) -> None:
    add("pets", PETS)
    (tmp_path / "map.csv").write_text(text, encoding="utf-8")
    for given in (tmp_path / "map.csv", str(tmp_path / "map.csv")):
        assert outputs("pets", IMAGENET, classes=given) == (281, 151, 88)
    assert outputs("pets", IMAGENET, classes={"cat": 281, "dog": "Chihuahua", "parrot": "88"}) == (281, 151, 88)


def test_a_name_that_looks_like_a_number_is_a_name(add) -> None:
    add("pets", ("cat", "dog"))
    assert outputs("pets", ("1", "0"), classes={"cat": "0", "dog": "1"}) == (1, 0)
    assert outputs("pets", ("1", "0"), classes={"cat": 0, "dog": 1}) == (0, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cat": 0, "dog": 1}, "does not say what these classes of pets are: parrot"),
        ({"cat": 0, "dog": 1, "parrot": 2, "cow": 3}, "pets has no class 'cow'"),
        ({"cat": 0, "dog": 1, "parrot": 1000}, "net has no class 1000"),
        ({"cat": 0, "dog": 1, "parrot": -1}, "net has no class -1"),
        ({"cat": 0, "dog": 1, "parrot": 1.5}, r"net has no class 1\.5"),
        (["cat", "dog", "parrot"], "`classes` is a list"),
        ({"cat": 0, "dog": 1, "parrot": "polly"}, "net has no class 'polly'"),
        ({"cat": 0, "dog": 1, "parrot": 1}, "dog and parrot of pets are one class of the network, 'goldfish'"),
        ("cat,0\ndog,1\nparrot,2,3\n", r"map.csv, line 3 has 3 columns, not 2"),
        ("cat,0\ndog,1\nparrot,2\ncat,4\n", r"map.csv, line 4 says a second time what 'cat' is"),
        ("catt,0\ndog,1\nparrot,2\n", "does not say what these classes of pets are: cat"),
        (None, r"nowhere.csv cannot be read: No such file"),
    ],
)
def test_a_map_with_a_mistake_is_refused(given: Any, said: str, add, tmp_path: Path) -> None:
    add("pets", PETS)
    if isinstance(given, str):
        (tmp_path / "map.csv").write_text(given)
    classes = given if isinstance(given, dict | list) else tmp_path / ("map.csv" if given else "nowhere.csv")
    with pytest.raises(UsageError, match=said) as caught:
        outputs("pets", IMAGENET, classes=classes)
    assert caught.value.fix


def test_images_are_labelled_as_a_network_answers(add) -> None:
    add("pets", PETS)
    images = datasets.load("pets", "trainval")
    assert images.labels.tolist() == [0, 1, 2]
    labels = ("fish", "parrot", "dog", "cat")
    theirs = images.for_network("net", labels)
    assert (theirs.classes, theirs.labels.tolist()) == (labels, [3, 2, 1])
