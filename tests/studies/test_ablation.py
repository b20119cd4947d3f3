"""Every order has a network of its own, and what the study finds on digits."""

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.models import spec_of
from reszoo.studies import StudyResult
from reszoo.studies.ablation import ORDERS, arch_of
from reszoo.studies.engine.records import Scale, Settings


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_its_networks_have_names(scale: Scale) -> None:
    settings = Settings(scale=scale, data="digits", seeds=1)
    specs = {repr(spec_of(arch_of(order, settings))) for order in ORDERS}
    assert len(specs) == len(ORDERS)


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("ablation") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["order"]): case for finding in result.findings for case in finding.cases
    }
    assert cases["no-activation-trains-worse", "norm-conv"].mean < -3
