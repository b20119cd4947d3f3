"""The statistics of batch norms, computed anew for what is left."""

from pathlib import Path

import msgspec
import pytest
import torch
from families import BASE, FAMILIES, randomised

from reszoo import zoo
from reszoo.core.errors import UsageError
from reszoo.core.types import ChannelPlan, Checkpoint, ModelSpec
from reszoo.models.cost import cost_of
from reszoo.models.pruning import with_plan
from reszoo.prune import PruneConfig, plan_for, prune
from reszoo.prune.applying import network, sliced, state_of
from reszoo.prune.calibration import batches
from reszoo.prune.depth import mean_loss
from reszoo.prune.pruning import check_options, step
from reszoo.prune.scoring import Scorer, is_renewed, needs_images
from reszoo.prune.statistics import has_batch_norms, renew, use_those_of_batches


def macs(spec: ModelSpec) -> float:
    return cost_of(spec).macs


def test_they_are_the_mean_of_the_batches_own() -> None:
    model = randomised(BASE).float().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shared = network(model.state_dict(), BASE)
    data = [(torch.randn(8, *BASE.input), torch.zeros(8, dtype=torch.int64)) for _ in range(3)]
    renew(shared, data)
    assert not shared.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())  # the parent's
    norm = shared.get_submodule("stem.norm")
    outputs = [shared.get_submodule("stem.conv")(images) for images, _ in data]
    means = torch.stack([output.mean((0, 2, 3)) for output in outputs]).mean(0)
    variances = torch.stack([output.var((0, 2, 3)) for output in outputs]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    changed = {name.rpartition(".")[2] for name, value in shared.state_dict().items() if not value.equal(before[name])}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}


def test_scores_see_what_renewed_statistics_would_give() -> None:
    """Of one batch, the same to the variance's n and n - 1."""
    model = randomised(BASE).float().eval()
    data = [(torch.randn(64, *BASE.input), torch.arange(64) % 10)]
    ours, theirs = (network(model.state_dict(), BASE) for _ in range(2))
    use_those_of_batches(ours)
    renew(theirs, data)
    assert mean_loss(ours, data) == pytest.approx(mean_loss(theirs, data), rel=0.01)
    assert mean_loss(ours, data) != pytest.approx(mean_loss(model, data), rel=0.01)


@pytest.mark.parametrize("remove", ["channels", "blocks", "mixed"])
def test_by_default_what_is_left_has_its_own(remove: str, digits_v1: Checkpoint, tmp_path: Path) -> None:
    """Which lowers the loss on images that were not among those that they were computed from."""
    limit, unseen = 0.75 * macs(digits_v1.spec), batches(digits_v1, PruneConfig(seed=1, images=300))
    losses = {}
    for statistics in (None, "kept"):
        config = PruneConfig(remove=remove, images=128, statistics=statistics)
        made = prune(digits_v1, config, macs, limit, tmp_path / f"{statistics}", f"{statistics}")
        losses[made.provenance[-1].config["statistics"]] = mean_loss(zoo.build(made), unseen)
    assert losses.keys() == {"renewed", "kept"}
    assert losses["renewed"] < losses["kept"]


def test_without_images_they_are_kept_unless_asked_for(digits_v1: Checkpoint) -> None:
    spec = digits_v1.spec
    for config, renewed, images in (
        (PruneConfig(), True, True),
        (PruneConfig(statistics="kept"), False, True),
        (PruneConfig(importance="l2"), False, False),
        (PruneConfig(importance="l2", statistics="renewed"), True, True),
        (PruneConfig(remove="blocks", importance="random"), False, False),
        (PruneConfig(remove="mixed", importance="l2"), True, True),
    ):
        assert (is_renewed(spec, config), needs_images(config)) == (renewed, images)
        assert bool(Scorer(digits_v1, config).renewing) == renewed


def test_they_need_more_than_one_image_and_batches_alike(digits_v1: Checkpoint) -> None:
    with pytest.raises(UsageError, match=r"`images=1`: one image gives .*\nGive more images, or `statistics=kept`"):
        check_options(digits_v1.spec, PruneConfig(images=1))
    check_options(digits_v1.spec, PruneConfig(images=1, statistics="kept"))
    assert [len(labels) for _, labels in batches(digits_v1, PruneConfig(images=65))] == [33, 32]


def test_they_are_of_the_weights_that_are_left(digits_v1: Checkpoint, tmp_path: Path) -> None:
    config = PruneConfig(images=64)
    plan = plan_for(digits_v1, config, macs, 0.6 * macs(digits_v1.spec))
    made = prune(digits_v1, config, macs, 0.6 * macs(digits_v1.spec), tmp_path / "made", "made")
    spec = with_plan(digits_v1.spec, plan)
    by_hand = network(sliced(state_of(digits_v1), digits_v1.spec, spec), spec)
    renew(by_hand, batches(digits_v1, config))
    written = zoo.build(made).state_dict()
    assert made.spec == spec
    for name, value in by_hand.state_dict().items():
        torch.testing.assert_close(written[name], value)


@pytest.mark.parametrize("name", ["v1, group norms", "v2, no norms"])
@pytest.mark.parametrize("statistics", ["renewed", "kept"])
def test_what_has_no_batch_norms_has_no_such_option(name: str, statistics: str, digits_v1: Checkpoint) -> None:
    spec, config = FAMILIES[name], PruneConfig(importance="l2")
    assert not has_batch_norms(spec)
    check_options(spec, config)
    with pytest.raises(UsageError, match=rf"`statistics={statistics}`: this network has no batch norms"):
        check_options(spec, msgspec.structs.replace(config, statistics=statistics))
    done = step(msgspec.structs.replace(digits_v1, spec=spec), config, ChannelPlan(), {})
    assert "statistics" not in done.config
