"""The memory and the steps of known networks, and what the study finds on digits."""

import math

import pytest
import torch
from smoke import Smoke
from torch import nn

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult
from reszoo.studies.depth import INFINITE, kept_mb, steps
from reszoo.studies.engine.networks import Batch

BATCH = Batch(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3]))


def test_what_is_kept_is_counted_once_and_without_parameters() -> None:
    one = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False))
    assert kept_mb(one, BATCH) == pytest.approx(8 * 8 * 4 / 1e6)  # the image
    two = nn.Sequential(*one, nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, bias=False))
    assert kept_mb(two, BATCH) == pytest.approx(17 * 8 * 8 * 4 / 1e6)  # what the ReLU gives serves both


def test_steps_change_the_loss_and_one_that_is_no_number_is_a_large_one() -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    assert steps(network(), BATCH, 3, 0.01)[0] < -0.1
    assert steps(network(), BATCH, 3, 0.0)[0] == 0
    endless = BATCH._replace(images=BATCH.images * math.inf)
    assert steps(network(), endless, 3, 0.01)[0] == INFINITE


@pytest.mark.long
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    result = read_json(smoke("depth") / "result.json", StudyResult, "")
    assert result.verdicts["any-depth-learns"] == "supported"
    assert result.verdicts["bottlenecks-need-less-memory"] == "supported"
    assert result.verdicts["bottlenecks-need-less-arithmetic"] == "supported"
    assert result.verdicts["bottlenecks-need-less-memory-than-narrow-blocks"] == "refuted"
