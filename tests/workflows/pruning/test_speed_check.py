"""The speed check: a pruned network is timed against its parent, and refused if it is not faster."""

from pathlib import Path

import pytest
from speed_checks import comparison_of

from reszoo import zoo
from reszoo.bench.comparison import Effort
from reszoo.core.estimates import Ratio
from reszoo.core.measured import Accuracy, Comparison
from reszoo.core.statistics import Interval
from reszoo.models.cost import cost_of
from reszoo.prune import PruneConfig, prune
from reszoo.prune.sensitivity import Row
from reszoo.workflows.pruning.sensitivity_plot import sensitivity_plot
from reszoo.workflows.pruning.speed_check import SpeedCheck, check_speed, scenario_for

SCENARIO = scenario_for("torch", threads=1, batch=64)
BRIEF = Effort(precision=1.0, limit_s=0.1, round_s=0.1, least_rounds=2)


@pytest.mark.parametrize(
    ("low", "high", "target", "reason"),
    [
        (0.45, 0.50, 0.5, None),
        (0.49, 0.53, 0.5, None),  # it may meet the target
        (0.51, 0.53, 0.5, "it misses 0.5 of its parent's latency on torch, cpu, 1 threads, batch 64: 0.520 (0.510"),
        (0.44, 0.64, 0.5, "it misses 0.5"),  # it may, but most likely it does not
        (0.80, 0.90, 1.0, None),
        (0.97, 1.01, 1.0, "it is not faster than its parent on torch, cpu, 1 threads, batch 64: no difference > 3.0 %"),
        (1.10, 1.30, 1.0, "1.20 times slower"),
        (0.90, 1.10, 0.5, "no difference > 10.0 %"),
    ],
)
def test_what_is_refused(low: float, high: float, target: float, reason: str | None) -> None:
    found = SpeedCheck(SCENARIO, Ratio((low + high) / 2 + 1e-9, Interval(low, high)), target).refusal
    assert found is None if reason is None else reason in (found or "")


def test_an_undecided_target_is_a_warning() -> None:
    open_, close, decided = (
        SpeedCheck.of(comparison_of(0.5, SCENARIO, spread=spread), 0.5).warnings for spread in (1.05, 1.001, 1.0)
    )
    assert [(warning.kind, "holds 0.5: whether that is met is not decided" in warning.detail) for warning in open_] == [
        ("imprecise", True)
    ]
    assert close == decided == ()


@pytest.mark.alone
def test_a_network_is_timed_against_its_parent(tmp_path: Path, cache: Path) -> None:
    parent, macs = zoo.load("resnet8_v1.reszoo_digits"), lambda spec: cost_of(spec).macs
    pruned = prune(parent, PruneConfig(round_to=8), macs, 0.3 * macs(parent.spec), tmp_path / "pruned", "pruned.test")
    outcome = check_speed(pruned, parent, scenario_for("onnxruntime", threads=1, batch=64), BRIEF)
    assert isinstance(outcome, Comparison)
    assert [s.weights_sha256 for s in outcome.subjects] == [parent.sha256, parent.sha256, pruned.sha256]
    assert SpeedCheck.of(outcome).ratio.value < 0.9
    (kept,) = (cache / "artifacts").iterdir()
    assert kept.name.startswith(parent.ref)  # the other might have been refused


@pytest.mark.alone
def test_int8_is_timed_against_int8(tmp_path: Path, cache: Path) -> None:
    parent, macs = zoo.load("resnet8_v1.reszoo_digits"), lambda spec: cost_of(spec).macs
    pruned = prune(parent, PruneConfig(), macs, 0.3 * macs(parent.spec), tmp_path / "pruned", "pruned.test")
    scenario = scenario_for("onnxruntime", 1, 64, "int8")
    outcome = check_speed(pruned, parent, scenario, BRIEF, precision="int8")
    assert isinstance(outcome, Comparison)
    assert [s.precision for s in outcome.subjects] == ["int8"] * 3
    assert [s.weights_sha256 for s in outcome.subjects] == [parent.sha256, parent.sha256, pruned.sha256]
    assert SpeedCheck.of(outcome).place == "onnxruntime, cpu, 1 threads, batch 64, int8"


def test_the_same_rows_give_the_same_picture() -> None:
    rows = [
        Row(
            group=group,
            channels=16,
            kept=16 - dropped,
            ratio=dropped / 16,
            accuracy=Accuracy(dataset="digits", split="val", n=100, correct=100 - dropped),
        )
        for group in ("stages.0", "stages.0.0.convs.0", "stages.1")
        for dropped in (4, 8)
    ]
    first, second = (sensitivity_plot("resnet8.$x$", 1.0, rows, "svg") for _ in range(2))
    assert first == second
    assert sensitivity_plot("resnet8.test", 1.0, rows, "png").startswith(b"\x89PNG")
