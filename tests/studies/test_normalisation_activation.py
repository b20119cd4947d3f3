"""Every norm and activation has a network of its own, and what the study finds on digits."""

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.models import spec_of
from reszoo.studies import StudyResult
from reszoo.studies.engine.records import Scale, Settings
from reszoo.studies.normalisation_activation import ACTIVATIONS, NORMS, arch_of, conditions


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_its_networks_have_names(scale: Scale) -> None:
    settings = Settings(scale=scale, data="digits", seeds=1)
    specs = {repr(spec_of(arch_of(condition, settings))) for condition in conditions(settings)}
    assert len(specs) == 1 + len(NORMS) + len(ACTIVATIONS)


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("normalisation-activation") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, *case.condition.values()): case for finding in result.findings for case in finding.cases
    }
    assert abs(cases["activations-are-equal", "batch", "leaky_relu", "usual"].mean) < 10
