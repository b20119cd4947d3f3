"""What the study finds on digits: too little to tell v1 from v2, and enough to see that a training was too short."""

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("preactivation") / "result.json", StudyResult, "")
    means = {finding.claim.key: finding.cases[0].mean for finding in result.findings}
    assert abs(means["better"]) < 5
    assert means["better"] == means["equivalent"]
    assert result.verdicts["equivalent"] == "cannot tell"
    short = next(checked for checked in result.controls if checked.control.key == "short").cases[0]
    assert short.mean < -50
