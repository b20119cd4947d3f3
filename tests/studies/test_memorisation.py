"""What fits labels that mean nothing, and what the study finds on digits."""

import pytest
import torch
from smoke import Smoke, mean_of
from torch import nn

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult
from reszoo.studies.engine.networks import Batch
from reszoo.studies.memorisation import accuracy, fit, random_labels

BATCH = Batch(torch.randn(50, 20, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 10)


def test_random_labels_have_nothing_to_do_with_the_true_ones() -> None:
    labels = torch.arange(5000) % 10
    found = random_labels(labels, 10, seed=1)
    assert found.shape == labels.shape
    assert float((found == labels).float().mean()) == pytest.approx(0.1, abs=0.02)
    assert torch.equal(found, random_labels(torch.zeros(5000), 10, seed=1))


def test_fitting_raises_the_accuracy_on_these_images_and_a_rate_of_0_changes_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Linear(20, 10)
    before = accuracy(model, BATCH)
    assert fit(model, BATCH, 3, 0.0, seed=0) == pytest.approx([before] * 3)
    curve = fit(model, BATCH, 60, 0.05, seed=0)
    assert accuracy(model, BATCH) > before + 30
    assert curve[-1] > curve[0]


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("memorisation") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, case.condition["family"]): case for finding in result.findings for case in finding.cases
    }
    for family in ("v1", "v2"):
        assert mean_of(cases["random-labels-are-fitted", family]) > 60
        assert mean_of(cases["fitting-shows-learning", family]) < 20
