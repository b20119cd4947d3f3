"""Lesions do what they say, and what the study finds on digits."""

import pytest
import torch
from families import FAMILIES, images, randomised
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.models.probes import blocks_of
from reszoo.studies import StudyResult
from reszoo.studies.identity import _blind, _equal_blocks, _permuted, _times, _without


@pytest.mark.parametrize("family", ["v1", "v2", "plain"])
def test_a_deleted_block_gives_what_it_gets(family: str) -> None:
    model = randomised(FAMILIES[f"{family}, option A"])
    block = blocks_of(model)["stages.0.0"]
    x = torch.rand(2, 8, 8, 8, dtype=torch.float64)
    with _without(block):
        assert torch.equal(block(x), x)
    assert not torch.equal(block(x), x)


def test_a_permuted_branch_has_the_same_energy_elsewhere() -> None:
    block = blocks_of(randomised(FAMILIES["v2, option A"]))["stages.0.0"]
    x = torch.rand(2, 8, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        before = block(x) - x
        with _permuted(torch.Generator().manual_seed(0), block):
            after = block(x) - x
        with _times(0.5, block):
            half = block(x) - x
    assert not torch.allclose(before, after)
    assert torch.allclose(before.flatten(2).norm(dim=2).sort().values, after.flatten(2).norm(dim=2).sort().values)
    assert torch.allclose(half, before / 2)


def test_a_blind_network_gives_every_image_the_same_answer() -> None:
    spec = FAMILIES["v1, option A"]
    model = randomised(spec)
    with torch.no_grad(), _blind(model):
        logits = model(images(spec))
    assert torch.allclose(logits[0], logits[1])


@pytest.mark.parametrize("family", ["v1", "v2", "plain"])
def test_the_blocks_that_could_be_identities_and_what_they_take(family: str) -> None:
    spec = FAMILIES[f"{family}, option A"]
    found = _equal_blocks(randomised(spec))
    assert {name: shape for name, (_, shape) in found.items()} == {
        "stages.0.0": (8, 8, 8),
        "stages.0.1": (8, 8, 8),
        "stages.1.1": (16, 4, 4),
    }


def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    verdicts = read_json(smoke("identity") / "result.json", StudyResult, "").verdicts
    assert verdicts["v2-without-branch"] == "supported"
    assert verdicts["v1-without-branch"] == "refuted"
    assert verdicts["v1-inside-a-network"] == "supported"
    assert verdicts["random-distance-means-something"] == "refuted"
    assert verdicts["published-deleting-costs-little"] == "refuted"
