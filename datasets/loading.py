"""From a name and a split to a data set."""

from typing import get_args

from ..core.errors import UsageError
from . import builtin, store
from .dataset import Dataset
from .info import DIGITS, Split, info
from .splits import shuffled


def load(name: str, split: Split) -> Dataset:
    """Open one split of an installed data set. Splits never change from run to run, nor from machine to machine.

    trainval   all training images
    val        the images of the user's own val folder; without one, a stratified 10 % of trainval
    train      trainval without val
    test       the test images

    Raises UsageError for an unknown name or a split that the data set does not have, UnavailableError for a
    data set that can be downloaded but is not here.
    """
    if split not in get_args(Split):
        raise UsageError(f"unknown split {split!r}", f"Choose {', '.join(get_args(Split))}.")
    description = info(name)
    if split not in description.counts:
        again = "test=20%, " if split == "test" else ""
        raise UsageError(
            f"{name} has no {split} images, it has: {', '.join(description.counts)}",
            f"Choose one of these, or add all its images again: `datasets.add({name}, PATH..., {again}replace=True)`.",
        )
    return builtin.digits(split) if name == DIGITS.name else store.open_split(description, split)


def calibration_sample(name: str, n: int, seed: int, *, or_all: bool = False) -> Dataset:
    """Draw `n` images from train, never from val or test, without replacement; `indices` says which.

    `or_all` takes all of them where there are fewer. Raises UsageError otherwise.
    """
    train = load(name, "train")
    if or_all:
        n = min(n, len(train))
    if not 1 <= n <= len(train):
        raise UsageError(
            f"cannot draw {n} calibration images from the {len(train)} training images of {name}",
            f"Choose a number from 1 to {len(train)}.",
        )
    return train.subset(shuffled(len(train), seed)[:n])


def where_to_measure(dataset: str) -> str:
    """What to do where a network is asked of another data set than its own, which may have no name."""
    if dataset:
        return f"Measure it on {dataset}."
    return "It may know other classes, or no names: import it again with `data=NAME` or `labels`."


def check_classes(name: str, labels: tuple[str, ...], ref: str, fix: str = "") -> None:
    """Refuse a data set whose classes are not those that the network `ref` knows, in its order.

    A network names its data set, but a user may have put other images under that name: labels would be wrong in
    silence.
    """
    if labels == (classes := info(name).classes):
        return
    if len(labels) == len(classes):
        problem = f"other classes ({', '.join(labels[:3])}, ...) than {name} has ({', '.join(classes[:3])}, ...)"
    else:
        problem = f"{len(labels)} classes where {name} has {len(classes)}"
    fix = fix or f"Bring in the images that it was trained on: `datasets.add({name}, PATH..., replace=True)`."
    raise UsageError(f"{ref} knows {problem}", fix)
