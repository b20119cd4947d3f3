"""Our closed forms against SciPy's, over all that measurements ask of them."""

import numpy as np
import pytest
import scipy.fft
import scipy.stats

from reszoo.core.cosines import cosines
from reszoo.core.distributions import binomial_tail, fair_coin_p, heads_quantile, student_t, student_t_p

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 31, 64, 127, 128, 256, 999, 10_000)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999, 0.9999])
@pytest.mark.parametrize("freedom", SIZES)
def test_students_t(freedom: int, confidence: float) -> None:
    expected = scipy.stats.t.ppf((1 + confidence) / 2, freedom)
    assert student_t(confidence, freedom) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("probability", [0.0005, 0.005, 0.025, 0.05, 0.25, 0.45])
def test_quantiles_of_a_fair_coin(probability: float) -> None:
    sizes = [*range(1, 200), 255, 256, 999, 1_000, 12_345, 200_000]
    expected = [int(scipy.stats.binom.ppf(probability, n, 0.5)) for n in sizes]
    assert [heads_quantile(probability, n) for n in sizes] == expected


def test_a_fair_coins_p_value() -> None:
    cases = [(heads, n) for n in (1, 2, 7, 30) for heads in range(n + 1)] + [(480, 1_000), (5_100, 10_000), (0, 3_000)]
    for heads, n in cases:
        expected = scipy.stats.binomtest(heads, n).pvalue
        assert fair_coin_p(heads, n) == pytest.approx(expected, rel=1e-9), (heads, n)
    assert fair_coin_p(0, 0) == 1


@pytest.mark.parametrize("n", SIZES)
def test_cosines(n: int) -> None:
    values = np.random.default_rng(n).normal(3, 1, n)
    np.testing.assert_allclose(cosines(values), scipy.fft.dct(values, norm="ortho"), rtol=0, atol=1e-11 * n)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 99])
@pytest.mark.parametrize("t", [0.0, 0.3, -1.0, 2.5, 12.0])
def test_the_probability_of_students_t(t: float, freedom: int) -> None:
    assert student_t_p(t, freedom) == pytest.approx(2 * scipy.stats.t.sf(abs(t), freedom), rel=1e-6, abs=1e-14)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("trials", [1, 3, 5, 10, 40])
def test_the_tail_of_a_binomial_distribution(trials: int, share: float) -> None:
    for successes in range(trials + 1):
        expected = scipy.stats.binom.sf(successes - 1, trials, share)
        assert binomial_tail(successes, trials, share) == pytest.approx(expected, rel=1e-9, abs=1e-300)
