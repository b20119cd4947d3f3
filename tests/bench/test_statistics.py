import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reszoo.bench.drift import drifted, is_steady, trend
from reszoo.bench.validation.coverage import coverage, fixed_length, until_precise
from reszoo.bench.validation.streams import STREAMS
from reszoo.core.estimates import (
    carries,
    is_precise,
    log_ratio,
    mean_interval,
    median,
    median_interval,
    quantile,
    ratio_of_rounds,
    relative_half_width,
    throughput,
)
from reszoo.core.measured import Window
from reszoo.core.statistics import Interval


@pytest.mark.parametrize("n", [1, 2, 5, 100])
@pytest.mark.parametrize("q", [0, 0.5, 0.9, 1])
def test_quantiles_are_numpys(n: int, q: float) -> None:
    samples = np.random.default_rng(n).lognormal(size=n)
    assert quantile(samples, q) == pytest.approx(np.quantile(samples, q))


@pytest.mark.parametrize(("q", "needed"), [(0.5, 20), (0.9, 100), (0.99, 1000), (0.999, 10_000), (0.01, 1000)])
def test_a_quantile_needs_ten_samples_beyond_it(q: float, needed: int) -> None:
    assert carries(needed, q)
    assert not carries(needed - 1, q)


# The interval of the median


@pytest.mark.parametrize("name", STREAMS)
def test_95_of_100_intervals_hold_the_true_median(name: str) -> None:
    """93 to 97 % is the goal; 1,000 trials of a share of 95 % give 936 to 964 with the same confidence."""
    assert 930 <= coverage(STREAMS[name], fixed_length, trials=1000, seed=1).covered <= 970


@pytest.mark.parametrize("name", STREAMS)
def test_an_interval_that_ended_the_sampling_holds_it_as_often(name: str) -> None:
    """The goal again; 100 trials of a share of 93 % give less than 86 in 1 of 100 cases."""
    assert coverage(STREAMS[name], until_precise, trials=100, seed=1).covered >= 86


def test_an_interval_for_independent_samples_would_not() -> None:
    """The ranks of Conover, on correlated latencies: so the tests above can fail."""
    stream, n = STREAMS["autocorrelated"], 2000
    rng, rank, hits = np.random.default_rng(1), math.ceil(n / 2 - 0.98 * math.sqrt(n)), 0
    for _ in range(200):
        ordered = np.sort(stream.draw(rng, n))
        hits += ordered[rank - 1] <= stream.median_s <= ordered[n - rank]
    assert hits < 140


@pytest.mark.parametrize("name", STREAMS)
def test_the_streams_have_the_median_that_they_say(name: str) -> None:
    """400,000 samples, the slowest with a time constant of 60: the share below it is 0.5 within 5 standard errors."""
    stream = STREAMS[name]
    below = np.mean(stream.draw(np.random.default_rng(0), 400_000) < stream.median_s)
    assert below == pytest.approx(0.5, abs=0.035)


def test_the_interval_is_never_narrower_than_for_independent_samples() -> None:
    """Not even where every slow run is followed by a fast one, so that the count below the median hardly varies."""
    rng = np.random.default_rng(0)
    samples = 1.0 + rng.random(1000) * np.tile([1, -1], 500)
    rank = stats.binom.ppf(0.025, 1000, 0.5)
    below, above = (int(np.sum(samples <= end)) for end in median_interval(samples))
    assert (below, above) == (rank, 1001 - rank)


@pytest.mark.parametrize("n", range(1, 9))
def test_few_samples_give_all_that_they_know_and_no_error(n: int) -> None:
    samples = np.random.default_rng(n).random(n).tolist()
    assert median_interval(samples) == (min(samples), max(samples))


def test_a_coarse_clock_does_no_harm() -> None:
    """Most samples are ties with the median, or all of them."""
    ties = np.random.default_rng(0).choice([1.0, 2.0, 3.0], size=500, p=[0.1, 0.8, 0.1])
    assert median_interval(ties) == (2.0, 2.0)
    assert median_interval([2.0] * 500) == (2.0, 2.0)
    assert relative_half_width([2.0] * 500) == 0.0


def test_more_confidence_is_a_wider_interval() -> None:
    samples = np.random.default_rng(0).lognormal(size=500)
    (low, high), (lower, higher) = median_interval(samples), median_interval(samples, confidence=0.99)
    assert lower < low < high < higher
    assert relative_half_width(samples) == pytest.approx((high - low) / 2 / np.median(samples))


def test_sampling_is_not_over_before_the_fluctuations_are_known() -> None:
    """An interval that is narrow enough does not do, of few samples or of a wandering that has hardly turned yet."""
    quiet = 1 + 1e-4 * np.random.default_rng(0).random(1000)
    assert is_precise(quiet, 0.01)
    assert not is_precise(quiet[:9], 0.01)
    wandering = 1 + 3e-3 * np.sin(np.linspace(0, 12, 1000))
    assert relative_half_width(wandering) < 0.01
    assert not is_precise(wandering, 0.01)
    assert not is_precise([1.0], 0.01)


def test_one_lucky_look_does_not_end_the_sampling() -> None:
    """Of the first four fifths the median was not known well enough; the same samples in another order are fine."""
    rng = np.random.default_rng(2)
    samples = np.concatenate([rng.lognormal(0, 0.5, 1600), rng.lognormal(0, 0.001, 400)])
    assert relative_half_width(samples) < 0.01
    assert not is_precise(samples, 0.01)
    assert is_precise(rng.permutation(samples), 0.01)


def test_nothing_measured_is_an_error_not_a_number() -> None:
    for statistic in (median, median_interval, relative_half_width, mean_interval, log_ratio):
        with pytest.raises(ValueError, match="no "):
            statistic([])
    with pytest.raises(ValueError, match="no windows"):
        throughput([], batch=1)


# Drift


def share(decision: Callable[[np.ndarray], bool], draw: Callable[[np.random.Generator], np.ndarray]) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([decision(draw(rng)) for _ in range(400)]))


@pytest.mark.parametrize(("noise", "n"), [(0.01, 120), (0.05, 3000)])
def test_a_constant_latency_is_steady(noise: float, n: int) -> None:
    """At least 95 % are; 91 % of 400 trials is 3 standard errors less."""
    assert share(is_steady, lambda rng: rng.lognormal(0, noise, n)) >= 0.91


def test_a_trend_too_small_to_matter_is_steady() -> None:
    assert share(is_steady, lambda rng: np.linspace(1, 1.001, 2000) + 0.001 * rng.random(2000)) == 1


def test_what_cannot_be_known_yet_is_not_steady() -> None:
    assert not is_steady([1.0] * 14)
    assert is_steady([1.0] * 15)
    assert share(is_steady, lambda rng: rng.lognormal(0, 0.2, 50)) <= 0.05


def test_warm_up_is_over_when_its_curve_is_flat() -> None:
    """20 % slower at first, gone with a time constant of 300 runs; looked at every 200."""
    runs = np.arange(10_000)
    for seed in range(50):
        noise = np.random.default_rng(seed).lognormal(0, 0.02, len(runs))
        latency = (1 + 0.2 * np.exp(-runs / 300)) * noise
        end = next(n for n in range(200, len(runs), 200) if is_steady(latency[:n]))
        assert 0.2 * math.exp(-end / 300) < 0.02
        assert end <= 3000


def test_a_trend_while_sampling_is_found() -> None:
    """Up or down by 5 %, under noise of 10 %."""
    for end in (0.95, 1.05):
        assert share(drifted, lambda rng, end=end: np.linspace(1, end, 5000) * rng.lognormal(0, 0.1, 5000)) > 0.9


def test_no_trend_is_made_up() -> None:
    """1 % of a constant latency at most, 2 % of one that wanders; 3 standard errors more are allowed."""
    assert share(drifted, lambda rng: rng.lognormal(0, 0.3, 500)) <= 0.025
    assert share(drifted, lambda rng: STREAMS["drifting"].draw(rng, 2000)) <= 0.041
    assert not drifted(np.linspace(1, 1.015, 2000))  # certain, but too small
    assert not drifted([1.0] * 7)


def test_the_size_of_a_trend_is_what_it_is() -> None:
    low, high = trend(np.linspace(0.95, 1.05, 999), 0.95)
    assert (low + high) / 2 == pytest.approx(0.1, rel=0.02)


# Throughput, and ratios over rounds


def test_throughput_is_all_images_in_all_the_time() -> None:
    windows = [Window(runs=runs, seconds=seconds) for runs, seconds in [(10, 1.0), (22, 2.0), (9, 1.0), (30, 3.0)]]
    rate, (low, high) = throughput(windows, batch=8)
    assert rate == pytest.approx(8 * 71 / 7)
    assert low < rate < high


def test_throughput_of_equal_windows_is_students_t() -> None:
    counts = [100, 104, 97, 101, 99]
    _, interval = throughput([Window(runs=n, seconds=0.5) for n in counts], batch=1)
    rates = np.array(counts) / 0.5
    assert interval == pytest.approx(stats.t.interval(0.95, 4, rates.mean(), stats.sem(rates)))


def test_one_window_says_nothing_of_the_throughputs_spread() -> None:
    assert throughput([Window(runs=50, seconds=0.5)], batch=4) == (400.0, Interval(0.0, math.inf))


def test_the_mean_of_rounds_is_scipys() -> None:
    values = np.random.default_rng(0).normal(size=7)
    expected = stats.t.interval(0.99, 6, values.mean(), stats.sem(values))
    mean, interval = mean_interval(values, 0.99)
    assert (mean, interval) == (pytest.approx(values.mean()), pytest.approx(expected))
    ratio, interval = ratio_of_rounds(values)
    assert (ratio, interval) == (pytest.approx(np.exp(values.mean())), pytest.approx(np.exp(expected)))


def test_one_round_says_nothing_of_the_ratios_spread() -> None:
    assert ratio_of_rounds([0.0]) == (1.0, Interval(0.0, math.inf))


def test_the_ratio_is_that_of_the_medians_and_bears_spoiled_pairs() -> None:
    rng = np.random.default_rng(0)
    pairs = [(rng.lognormal(0, 0.01, 21), 1.1 * rng.lognormal(0, 0.01, 21)) for _ in range(100)]
    for spoiled in range(0, 100, 5):  # 20 of 100
        pairs[spoiled] = (pairs[spoiled][0], 5 * pairs[spoiled][1])
    assert math.exp(log_ratio(pairs)) == pytest.approx(1.1, rel=0.005)


def test_the_location_is_hodges_and_lehmanns() -> None:
    """The Walsh averages of 0, 1 and 5 are 0, 0.5, 1, 2.5, 3 and 5."""
    assert log_ratio([([1.0], [math.exp(log)]) for log in (0, 1, 5)]) == pytest.approx(1.75)


def test_many_pairs_take_no_more_memory() -> None:
    logs = np.random.default_rng(0).normal(0.5, 0.1, 20_000)  # 200 million Walsh averages
    assert log_ratio([([1.0], [ratio]) for ratio in np.exp(logs)]) == pytest.approx(0.5, abs=0.005)


def test_the_script_writes_what_it_found(tmp_path: Path) -> None:
    out = tmp_path / "coverage.json"
    module = [sys.executable, "-m", "reszoo.bench.validation.coverage"]
    subprocess.run([*module, "--trials", "2", "--out", str(out)], check=True, capture_output=True)
    streams = json.loads(out.read_text())["streams"]
    assert streams.keys() == STREAMS.keys()
    assert all(0 <= found["fixed"]["covered"] <= found["fixed"]["trials"] == 2 for found in streams.values())
