"""How fast a network learns: its accuracy on the images that it is trained with, mean over all epochs.

Seeds differ by less in it than in the accuracy on val at the ends of epochs, which is far from settled at the large
learning rates in the middle of a training.
"""

from statistics import fmean

from .designs import Design
from .records import Condition, Measured, Settings
from .trials import METRICS

CONVERGENCE = "train_mean"
WITH_CONVERGENCE = METRICS | {CONVERGENCE: "accuracy on the augmented training images, mean over all epochs, %"}


def measured(design: Design, condition: Condition, seed: int, settings: Settings) -> Measured:
    """The figures of `WITH_CONVERGENCE`."""
    found = design.trial(condition, seed, settings)
    return found.measured({CONVERGENCE: fmean(found.train)})
