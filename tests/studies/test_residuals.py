"""What is seen of a block against its own formula, and what the study finds on digits."""

import pytest
import scipy.stats
import torch
from families import FAMILIES, images, randomised
from smoke import Smoke, mean_of
from torch.nn import functional as F

from reszoo.core.documents import read_json
from reszoo.models.probes import blocks_of
from reszoo.studies import StudyResult
from reszoo.studies.engine.networks import Batch
from reszoo.studies.residuals import Residual, descent, hump, kurtosis, residuals, zeros

LABELS = torch.tensor([0, 1, 2])


@pytest.mark.parametrize("name", ["v1, option A", "v2, option A", "v1, projections", "v2, bottlenecks", "v2, no norms"])
def test_branch_and_shortcut_are_what_the_block_adds(name: str) -> None:
    spec = FAMILIES[name]
    model, x = randomised(spec), images(spec)
    before = model(x)
    found = dict(zip(blocks_of(model), residuals(model, Batch(x, LABELS)), strict=True))
    assert torch.equal(model(x), before)
    with torch.no_grad():
        for block, residual in found.items():
            x = model.stem(images(spec)) if block == "stages.0.0" else x
            y = model.get_submodule(block)(x)
            total = residual.branch + residual.shortcut
            assert torch.allclose(y, total.relu() if spec.family == "v1" else total)
            if residual.formula is None:
                assert y.shape != x.shape
            else:
                assert torch.allclose(residual.formula, y - x)
            x = y


def test_the_gradient_is_that_of_the_sum() -> None:
    """A small step of the last block's sum along it changes the loss as much as it says."""
    spec = FAMILIES["v2, option A"]
    model, x = randomised(spec), images(spec)
    last = residuals(model, Batch(x, LABELS))[-1]

    def loss(total: torch.Tensor) -> float:
        logits = model.head(model.flatten(model.pool(model.final(total))))
        return float(F.cross_entropy(logits, LABELS, reduction="sum").detach())

    total, step = last.branch + last.shortcut, 1e-6
    expected = step * float(last.gradient.square().sum())
    assert loss(total + step * last.gradient) - loss(total) == pytest.approx(expected, rel=1e-3)


def test_the_figures_of_known_values() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0)).double() ** 3
    assert kurtosis(values) == pytest.approx(scipy.stats.kurtosis(values.numpy(), fisher=False))
    assert kurtosis(torch.ones(5)) == 0
    assert zeros(torch.tensor([0.0, -0.0, 1e-30, 1.0])) == 0.5
    assert hump([1, 1, 5, 5, 1, 1]) == pytest.approx(4)
    assert hump([3.0, 1.0, 3.0]) == pytest.approx(-2)
    assert hump([1.0, 2.0]) == 0


def test_the_direction_of_descent() -> None:
    gradient = torch.rand(4, 3, 2, 2)
    assert descent(Residual(-2 * gradient, gradient, gradient)) == pytest.approx(1)
    assert descent(Residual(gradient, gradient, gradient)) == pytest.approx(-1)


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("residuals") / "result.json", StudyResult, "")
    assert result.verdicts["sparse"] == "refuted"
    assert result.verdicts["output-less-input-is-the-residual"] == "conditional"
    (v1, v2) = next(f for f in result.findings if f.claim.key == "output-less-input-is-the-residual").cases
    assert mean_of(v1) > 0.1
    assert v2.mean == 0
