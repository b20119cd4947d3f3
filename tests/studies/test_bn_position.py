"""Every place has a network of its own, and what the study finds on digits."""

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.models import spec_of
from reszoo.studies import StudyResult
from reszoo.studies.bn_position import PLACES, arch_of
from reszoo.studies.engine.records import Scale, Settings


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_its_networks_have_names(scale: Scale) -> None:
    settings = Settings(scale=scale, data="digits", seeds=1)
    specs = {repr(spec_of(arch_of(place, settings))) for place in PLACES}
    assert len(specs) == len(PLACES)


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("bn-position") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["norms"]): case for finding in result.findings for case in finding.cases
    }
    assert abs(cases["before-is-better", "before"].mean) < 20
    assert cases["skipinit-replaces-them", "skipinit"].mean < -30  # in forty steps a scalar hardly leaves its 0
