import pytest
from scipy.stats import binomtest

from reszoo.core.statistics import proportion_interval


@pytest.mark.parametrize(("correct", "n"), [(9173, 10000), (0, 10), (10, 10), (1, 2), (353, 359)])
def test_the_interval_is_wilsons_as_scipy_has_it(correct: int, n: int) -> None:
    expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert proportion_interval(correct, n) == pytest.approx((expected.low, expected.high), abs=2e-5)
