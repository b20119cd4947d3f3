"""What the study finds on digits."""

import pytest
from smoke import Smoke, mean_of

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("bn-position") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["norms"]): case for finding in result.findings for case in finding.cases
    }
    assert mean_of(cases["skipinit-replaces-them", "skipinit"]) < -30  # in forty steps a scalar hardly leaves its 0
