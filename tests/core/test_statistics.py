import pytest

from reszoo.core.statistics import proportion_interval


# R's prop.test(x, n, correct = FALSE)
@pytest.mark.parametrize(
    ("correct", "n", "low", "high"), [(9173, 10000, 0.91174, 0.92254), (0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0)]
)
def test_the_interval_is_wilsons(correct: int, n: int, low: float, high: float) -> None:
    assert proportion_interval(correct, n) == pytest.approx((low, high), abs=2e-5)
