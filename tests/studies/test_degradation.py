"""What the study finds on digits: skips help at a depth at which gradients do not vanish."""

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("degradation") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["depth"]): case for finding in result.findings for case in finding.cases
    }
    assert cases["skips-help", 14].mean > 10
    low = cases["nine-tenths", 14].low
    assert low is not None
    assert low > 0.98
