"""What the study finds on digits: that fewer steps are worse."""

import pytest
from smoke import Smoke, mean_of

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("preactivation") / "result.json", StudyResult, "")
    coarse = next(checked for checked in result.controls if checked.control.key == "coarse-accuracy").cases[0]
    assert mean_of(coarse) < -5
