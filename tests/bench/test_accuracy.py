"""What is concluded from predictions: paired comparisons against known tables and exact probabilities, and tables."""

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from reszoo import zoo
from reszoo.bench.accuracy import Paired, compare_predictions, confusion, difference_interval, drop_verdict, per_class
from reszoo.bench.evaluate import evaluate
from reszoo.bench.predictions import Predictions
from reszoo.core.errors import UsageError
from reszoo.core.statistics import proportion_interval
from reszoo.export import export
from reszoo.export.contract.runtime import runtimes


def answers(labels: list[int], best: list[int], classes: tuple[str, ...] = ("cat", "dog", "owl")) -> Predictions:
    """Predictions whose best answers are `best`; the others follow in the order of the classes."""
    k = min(5, len(classes))
    orders = [[answer, *(i for i in range(len(classes)) if i != answer)][:k] for answer in best]
    return Predictions(
        dataset="pets",
        split="test",
        classes=classes,
        images_sha256="1" * 64,
        source_ref="some.network",
        artifact_sha256="2" * 64,
        labels=np.array(labels, np.uint16),
        top5=np.array(orders, np.uint16),
        logits=np.tile(np.arange(k, 0, -1, dtype=np.float32), (len(best), 1)),
    )


def paired(n: int, only_reference: int, only_candidate: int) -> Paired:
    return Paired(n, only_reference, only_candidate, same_answer=n - only_reference - only_candidate)


def test_a_comparison_counts_what_only_one_of_them_gets_right() -> None:
    reference = answers([0, 0, 1, 1, 2, 2], [0, 0, 1, 0, 0, 0])
    candidate = answers([0, 0, 1, 1, 2, 2], [0, 1, 2, 1, 0, 1])
    found = compare_predictions(reference, candidate)
    assert found == Paired(n=6, only_reference=2, only_candidate=1, same_answer=2)
    assert (found.drop, found.agreement) == (1 / 6, 2 / 6)
    assert compare_predictions(candidate, reference).drop == -1 / 6


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"dataset": "birds"}, "pets/test and birds/test"),
        ({"split": "val"}, "pets/test and pets/val"),
        ({"classes": ("cat", "owl", "dog")}, "another order"),
        ({"images_sha256": "3" * 64}, "other pixels, another order, or resized"),
        ({"labels": np.array([0, 1, 1], np.uint16)}, "labels differ"),
    ],
)
def test_predictions_of_other_images_are_refused(changes: dict[str, object], what: str) -> None:
    reference = answers([0, 1, 2], [0, 1, 2])
    with pytest.raises(UsageError, match=what):
        compare_predictions(reference, replace(reference, **changes))


def test_splits_of_other_sizes_and_other_numbers_of_classes_are_refused() -> None:
    reference = answers([0, 1, 2], [0, 1, 2])
    with pytest.raises(UsageError, match="3 and 2 images"):
        compare_predictions(reference, answers([0, 1], [0, 1]))
    with pytest.raises(UsageError, match=r"different classes: 3 and 2\nMeasure both with `among=data`"):
        compare_predictions(reference, answers([0, 1, 1], [0, 1, 1], ("cat", "dog")))


@pytest.mark.parametrize(
    ("only_reference", "only_candidate", "p"),
    [
        (1, 7, 18 / 256),  # Bentur et al. 2009, as in Fagerland, Lydersen & Laake 2013, table 1
        (7, 1, 18 / 256),
        (0, 5, 2 / 32),
        (4, 4, 1.0),
        (0, 0, 1.0),
    ],
)
def test_the_p_value_is_mcnemars_exact_one(only_reference: int, only_candidate: int, p: float) -> None:
    assert paired(21, only_reference, only_candidate).p_value == pytest.approx(p, rel=1e-12)


def score(difference: float, lost: int, gained: int, n: int) -> float:
    """Tango's score statistic, with the share of gains found by maximising the likelihood under `difference`."""

    def minus_log_likelihood(gains: float) -> float:
        return -(
            lost * log(gains + difference) + gained * log(gains) + (n - lost - gained) * log(1 - gains - losses(gains))
        )

    def losses(gains: float) -> float:
        return gains + difference

    bounds = (max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12)
    gains = minimize_scalar(minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return (lost - gained - n * difference) / sqrt(n * (gains + losses(gains) - difference**2))


@pytest.mark.parametrize(("lost", "gained", "n"), [(1, 7, 21), (40, 20, 160), (9, 3, 359), (60, 25, 10_000)])
def test_the_limits_are_the_differences_that_the_score_test_just_refuses(lost: int, gained: int, n: int) -> None:
    low, high = difference_interval(lost, gained, n)
    assert score(low, lost, gained, n) == pytest.approx(1.96, abs=1e-3)
    assert score(high, lost, gained, n) == pytest.approx(-1.96, abs=1e-3)


def test_the_interval_is_symmetric_and_stays_within_what_is_possible() -> None:
    low, high = difference_interval(30, 12, 359)
    assert difference_interval(12, 30, 359) == pytest.approx((-high, -low))
    assert difference_interval(5, 0, 5).high == difference_interval(1, 0, 1).high == 1
    assert difference_interval(0, 5, 5).low == -1


def test_equal_predictions_do_not_prove_that_nothing_is_lost() -> None:
    """No difference in n images: the limits are those of 0 of n (Wilson's, by the same score test)."""
    low, high = paired(359, 0, 0).drop_interval
    assert high == pytest.approx(proportion_interval(0, 359).high)
    assert low == -high


@pytest.mark.parametrize("n", [359, 10_000])
@pytest.mark.parametrize("discordant", [0.001, 0.005, 0.01, 0.03])
@pytest.mark.parametrize("lost_share", [0.5, 0.9, 1.0])
def test_the_interval_holds_the_true_drop_as_often_as_it_says(n: int, discordant: float, lost_share: float) -> None:
    """By enumeration of all outcomes, not by simulation. A gate errs when the true drop lies above the interval."""
    truth = discordant * (2 * lost_share - 1)
    seen = covered = above = 0.0
    for pairs in range(int(binom.ppf(1e-5, n, discordant)), int(binom.isf(1e-5, n, discordant)) + 1):
        lost = np.arange(binom.ppf(1e-5, pairs, lost_share), binom.isf(1e-5, pairs, lost_share) + 1)
        chances = binom.pmf(pairs, n, discordant) * binom.pmf(lost, pairs, lost_share)
        for some, chance in zip(lost.tolist(), chances.tolist(), strict=True):
            low, high = difference_interval(some, pairs - some, n)
            seen += chance
            covered += chance * (low <= truth <= high)
            above += chance * (truth > high)
    assert seen > 0.9999
    assert covered >= 0.943
    assert above <= 0.0265
    if discordant * n >= 30:
        assert covered <= 0.96


@pytest.mark.parametrize(
    ("only_reference", "only_candidate", "outcome"),
    [(20, 8, "pass"), (8, 20, "pass"), (100, 8, "fail"), (80, 42, "undecided")],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(only_reference: int, only_candidate: int, outcome: str) -> None:
    verdict = drop_verdict(paired(10_000, only_reference, only_candidate), 0.005)
    assert verdict.outcome == outcome
    assert (verdict.images_needed is None) == (outcome != "undecided")


def test_an_interval_that_ends_at_the_limit_passes_and_one_that_begins_there_does_not_fail() -> None:
    some = paired(10_000, 80, 42)
    low, high = some.drop_interval
    assert drop_verdict(some, high).outcome == "pass"
    assert drop_verdict(some, low).outcome == "undecided"


@pytest.mark.parametrize(
    ("n", "only_reference", "only_candidate", "max_drop"),
    [(10_000, 80, 42, 0.005), (10_000, 70, 19, 0.005), (359, 1, 0, 0.005), (359, 0, 0, 0.005), (359, 3, 3, 0.01)],
)
def test_as_many_images_as_it_says_do_at_the_same_rates_and_fewer_do_not(
    n: int, only_reference: int, only_candidate: int, max_drop: float
) -> None:
    verdict = drop_verdict(paired(n, only_reference, only_candidate), max_drop)
    assert verdict.images_needed is not None

    def decides(images: int) -> bool:
        low, high = difference_interval(only_reference / n * images, only_candidate / n * images, images)
        return high <= max_drop or low > max_drop

    assert decides(verdict.images_needed)
    assert not decides(verdict.images_needed - 1)
    # the normal approximation, for the order of magnitude
    lost, gained = only_reference / n, only_candidate / n
    plain = 1.96**2 * (lost + gained - (lost - gained) ** 2) / (lost - gained - max_drop) ** 2
    assert plain * 0.9 < verdict.images_needed < plain * 1.1 + 5 * 1.96**2 / max_drop


@pytest.mark.parametrize("max_drop", [0.005, 0.0])
def test_a_drop_of_just_what_is_allowed_is_decided_by_no_number_of_images(max_drop: float) -> None:
    verdict = drop_verdict(paired(10_000, 10 + round(max_drop * 10_000), 10), max_drop)
    assert (verdict.outcome, verdict.images_needed) == ("undecided", None)
    assert str(verdict).endswith("; no data set would do")


def test_a_verdict_is_one_line_for_people() -> None:
    assert str(drop_verdict(paired(10_000, 20, 8), 0.005)) == (
        "pass: 0.12 points lost (95 %: 0.02 to 0.24), at most 0.5 allowed, n = 10000"
    )
    assert str(drop_verdict(paired(10_000, 80, 42), 0.005)) == (
        "not enough images to tell: 0.38 points lost (95 %: 0.17 to 0.61), at most 0.5 allowed, n = 10000; "
        "about 34,000 would do"
    )
    assert str(drop_verdict(paired(10_000, 8, 20), 0.00125)).startswith(
        "pass: -0.12 points lost (95 %: -0.24 to -0.02), at most 0.125"
    )


def test_each_class_says_what_it_is_mistaken_for() -> None:
    p = answers([0, 0, 0, 0, 1, 1], [0, 2, 1, 2, 1, 1])
    assert confusion(p).tolist() == [[1, 1, 2], [0, 2, 0], [0, 0, 0]]
    cat, dog = per_class(p)  # there is no owl
    assert (cat.name, cat.n, cat.correct, cat.taken_for, cat.times_taken) == ("cat", 4, 1, "owl", 2)
    assert cat.accuracy == 0.25
    assert cat.interval == proportion_interval(1, 4)
    assert (dog.name, dog.accuracy, dog.taken_for, dog.times_taken) == ("dog", 1.0, None, 0)


def test_two_real_networks_on_the_same_real_images(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = []
    for ref in ("resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"):
        artifact = export(zoo.load(ref), "onnx", out=tmp_path_factory.mktemp("accuracy") / ref)
        with runtimes()["onnxruntime"].load(artifact, device="cpu", threads=1, variant="") as session:
            found.append(evaluate(session, artifact, "digits", "test", 100, lambda done, total: None))
    reference, candidate = found
    pair = compare_predictions(reference, candidate)
    assert pair.drop == pytest.approx((reference.correct - candidate.correct) / 359)
    assert 1 - (pair.only_reference + pair.only_candidate) / 359 >= pair.agreement > 0.9
    assert pair.drop_interval.low < pair.drop < pair.drop_interval.high
    for p in found:
        assert sum(row.correct for row in per_class(p)) == np.trace(confusion(p)) == p.correct
