"""The probes of the study against known answers, and what it finds on digits."""

import math

import pytest
import torch
from smoke import Smoke
from torch import nn

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult
from reszoo.studies.engine.gradients import factor_per_layer
from reszoo.studies.gradient_flow import correlation, gradients, neighbours, sum_margin


def test_the_factor_of_a_known_decay() -> None:
    norms = [0.9 ** (2 * (10 - block)) for block in range(10)]
    assert factor_per_layer(norms, layers=2) == pytest.approx(0.9)
    assert factor_per_layer([1.0, 0.0, 1.0], layers=2) == pytest.approx(1.0)
    assert factor_per_layer([0.0, 1.0], layers=2) == 0


def test_the_correlation_of_gradients() -> None:
    x = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    assert correlation(x, 3 * x) == pytest.approx(1.0)
    assert correlation(x, -x) == pytest.approx(-1.0)
    assert correlation(x, 0 * x) == 0
    linear = nn.Linear(16, 4)
    assert correlation(gradients(linear, x), gradients(linear, neighbours(x))) == pytest.approx(1.0)


def test_the_textbooks_test_depends_on_the_unit_of_the_loss() -> None:
    model, x = nn.Linear(4, 1, bias=False), torch.ones(1, 4)
    with torch.no_grad():
        model.weight.fill_(0.5)
    assert sum_margin(model, x) == pytest.approx(3)  # the norm is 1
    assert sum_margin(model, x, unit=1e-4) == pytest.approx(-1)


def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    """The measured factors that docs/studies.md speaks of, within what seeds change."""
    result = read_json(smoke("gradient-flow") / "result.json", StudyResult, "")
    cases = {
        (finding.claim.key, *case.condition.values()): case for finding in result.findings for case in finding.cases
    }
    assert cases["plain-vanishes", "plain", "batch", "he", 20].mean == pytest.approx(1.18, abs=0.05)
    assert cases["plain-vanishes-without-norms", "plain", "none", "default", 20].mean == pytest.approx(0.36, abs=0.05)
    assert result.verdicts["nine-tenths"] == "refuted"
    assert result.verdicts["healthy-sees-explosions"] == "refuted"
    assert result.verdicts["healthy-in-any-unit"] == "refuted"
    assert all(math.isfinite(case.p) for case in cases.values())
