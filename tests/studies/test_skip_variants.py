"""Every way to join has a network of its own, and what the study finds on digits."""

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.models import spec_of
from reszoo.studies import StudyResult
from reszoo.studies.engine.records import Scale, Settings
from reszoo.studies.skip_variants import OTHERS, arch_of


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_its_networks_have_names(scale: Scale) -> None:
    settings = Settings(scale=scale, data="digits", seeds=1)
    specs = {repr(spec_of(arch_of(skip, settings))) for skip in ("identity", *OTHERS)}
    assert len(specs) == 9


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("skip-variants") / "result.json", StudyResult, "")
    cases = {(finding.claim.key, case.condition["skip"]): case for finding in result.findings for case in finding.cases}
    assert cases["all-can-be-trained", "skipinit"].mean > 30
