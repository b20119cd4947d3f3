"""What the study finds on digits."""

import pytest
from smoke import Smoke, mean_of

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("normalisation-activation") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, *case.condition.values()): case for finding in result.findings for case in finding.cases
    }
    assert abs(mean_of(cases["activations-are-equal", "batch", "leaky_relu", "usual"])) < 10
