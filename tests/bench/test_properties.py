"""What holds of every interval and every test, whatever the numbers: against scipy, numpy and exact enumeration."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reszoo.bench.accuracy import Paired, Z, difference_interval, drop_verdict
from reszoo.core.estimates import (
    log_ratio,
    mean_interval,
    median_interval,
    quantile,
    ratio_of_rounds,
    throughput,
)
from reszoo.core.measured import Window

seconds = st.floats(1e-7, 1e3)
values = st.floats(-1e6, 1e6)


@st.composite
def pairs(draw: st.DrawFn, most: int = 20_000) -> Paired:
    """Two networks on as few as one image; they differ on none, on some or on all."""
    n = draw(st.integers(1, most))
    lost = draw(st.integers(0, n))
    gained = draw(st.integers(0, n - lost))
    return Paired(n, lost, gained, same_answer=draw(st.integers(0, n - lost - gained)))


# Two networks on the same images


@given(pairs())
def test_the_drop_lies_in_its_interval_and_that_within_what_is_possible(paired: Paired) -> None:
    low, high = paired.drop_interval
    assert -1 <= low <= paired.drop <= high <= 1
    assert low < high


@given(pairs())
def test_the_interval_is_mirrored_when_the_networks_change_places(paired: Paired) -> None:
    low, high = paired.drop_interval
    assert difference_interval(paired.only_candidate, paired.only_reference, paired.n) == pytest.approx(
        (-high, -low), abs=1e-9
    )


@given(pairs())
def test_an_image_that_is_lost_too_moves_neither_end_down(paired: Paired) -> None:
    """One that both got wrong; or, where there is none, one that only the candidate got right."""
    lost, gained, n = paired.only_reference, paired.only_candidate, paired.n
    if lost + gained < n:
        more = difference_interval(lost + 1, gained, n)
    elif gained:
        more = difference_interval(lost + 1, gained - 1, n)
    else:
        return
    assert all(after >= before - 1e-9 for before, after in zip(paired.drop_interval, more, strict=True))


@given(pairs(most=1000), st.integers(2, 50))
def test_more_images_at_the_same_rates_tell_more(paired: Paired, times: int) -> None:
    few = paired.drop_interval
    many = difference_interval(times * paired.only_reference, times * paired.only_candidate, times * paired.n)
    assert many.high - many.low < few.high - few.low


@given(pairs(most=300))
def test_the_ends_are_where_the_score_of_the_likeliest_shares_is_as_large_as_is_allowed(paired: Paired) -> None:
    """The likelihood is maximised on a grid, and not by Tango's root of a quadratic equation."""
    lost, gained, n = paired.only_reference, paired.only_candidate, paired.n
    for end in paired.drop_interval:
        if abs(end) > 1 - 1e-6:
            continue
        shares = np.linspace(max(0.0, -end), (1 - end) / 2, 20_001)[1:-1]  # of gains
        with np.errstate(divide="ignore"):
            terms = ((lost, shares + end), (gained, shares), (n - lost - gained, 1 - end - 2 * shares))
            likelihood = sum(count * np.log(share) for count, share in terms if count)
        gains = shares[np.argmax(likelihood)]
        score = (lost - gained - n * end) / math.sqrt(n * (2 * gains + end - end**2))
        assert abs(score) == pytest.approx(Z, rel=0.02)


@given(pairs(most=500))
def test_mcnemars_test_is_the_sum_of_all_outcomes_that_are_no_likelier(paired: Paired) -> None:
    coins = paired.only_reference + paired.only_candidate
    chances = [math.comb(coins, heads) for heads in range(coins + 1)]
    exact = Fraction(sum(c for c in chances if c <= chances[paired.only_reference]), 2**coins)
    assert paired.p_value == pytest.approx(float(exact), rel=1e-9)


@given(pairs(), st.integers(0, 999_999))
def test_a_verdict_agrees_with_its_interval_and_asks_for_no_absurd_number(paired: Paired, millionths: int) -> None:
    verdict = drop_verdict(paired, millionths / 1e6)
    low, high = paired.drop_interval
    assert (verdict.outcome == "pass") == (high <= verdict.max_drop)
    assert (verdict.outcome == "fail") == (low > verdict.max_drop)
    assert verdict.images_needed is None or paired.n < verdict.images_needed <= 4e9


@given(st.integers(1, 20_000), st.data())
def test_a_drop_of_just_what_is_allowed_is_within_it_however_the_limit_was_computed(
    n: int, data: st.DataObject
) -> None:
    """As n-ths, or as the difference of two accuracies: floats that are not the same."""
    lost = data.draw(st.integers(0, n))
    right = data.draw(st.integers(lost, n))
    paired = Paired(n, lost, 0, n - lost)
    for limit in (lost / n, right / n - (right - lost) / n, 1 - (n - lost) / n):
        assert paired.loses_at_most(limit)
        assert drop_verdict(paired, limit).images_needed is None
    if lost:
        assert not paired.loses_at_most((lost - 1) / n)


@pytest.mark.parametrize(("lost", "gained", "n"), [(0, 0, 0), (2, 0, 1), (-1, 0, 5), (3, 3, 5), (0, 0, -1)])
def test_pairs_that_cannot_be_are_an_error_not_a_number(lost: int, gained: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"of {n} pairs {lost} and {gained} cannot differ"):
        difference_interval(lost, gained, n)


# Samples and rounds


@given(st.lists(seconds, min_size=1), st.floats(0, 1))
def test_quantiles_are_numpys(samples: list[float], q: float) -> None:
    assert quantile(samples, q) == pytest.approx(np.quantile(samples, q), rel=1e-9)
    assert min(samples) <= quantile(samples, q) * (1 + 1e-12)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_there_is_no_quantile_beyond_all_samples(q: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile([1.0, 2.0], q)


@given(st.lists(seconds, min_size=1, max_size=200), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_medians_interval_is_of_two_samples_of_equal_rank_from_either_end(
    samples: list[float], confidence: float
) -> None:
    low, high = median_interval(samples, confidence)
    ordered = sorted(samples)
    assert low <= np.median(ordered) <= high
    assert any((low, high) == (ordered[i], ordered[-1 - i]) for i in range((len(ordered) + 1) // 2))
    below = stats.binom.cdf(np.searchsorted(ordered, low, "right") - 1, len(ordered), 0.5)
    if len(ordered) >= 8 and len(set(ordered)) == len(ordered) and low != ordered[0]:
        assert 2 * below <= 1 - confidence + stats.binom.pmf(np.searchsorted(ordered, low), len(ordered), 0.5) * 2


@given(st.lists(values, min_size=2, max_size=60), st.sampled_from([0.5, 0.95, 0.99]))
def test_the_interval_of_a_mean_is_scipys(known: list[float], confidence: float) -> None:
    mean, (low, high) = mean_interval(known, confidence)
    assert mean == pytest.approx(np.mean(known))
    assert low <= mean <= high
    half = stats.t.ppf((1 + confidence) / 2, len(known) - 1) * stats.sem(known)
    assert high - mean == pytest.approx(half, rel=1e-6, abs=1e-9)
    assert mean - low == pytest.approx(half, rel=1e-6, abs=1e-9)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=30))
def test_a_ratio_turned_round_is_its_inverse(logs: list[float]) -> None:
    value, (low, high) = ratio_of_rounds(logs)
    inverse, (lowest, highest) = ratio_of_rounds([-log for log in logs])
    assert low <= value <= high
    assert value * inverse == pytest.approx(1)
    if math.isfinite(high):
        assert (lowest * high, highest * low) == (pytest.approx(1), pytest.approx(1))


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=40))
def test_the_location_lies_among_the_pairs_and_is_that_of_all_walsh_averages(found: list[tuple[float, float]]) -> None:
    logs = [math.log(b / a) for a, b in found]
    averages = [(logs[i] + logs[j]) / 2 for i in range(len(logs)) for j in range(i, len(logs))]
    location = log_ratio([([a], [b]) for a, b in found])
    assert location == pytest.approx(np.median(averages), abs=1e-9)
    assert min(logs) - 1e-9 <= location <= max(logs) + 1e-9


@given(
    st.lists(st.builds(Window, runs=st.integers(1, 10_000), seconds=st.floats(1e-3, 10)), min_size=1),
    st.integers(1, 64),
)
def test_throughput_lies_in_its_interval_and_none_is_negative(windows: list[Window], batch: int) -> None:
    rate, (low, high) = throughput(windows, batch)
    assert 0 <= low <= rate <= high
    assert rate == pytest.approx(batch * sum(w.runs for w in windows) / sum(w.seconds for w in windows))
