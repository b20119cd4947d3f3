"""Gradients that are no numbers have not vanished, and what the study finds on digits."""

import math

import pytest
from smoke import Smoke, mean_of

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult
from reszoo.studies.degradation import with_gradients
from reszoo.studies.engine.trials import Trial


def trial(*probed: tuple[float, ...]) -> Trial:
    epochs = len(probed) - 1
    curve = (50.0,) * epochs
    return Trial(50.0, curve, curve, curve, curve, diverged=False, images=1, probed=probed)


HEALTHY = (1.0, 1.0, 1.0)
NAN = (math.nan,) * 3


def test_the_factor_is_of_the_epochs_ends() -> None:
    measured = with_gradients(trial(NAN, HEALTHY, (4.0, 2.0, 1.0)))
    assert measured.series["factors"] == pytest.approx((1.0, math.sqrt(2)))
    assert measured.values["factor"] == pytest.approx((1 + math.sqrt(2)) / 2)
    assert measured.series["norms"] == (4.0, 2.0, 1.0)


def test_gradients_that_became_infinite_have_exploded() -> None:
    measured = with_gradients(trial(HEALTHY, (math.nan, math.inf, 1.0)))
    assert measured.values["factor"] > 1e6
    assert all(map(math.isfinite, measured.series["norms"]))


def test_gradients_of_exactly_0_have_vanished() -> None:
    assert with_gradients(trial(HEALTHY, (0.0, 0.0, 1.0))).values["factor"] == 0


def test_a_loss_that_is_no_number_says_nothing_of_gradients() -> None:
    measured = with_gradients(trial(HEALTHY, NAN))
    assert "factor" not in measured.values
    assert {"factors", "norms"}.isdisjoint(measured.series)
    partly = with_gradients(trial(HEALTHY, NAN, HEALTHY))
    assert partly.values["factor"] == 1
    assert "factors" not in partly.series


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("degradation") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["depth"]): case for finding in result.findings for case in finding.cases
    }
    assert mean_of(cases["skips-help", 14]) > 10
    low = cases["nine-tenths", 14].low
    assert low is not None
    assert low > 0.98
