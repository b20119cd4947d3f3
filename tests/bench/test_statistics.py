import numpy as np
import pytest

from reszoo.bench.statistics import median, median_interval, quantile


@pytest.mark.parametrize("n", [1, 2, 5, 100])
@pytest.mark.parametrize("q", [0, 0.5, 0.9, 1])
def test_quantiles_are_numpys(n: int, q: float) -> None:
    samples = np.random.default_rng(n).lognormal(size=n)
    assert quantile(samples, q) == pytest.approx(np.quantile(samples, q))


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    """1,000 samples of 200 skewed latencies each; 95 % is promised."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        low, high = median_interval(rng.lognormal(size=200).tolist())
        hits += low <= 1 <= high
    assert 930 <= hits <= 980


def test_few_samples_give_a_wide_interval_not_an_error() -> None:
    assert median_interval([1.0]) == (1.0, 1.0)
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_the_ranks_of_the_interval_are_conovers() -> None:
    """For n = 20 the 6th and the 15th; the same distance from both ends."""
    assert median_interval([float(i) for i in range(1, 21)]) == (6.0, 15.0)
    assert median([3.0, 1.0, 2.0]) == 2.0
