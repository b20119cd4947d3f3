"""Pruning the bundled networks: channels, blocks, both, and what is refused."""

from pathlib import Path

import msgspec
import pytest
import torch

from reszoo import datasets, zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import ChannelPlan, Checkpoint, ModelSpec
from reszoo.models.channels import channel_groups, layout
from reszoo.models.cost import cost_of
from reszoo.prune import PruneConfig, UnreachableError, apply_plan, plan_for, prune
from reszoo.prune.pruning import step
from reszoo.prune.scoring import Scorer
from reszoo.prune.sensitivity import sensitivity
from reszoo.training.evaluate import count_correct

FEW = {"images": 64}


def macs(spec: ModelSpec) -> float:
    return cost_of(spec).macs


def correct(checkpoint: Checkpoint, split: str = "val") -> int:
    return count_correct(
        zoo.build(checkpoint), datasets.load("digits", split), checkpoint.preprocess, torch.device("cpu")
    )


def test_a_pruned_checkpoint_is_a_checkpoint_one_step_longer(digits: Checkpoint, tmp_path: Path) -> None:
    limit = 0.6 * macs(digits.spec)
    pruned = prune(digits, PruneConfig(steps=2), macs, limit, tmp_path / "p", "resnet8.pruned", what="macs")
    assert zoo.read(tmp_path / "p") == pruned
    assert 0.5 * macs(digits.spec) < macs(pruned.spec) <= limit
    assert pruned.metrics == ()
    assert pruned.provenance[:-1] == digits.provenance
    done = pruned.provenance[-1]
    assert (done.name, done.input_sha256) == ("prune", digits.sha256)
    assert done.config["importance"] == "taylor"
    assert done.config["macs"] == f"at most {limit:g}"
    assert "torch-pruning" in done.versions
    assert msgspec.json.decode(done.config["plan"], type=ChannelPlan) == pruned.spec.plan


def test_a_folder_that_is_not_free_is_refused_before_the_work(digits: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    def cost(spec: ModelSpec) -> float:
        raise AssertionError("the work was begun")

    with pytest.raises(UsageError, match="is there already"):
        prune(digits, PruneConfig(), cost, 1.0, tmp_path, "resnet8.pruned")
    with pytest.raises(UsageError, match="is there already"):
        apply_plan(
            digits, ChannelPlan(), str(tmp_path), "resnet8.pruned", step(digits, PruneConfig(), ChannelPlan(), {})
        )
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["notes.txt"]


def test_importance_beats_chance(digits_v1: Checkpoint, tmp_path: Path) -> None:
    limit = 0.7 * macs(digits_v1.spec)
    found = {
        method: correct(prune(digits_v1, PruneConfig(importance=method, **FEW), macs, limit, tmp_path / method, method))
        for method in ("taylor", "random")
    }
    assert found["taylor"] > found["random"]


def test_blocks_and_channels_can_both_be_removed(digits: Checkpoint, tmp_path: Path) -> None:
    by_blocks = PruneConfig(remove="blocks", **FEW)
    shorter = prune(digits, by_blocks, macs, 0.8 * macs(digits.spec), tmp_path / "blocks", "shorter")
    assert [block.name for block in layout(shorter.spec).blocks] == ["stages.1.0", "stages.2.0"]
    assert not {"ranking", "round_to", "min_share"} & shorter.provenance[-1].config.keys()  # options of channels
    thinner = prune(shorter, PruneConfig(), macs, 0.5 * macs(shorter.spec), tmp_path / "both", "both")
    assert [block.name for block in layout(thinner.spec).blocks] == ["stages.1.0", "stages.2.0"]
    assert [one.name for one in thinner.provenance[-2:]] == ["prune", "prune"]
    assert zoo.build(thinner)(torch.zeros(1, *thinner.spec.input)).shape == (1, 10)


def test_pruning_again_starts_from_the_pruned_network(digits_v1: Checkpoint, tmp_path: Path) -> None:
    first = prune(digits_v1, PruneConfig(), macs, 0.7 * macs(digits_v1.spec), tmp_path / "1", "first")
    second = prune(first, PruneConfig(round_to=4), macs, 0.3 * macs(digits_v1.spec), tmp_path / "2", "second")
    for before, after in zip(channel_groups(first.spec), channel_groups(second.spec), strict=True):
        assert set(after.kept) <= set(before.kept)
    unpruned = zoo.build(digits_v1).state_dict()["stages.0.0.convs.0.weight"]
    kept = {group.name: list(group.kept) for group in channel_groups(second.spec)}
    expected = unpruned[kept["stages.0.0.convs.0"]][:, kept["stages.0"]]
    assert torch.equal(zoo.build(second).state_dict()["stages.0.0.convs.0.weight"], expected)


def test_how_much_importance_a_plan_keeps(digits_v1: Checkpoint, tmp_path: Path) -> None:
    """Of a network that is pruned already: the mean over channel groups of the share that stays."""
    config = PruneConfig(importance="l2")
    first = prune(digits_v1, config, macs, 0.7 * macs(digits_v1.spec), tmp_path / "1", "first")
    scorer, before = Scorer(first, config), channel_groups(first.spec)
    assert first.spec.plan
    assert scorer.importance_kept(first.spec.plan) == 1
    last = before[-1]
    channels = {**first.spec.plan.channels, last.name: last.kept[2:]}
    values = scorer.channels(first.spec)[last.name]
    assert scorer.importance_kept(ChannelPlan(channels=channels)) == pytest.approx(
        (len(before) - 1 + values[2:].sum() / values.sum()) / len(before)
    )


@pytest.mark.parametrize("limit", [0, -0.5, 1, 1.5])
def test_a_target_that_asks_for_nothing_or_everything_is_refused(limit: float, digits_v1: Checkpoint) -> None:
    with pytest.raises(UsageError, match="is no target for pruning"):
        plan_for(digits_v1, PruneConfig(), macs, limit * macs(digits_v1.spec))


def test_targets_out_of_reach_name_the_nearest_and_leave_nothing(digits_v1: Checkpoint, tmp_path: Path) -> None:
    limit = 0.01 * macs(digits_v1.spec)
    for remove in ("channels", "blocks"):
        config = PruneConfig(remove=remove, min_share=0.5, **FEW)
        with pytest.raises(UnreachableError, match=r"cannot be reached: the nearest is 0\.\d+") as at_once:
            prune(digits_v1, config, macs, limit, tmp_path / "out", "out")
        with pytest.raises(
            ReszooError, match=r"a cost of 0\.01 of the network's cannot be reached: the nearest is 0\."
        ) as on_the_way:
            plan_for(digits_v1, msgspec.structs.replace(config, steps=3), macs, limit)
        assert share_of(on_the_way) == pytest.approx(share_of(at_once), abs=0.01)  # of the network that was given
    assert not (tmp_path / "out").exists()


def share_of(caught: pytest.ExceptionInfo[ReszooError]) -> float:
    return float(caught.value.problem.rpartition(" ")[2])


def test_a_plan_that_keeps_what_is_gone_is_refused(digits_v1: Checkpoint, tmp_path: Path) -> None:
    def made_by(plan: ChannelPlan) -> Checkpoint:
        return apply_plan(smaller, plan, tmp_path / "again", "again", step(smaller, PruneConfig(), plan, {}))

    plan = ChannelPlan(channels={"stages.2": tuple(range(8))}, blocks={"stages.0": ()})
    smaller = apply_plan(digits_v1, plan, tmp_path / "one", "one", step(digits_v1, PruneConfig(), plan, {}))
    with pytest.raises(UsageError, match=r"keeps channel 8 of stages.2, which the network no longer has"):
        made_by(ChannelPlan(channels={"stages.2": (1, 8)}, blocks={"stages.0": ()}))
    with pytest.raises(UsageError, match=r"keeps stages.0.0.convs.0, which the network no longer has"):
        made_by(ChannelPlan(channels={"stages.2": (1,)}))
    assert not (tmp_path / "again").exists()


def test_sensitivity_is_measured_one_channel_group_at_a_time(digits_v1: Checkpoint) -> None:
    config = PruneConfig(exclude=("stages.1*", "stages.2*"))
    rows = list(sensitivity(digits_v1, config, (0, 0.25, 0.9)))
    assert [(row.group, row.kept) for row in rows] == [
        (group, kept) for group in ("stages.0", "stages.0.0.convs.0") for kept in (16, 12, 2)
    ]
    assert {row.accuracy.correct for row in rows if row.ratio == 0} == {correct(digits_v1)}
    assert all(row.accuracy.split == "val" for row in rows)
    assert rows[0].accuracy.correct > rows[2].accuracy.correct
    with pytest.raises(UsageError, match="every channel group is excluded"):
        next(sensitivity(digits_v1, PruneConfig(exclude=("*",)), (0.5,)))
    with pytest.raises(UsageError, match=r"a share of 1\.0 of a channel group's channels cannot be dropped"):
        next(sensitivity(digits_v1, config, (1.0,)))
