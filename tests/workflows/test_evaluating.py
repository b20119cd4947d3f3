"""`evaluate` on data whose classes are not the network's, one by one in its order."""

from pathlib import Path

import numpy as np
import pytest
from inprocess import reszoo as typed
from msgspec.json import decode
from PIL import Image

import reszoo
from reszoo import datasets

REF = "resnet8_v1.reszoo_digits"
NAMES = {3: "three", 7: "seven", 9: "nine"}


@pytest.fixture
def some_digits(tmp_path: Path) -> Path:
    """Three of the ten digits in folders by name, and the map to the network's classes."""
    test = datasets.load("digits", "test")
    for number, name in NAMES.items():
        (tmp_path / "test" / name).mkdir(parents=True)
        for position in np.flatnonzero(test.labels == number):
            Image.fromarray(test.images[position, ..., 0]).save(tmp_path / "test" / name / f"{position:03d}.png")
    datasets.add("some", [tmp_path / "test"])
    path = tmp_path / "map.csv"
    path.write_text("folder,network\n" + "".join(f"{name},{number}\n" for number, name in NAMES.items()))
    return path


def test_some_of_the_networks_classes_are_evaluated_among_all_or_among_themselves(some_digits: Path) -> None:
    network = reszoo.load(REF)
    everything = network.evaluate().predictions
    is_one = np.isin(everything.labels, list(NAMES))
    among_all = network.evaluate("some", classes=some_digits)
    among_some = network.evaluate("some", classes={name: n for n, name in NAMES.items()}, among="data")
    assert among_all.n == among_some.n == is_one.sum()
    assert among_all.correct == everything.right[is_one].sum()
    assert (among_all.among, among_some.among) == ("network", "data")
    assert among_all.predictions.classes == network.labels
    assert among_some.predictions.classes == ("nine", "seven", "three")
    assert among_some.predictions.top5.shape == (is_one.sum(), 3)
    assert among_some.correct >= among_all.correct  # a right answer among all is the best among some, too
    assert "3 of the network's 10 classes, answers among all of them" in repr(among_all)
    assert network.evaluate().among is None


def test_the_order_of_a_networks_classes_makes_no_difference(some_digits: Path) -> None:
    """The same weights, with the outputs turned round."""
    from msgspec.structs import replace

    from reszoo.api import public
    from reszoo.zoo import build, save

    network = reszoo.load(REF)
    state = {n: t.flip(0) if n.startswith("head.") else t for n, t in build(network).state_dict().items()}
    fields = {name: getattr(network, name) for name in ("spec", "preprocess", "dataset", "licence")}
    turned = save(
        some_digits.parent / "turned",
        state,
        ref="turned",
        labels=network.labels[::-1],
        metrics=(),
        provenance=(),
        **fields,
    )
    one, other = network.evaluate().predictions, public(turned).evaluate().predictions
    np.testing.assert_array_equal(one.top5, other.top5)
    assert one.classes == other.classes
    wrong = public(replace(turned, labels=network.labels))
    assert wrong.evaluate().accuracy < 0.3


def test_the_command_says_what_answers_were_chosen_among(some_digits: Path) -> None:
    done = typed("evaluate", REF, "--data", "some", "--classes", some_digits)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith("top-1 on some/test: ")
    assert done.stdout.splitlines()[1] == "3 of the network's 10 classes, answers among all of them"
    among = ("--classes", some_digits, "--among", "data", "--json")
    found = decode(typed("evaluate", REF, "--data", "some", *among).stdout)
    assert (found["dataset_classes"], found["network_classes"], found["among"]) == (3, 10, "data")
    assert found["accuracy"] == found["correct"] / found["n"]


def test_a_split_is_named_with_its_data_set_or_for_itself(some_digits: Path) -> None:
    one = typed("evaluate", REF, "--data", "digits/val", "--among", "data")
    other = typed("evaluate", REF, "--split", "val")
    assert one.stdout == other.stdout
    assert one.stdout.startswith("top-1 on digits/val: ")
    assert (one.stderr, other.stderr) == (
        "--among data is of no effect: the data set has all classes that are known.\n",
        "",
    )


def test_classes_that_are_not_said_are_asked_for_once(some_digits: Path) -> None:
    refused = typed("evaluate", REF, "--data", "some")
    assert refused.returncode == 2
    assert "that are none of some's (nine, seven, three)" in refused.stderr
    assert "--classes map.csv" in refused.stderr
    some_digits.write_text("three,3\n")
    again = typed("evaluate", REF, "--data", "some", "--classes", some_digits)
    assert "does not say what these classes of some are: nine, seven" in again.stderr
    assert "--classes map.csv" not in again.stderr
