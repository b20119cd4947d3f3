"""What the study finds on digits."""

import pytest
from smoke import Smoke, mean_of

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("ablation") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["order"]): case for finding in result.findings for case in finding.cases
    }
    assert mean_of(cases["no-activation-trains-worse", "norm-conv"]) < -3
