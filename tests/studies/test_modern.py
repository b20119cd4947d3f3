"""Every architecture has a name, and what the study finds on digits."""

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.models import spec_of
from reszoo.studies import StudyResult
from reszoo.studies.engine.records import Scale, Settings
from reszoo.studies.modern import ARCHS


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_its_networks_have_names(scale: Scale) -> None:
    settings = Settings(scale=scale, data="digits", seeds=1)
    specs = {repr(spec_of(arch)) for arch in ARCHS[settings.scale].values()}
    assert len(specs) == len(ARCHS[scale]) - 1  # stochastic depth is of the recipe


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("modern") / "result.json", StudyResult, "")
    (poor,) = next(finding for finding in result.findings if finding.claim.key == "recipe-matters").cases
    assert poor.mean < -20
