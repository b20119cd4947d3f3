"""What the study finds on digits."""

import pytest
from smoke import Smoke, mean_of

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("modern") / "result.json", StudyResult, "")
    (poor,) = next(finding for finding in result.findings if finding.claim.key == "recipe-matters").cases
    assert mean_of(poor) < -20
