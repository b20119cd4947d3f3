"""How the networks of all studies are trained: the data set's recipe, and what has to be the same on every machine."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...training import Recipe

RECIPES = {"digits": "digits", "cifar10": "cifar-fast"}
FIXED = {
    "precision": "fp32",  # a study may go on elsewhere, and what is chosen there must not be another arithmetic
    "threads": "1",  # two runs side by side are faster than one on two threads
    "train_on": "train",  # so that val is left for the curves
    "select": "last",  # so that nothing is chosen by val
}


def recipe_for(data: str) -> "Recipe":
    """The data set's recipe as studies use it."""
    from ... import training

    return training.override(training.load(RECIPES[data]), FIXED)
