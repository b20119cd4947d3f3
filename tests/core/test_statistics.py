import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from reszoo.core.statistics import exact_interval, proportion_interval


@st.composite
def proportions(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 100_000))
    return draw(st.integers(0, n)), n


@given(proportions())
def test_the_interval_is_wilsons_as_scipy_has_it(proportion: tuple[int, int]) -> None:
    correct, n = proportion
    expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    low, high = proportion_interval(correct, n)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=2e-5)
    assert 0 <= low <= correct / n <= high <= 1
    assert proportion_interval(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (3, 2), (-1, 2), (0, -1)])
def test_what_is_no_proportion_is_an_error_not_a_number(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{correct} of {n} is no proportion"):
        proportion_interval(correct, n)


@pytest.mark.parametrize("n", [1, 3, 5, 10, 30])
def test_the_exact_interval_is_that_of_clopper_and_pearson(n: int) -> None:
    for successes in range(n + 1):
        expected = binomtest(successes, n).proportion_ci(0.95, method="exact")
        assert exact_interval(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
