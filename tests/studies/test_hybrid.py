"""What the study finds on digits."""

import pytest
from smoke import Smoke, mean_of

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("hybrid") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["stages"]): case for finding in result.findings for case in finding.cases
    }
    assert all(abs(mean_of(case)) < 20 for case in cases.values())
