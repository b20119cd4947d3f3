"""What predictions say: how much accuracy a candidate loses against its reference, and which classes suffer.

Both networks see the same images, so only those that exactly one of them gets right tell them apart.
"""

from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.distributions import fair_coin_p
from ..core.errors import UsageError
from ..core.statistics import Interval, proportion_interval
from .predictions import Predictions

Z = 1.96
HALVINGS = 50
# Who would need more has a drop that is what is allowed, as far as any data set can tell.
MOST_IMAGES = 10**9
# Of an image: floats round, so that 0.7 - 0.4 of ten is less than three.
ROUNDING = 1e-6


class Paired(NamedTuple):
    """A reference and a candidate on the same `n` images.

    only_reference, only_candidate  images that one of them got right, and the other did not
    same_answer                     images that both took for the same class, right or wrong
    """

    n: int
    only_reference: int
    only_candidate: int
    same_answer: int

    @property
    def drop(self) -> float:
        """The reference's accuracy minus the candidate's; negative where the candidate is better."""
        return (self.only_reference - self.only_candidate) / self.n

    def loses_at_most(self, max_drop: float) -> bool:
        """Whether the drop that was seen is at most that. Images are counted, so that a drop of just that is."""
        return self.only_reference - self.only_candidate <= max_drop * self.n + ROUNDING

    @property
    def drop_interval(self) -> Interval:
        """Of the drop, 95 %; see `difference_interval`."""
        return difference_interval(self.only_reference, self.only_candidate, self.n)

    @property
    def p_value(self) -> float:
        """Of the exact test that neither is better (McNemar 1947): the images that tell them apart are fair coins."""
        discordant = self.only_reference + self.only_candidate
        return fair_coin_p(self.only_reference, discordant)

    @property
    def agreement(self) -> float:
        return self.same_answer / self.n


class Verdict(NamedTuple):
    """Whether a candidate loses at most `max_drop`; as text, one line for people.

    images_needed  if undecided: how many would decide, at the same rates. None otherwise, and where a billion would
                   not: the drop is then what is allowed, exactly or all but so
    """

    outcome: Literal["pass", "fail", "undecided"]
    paired: Paired
    max_drop: float
    images_needed: int | None

    def __str__(self) -> str:
        low, high = self.paired.drop_interval
        loss = (
            f"{100 * self.paired.drop:z.2f} points lost (95 %: {100 * low:z.2f} to {100 * high:z.2f}), "
            f"at most {100 * self.max_drop:.6g} allowed, n = {self.paired.n}"
        )
        if self.outcome != "undecided":
            return f"{self.outcome}: {loss}"
        needed = f"about {_rounded_up(self.images_needed):,} would do" if self.images_needed else "no data set would do"
        return f"not enough images to tell: {loss}; {needed}"


class ClassRow(NamedTuple):
    """One class: of its `n` images, `correct` were right; the wrong class it is most often taken for, if any."""

    name: str
    n: int
    correct: int
    taken_for: str | None
    times_taken: int

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def interval(self) -> Interval:
        return proportion_interval(self.correct, self.n)


def compare_predictions(reference: Predictions, candidate: Predictions) -> Paired:
    """Image by image. Raises UsageError where the two are not of the same images, naming what differs."""
    _check_comparable(reference, candidate)
    right, also_right = reference.right, candidate.right
    return Paired(
        n=reference.n,
        only_reference=int((right & ~also_right).sum()),
        only_candidate=int((also_right & ~right).sum()),
        same_answer=int((reference.top5[:, 0] == candidate.top5[:, 0]).sum()),
    )


def drop_verdict(paired: Paired, max_drop: float) -> Verdict:
    """Pass if the whole interval of the drop lies at or below `max_drop`, fail if it lies above, else undecided."""
    outcome = _outcome(paired.drop_interval, max_drop)
    needed = _images_needed(paired, max_drop) if outcome == "undecided" else None
    return Verdict(outcome, paired, max_drop, needed)


def confusion(predictions: Predictions) -> NDArray[np.int64]:
    """(classes, classes): how many images of the class of the row were taken for the class of the column."""
    classes = len(predictions.classes)
    pairs = predictions.labels.astype(np.int64) * classes + predictions.top5[:, 0]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def per_class(predictions: Predictions) -> list[ClassRow]:
    """A row for each class that has images, in the order of the classes."""
    counts = confusion(predictions)
    wrong = counts - np.diag(counts.diagonal())
    rows = []
    for i in np.flatnonzero(counts.sum(1)):
        rival, times = int(wrong[i].argmax()), int(wrong[i].max())
        taken_for = predictions.classes[rival] if times else None
        rows.append(ClassRow(predictions.classes[i], int(counts[i].sum()), int(counts[i, i]), taken_for, times))
    return rows


def difference_interval(lost: float, gained: float, n: int, z: float = Z) -> Interval:
    """An interval of (lost - gained) / n, where of `n` pairs `lost` and `gained` differ, one way and the other.

    `z` is the normal quantile of its confidence, 95 % by default. Tango's score interval (Statistics in Medicine 17,
    1998, p. 891): all differences that a score test does not refuse. What a gate rests on is its
    upper end: it is below the truth in at most 2.6 % of samples (enumerated in the tests) even where few pairs differ,
    all one way, as between a network and its copy. Wald's interval collapses there, and that of Bonett & Price (2012),
    which adds one pair each way, is too low in up to 4 %.
    """
    if not (n > 0 and lost >= 0 and gained >= 0 and lost + gained <= n * (1 + 1e-12)):  # rates times n are rounded
        raise ValueError(f"of {n} pairs {lost} and {gained} cannot differ")
    found = (lost - gained) / n
    low, high = (_border(found, end, lost, gained, n, z) for end in (-1.0, 1.0))
    return Interval(low, high)


def _border(inside: float, outside: float, lost: float, gained: float, n: int, z: float) -> float:
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if _is_plausible(middle, lost, gained, n, z):
            inside = middle
        else:
            outside = middle
    return inside


def _is_plausible(difference: float, lost: float, gained: float, n: int, z: float) -> bool:
    """Tango's score test of a true `difference`."""
    # the likeliest share of gains, given the difference: the larger root of a x^2 + b x + c
    a = 2 * n
    b = (2 * n - lost + gained) * difference - lost - gained
    c = -gained * difference * (1 - difference)
    gains = (sqrt(max(b * b - 4 * a * c, 0)) - b) / (2 * a)
    variance = n * (2 * gains + difference * (1 - difference))
    return (lost - gained - n * difference) ** 2 <= z**2 * variance


def _outcome(drop: Interval, max_drop: float) -> Literal["pass", "fail", "undecided"]:
    if drop.high <= max_drop:
        return "pass"
    return "fail" if drop.low > max_drop else "undecided"


def _images_needed(paired: Paired, max_drop: float) -> int | None:
    """The smallest number of images that decides, when each share of them stays as it is; None above `MOST_IMAGES`."""
    lost, gained = paired.only_reference / paired.n, paired.only_candidate / paired.n

    def decides(n: int) -> bool:
        return _outcome(difference_interval(lost * n, gained * n, n), max_drop) != "undecided"

    too_few, enough = paired.n, 2 * paired.n
    while not decides(enough):
        if enough > MOST_IMAGES:
            return None
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if decides(middle) else (middle, enough)
    return enough


def _rounded_up(number: int) -> int:
    """To two digits: 33731 -> 34000."""
    step: int = 10 ** max(len(str(number)) - 2, 0)
    return -(-number // step) * step


def _check_comparable(reference: Predictions, candidate: Predictions) -> None:
    same = f"Measure {reference.source_ref} and {candidate.source_ref} on the same images."
    ours, theirs = (f"{p.dataset}/{p.split}" for p in (reference, candidate))
    if ours != theirs:
        raise UsageError(f"the predictions are of different images: {ours} and {theirs}", same)
    if reference.classes != candidate.classes:
        count, other = len(reference.classes), len(candidate.classes)
        detail = f"{count} and {other}" if count != other else "other names, or another order"
        both = "Measure both with `among=data`: their answers are then among the data set's classes."
        raise UsageError(f"the predictions for {ours} have different classes: {detail}", both)
    if reference.n != candidate.n:
        raise UsageError(f"the predictions for {ours} have {reference.n} and {candidate.n} images", same)
    if reference.images_sha256 != candidate.images_sha256:
        raise UsageError(
            f"the images of {ours} are not the same: other pixels, another order, or resized and cropped differently",
            same,
        )
    if not np.array_equal(reference.labels, candidate.labels):
        raise UsageError(f"the images of {ours} are the same, but their labels differ", same)
