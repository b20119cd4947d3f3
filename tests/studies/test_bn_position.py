"""What the study finds on digits."""

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("bn-position") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["norms"]): case for finding in result.findings for case in finding.cases
    }
    assert abs(cases["before-is-better", "before"].mean) < 20
    assert cases["skipinit-replaces-them", "skipinit"].mean < -30  # in forty steps a scalar hardly leaves its 0
