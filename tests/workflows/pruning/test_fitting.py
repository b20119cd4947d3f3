"""Fitting a network to a share of the latency: speed checks decide, and the network that is written has passed one."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from speed_checks import comparison_of, table_of

from reszoo import zoo
from reszoo.bench.comparison import Effort
from reszoo.core.errors import ReszooError
from reszoo.core.measured import Comparison, Failure, Scenario
from reszoo.core.types import Checkpoint, Precision
from reszoo.models.cost import cost_of
from reszoo.models.latency import Part
from reszoo.prune import PruneConfig, UnreachableError, scoring
from reszoo.workflows.pruning import fitting
from reszoo.workflows.pruning.fitting import cost_name, prune_to_latency
from reszoo.workflows.pruning.speed_check import SpeedCheck, scenario_for

SCENARIO = scenario_for("torch", threads=1, batch=16)
CONFIG = PruneConfig(importance="l2")


class SpeedChecks:
    """Gives these ratios (or failures) one after the other, and remembers the networks that were checked."""

    def __init__(self, answers: tuple[float | Failure, ...]) -> None:
        self.answers = list(answers)
        self.checked: list[Checkpoint] = []
        self.gates: set[float | None] = set()

    def __call__(
        self,
        pruned: Checkpoint,
        parent: Checkpoint,
        scenario: Scenario,
        effort: Effort,
        on_round: Callable[[Comparison], None],
        *,
        precision: Precision,
    ) -> Comparison | Failure:
        assert zoo.read(pruned.weights_path.parent) == pruned
        self.checked.append(pruned)
        self.gates.add(effort.gate)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, Failure) else comparison_of(answer, scenario, pruned.sha256)


Seconds = Callable[[Part, int], float]
Fit = Callable[..., tuple[SpeedChecks, Checkpoint, Comparison | Failure]]


@pytest.fixture
def fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fit:
    digits, number = zoo.load("resnet8_v1.reszoo_digits"), count()

    def run(
        *answers: float | Failure,
        config: PruneConfig = CONFIG,
        target: float = 0.5,
        auto: bool = False,
        seconds: Seconds = lambda part, inner: 1e-9 * part.macs,
        parent: Checkpoint = digits,
    ) -> object:
        checks = SpeedChecks(answers)
        monkeypatch.setattr(fitting, "check_speed", checks)
        table = table_of(parent.spec, SCENARIO, seconds)
        out = tmp_path / f"out{next(number)}"
        written, outcome = prune_to_latency(parent, config, table, target, out, "fitted", auto=auto)
        assert not checks.answers
        assert zoo.read(out) == written
        return checks, written, outcome

    return run  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("ratios", "chosen"),
    [
        ((0.49,), 0),
        ((0.6, 0.49, 0.495), 1),  # too slow, then good, and once more
        ((0.3, 0.49, 0.48), 1),  # faster than it has to be
        ((0.46, 0.56, 0.6, 0.47), 0),  # the first was the best
    ],
)
def test_the_network_that_is_written_is_the_best_that_was_checked(
    ratios: tuple[float, ...], chosen: int, fit: Fit
) -> None:
    checks, written, outcome = fit(*ratios)
    assert isinstance(outcome, Comparison)
    assert (
        written.sha256
        == checks.checked[chosen].sha256
        == checks.checked[-1].sha256
        == outcome.subjects[-1].weights_sha256
    )
    assert SpeedCheck.of(outcome).ratio.value == pytest.approx(ratios[-1])
    assert written.provenance[-1].config[cost_name(SCENARIO)] == (
        f"at most 0.5 of the parent's, measured {SpeedCheck.of(outcome).ratio}"
    )
    assert checks.gates == {0.5}
    sizes = [cost_of(network.spec).macs for network in checks.checked]
    assert (sizes[1] < sizes[0]) == (ratios[0] > 0.5) if len(ratios) > 1 else True


def test_a_target_that_all_have_missed_is_out_of_reach(fit: Fit) -> None:
    with pytest.raises(UnreachableError, match=r"a cost of 0\.5 of .*: the nearest is 0\.52\nLower `round_to`"):
        fit(0.6, 0.55, 0.52)
    with pytest.raises(UnreachableError, match=r"the nearest is 0\.49\n"):  # a little less is the same plan
        fit(0.49, config=PruneConfig(importance="l2", round_to=8), target=0.48)  # is not checked again


def test_what_the_table_cannot_give_ends_the_search(fit: Fit, tmp_path: Path) -> None:
    config = PruneConfig(importance="l2", min_share=0.5)
    _, _, outcome = fit(1.1, config=config, target=0.5)
    assert isinstance(outcome, Comparison)
    assert SpeedCheck.of(outcome).ratio.value == pytest.approx(1.1)
    with pytest.raises(UnreachableError, match=r"a cost of 0\.4 of .* cannot be reached: the nearest is 0\.8\n"):
        fit(0.8, config=config, target=0.4)  # the table has none that is smaller
    with pytest.raises(UnreachableError, match=r"a cost of 0\.05 of the network's cannot be reached"):
        fit(config=config, target=0.05)


def test_other_errors_are_not_taken_for_that(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = iter([fitting.plan_with])

    def plan_with(*arguments: object) -> object:
        for first in plans:
            return first(*arguments)  # type: ignore[arg-type]
        raise ReszooError("the data set is damaged")

    monkeypatch.setattr(fitting, "plan_with", plan_with)
    with pytest.raises(ReszooError, match="the data set is damaged"):
        fit(0.9)


def test_a_speed_check_that_fails_is_returned(fit: Fit) -> None:
    failure = Failure(what="resnet8", reason="the worker was killed")
    checks, written, outcome = fit(0.9, failure)
    assert outcome == failure
    assert written.sha256 == checks.checked[-1].sha256


def test_a_network_is_scored_once_for_all_attempts(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[object] = []
    importances = scoring.importances

    def counting(*arguments: object) -> object:
        scored.append(arguments)
        return importances(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "importances", counting)
    fit(0.6, 0.55, 0.49, 0.49)
    assert len(scored) == 1


def in_steps_of(kernel: int) -> Seconds:
    """A kernel that works on so many inner channels at a time takes as long for a part of them."""
    return lambda part, inner: 1e-9 * part.macs * (-(-inner // kernel) * kernel / inner if inner else 1)


@pytest.mark.parametrize(("kernel", "multiple"), [(8, "8"), (16, "16")])
def test_channels_go_in_the_multiples_that_keep_most_of_their_importance(kernel: int, multiple: str, fit: Fit) -> None:
    parent = zoo.load("resnet20_v2.reszoo_cifar10")
    _, written, _ = fit(0.69, parent=parent, auto=True, seconds=in_steps_of(kernel), target=0.7)
    assert written.provenance[-1].config["round_to"] == multiple


def test_where_speed_checks_show_that_a_multiple_is_too_coarse_a_finer_one_is_tried(fit: Fit) -> None:
    checks, written, outcome = fit(0.82, 0.77, 0.74, 0.71, auto=True, target=0.72)
    assert [channels_are_in(16, network) for network in checks.checked] == [True, True, True, False]
    assert written.provenance[-1].config["round_to"] == "8"
    assert isinstance(outcome, Comparison)
    assert SpeedCheck.of(outcome).ratio.value == pytest.approx(0.71)
    for coarse, fine in ((0.74, 0.75), (0.75, 0.74)):  # of all that were tried
        with pytest.raises(UnreachableError, match=r"the nearest is 0\.74\n"):
            fit(*(0.82, 0.77, coarse), *(0.82, fine, 0.78), auto=True, target=0.72)


def test_where_the_table_knows_that_a_multiple_is_too_coarse_the_finer_one_is_taken(fit: Fit) -> None:
    with pytest.raises(UnreachableError, match=r"the nearest is 0\.53\d\n"):
        fit(config=PruneConfig(importance="l2", round_to=16))
    _, written, _ = fit(0.49, auto=True)
    assert written.provenance[-1].config["round_to"] == "8"
    with pytest.raises(UnreachableError, match=r"a cost of 0\.1 of .*: the nearest is 0\.\d+\n"):
        fit(auto=True, target=0.1)
    with pytest.raises(
        UnreachableError, match=r"with these options nothing can be removed\nLower `round_to` or `min_share`"
    ):
        fit(config=PruneConfig(importance="l2", round_to=64))


def channels_are_in(multiple: int, network: Checkpoint) -> bool:
    assert network.spec.plan
    return all(len(kept) % multiple == 0 for kept in network.spec.plan.channels.values())
