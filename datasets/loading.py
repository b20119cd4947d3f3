"""From a name and a split to a data set."""

from typing import get_args

from ..core.errors import UsageError
from . import builtin, store
from .dataset import Dataset
from .info import DIGITS, DatasetInfo, Split, info
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
    check_split(name, split)
    return builtin.digits(split) if name == DIGITS.name else store.open_split(name, split)


def check_split(name: str, split: Split) -> DatasetInfo:
    """The data set's description. Raises as `load` does, but opens no image."""
    if split not in get_args(Split):
        raise UsageError(f"unknown split {split!r}", f"Choose {', '.join(get_args(Split))}.")
    description = info(name)
    if split not in description.counts:
        again = "test=20%, " if split == "test" else ""
        raise UsageError(
            f"{name} has no {split} images, it has: {', '.join(description.counts)}",
            f"Choose one of these, or add all its images again: `datasets.add({name}, PATH..., {again}replace=True)`.",
        )
    return description


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
