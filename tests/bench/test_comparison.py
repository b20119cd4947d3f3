"""Comparisons with real workers, and what their ratios say."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from reszoo.bench import comparison
from reszoo.bench.comparison import Contestant, Effort, compare
from reszoo.bench.harness import now, subject
from reszoo.bench.results import write_comparison
from reszoo.bench.table import contestants, verdict
from reszoo.bench.targets.local import LocalTarget
from reszoo.bench.validation.subjects import KNOWN
from reszoo.core.documents import read_json
from reszoo.core.errors import ReszooError
from reszoo.core.estimates import Ratio
from reszoo.core.hosts import describe
from reszoo.core.measured import Block, Comparison, Failure, Scenario
from reszoo.core.statistics import Interval
from reszoo.core.types import Artifact
from reszoo.workflows.comparing import check_not_slower


def waiting(artifact: Artifact, quick: Scenario, us: int) -> Contestant:
    return Contestant(artifact, replace(quick, runtime="wait", variant=str(us)))


@pytest.mark.alone
def test_a_known_ratio_is_found_and_the_noise_floor_is_at_one(
    artifact: Artifact, quick: Scenario, tmp_path: Path
) -> None:
    heard: list[int] = []
    pair = [waiting(artifact, quick, 4000), waiting(artifact, quick, 5000)]
    found = compare(pair, Effort(precision=0.05, round_s=0.2), lambda known: heard.append(len(known.rounds)), KNOWN)
    assert isinstance(found, Comparison)
    floor, ratio = found.ratios
    assert ratio.value == pytest.approx(1.25, rel=0.01)
    assert ratio.verdict == "slower"
    assert floor.value == pytest.approx(1, abs=0.01)
    assert heard == list(range(2, comparison.LEAST_ROUNDS + 1))
    rows = contestants(found)
    assert [row.verdict for row in rows][2] == "1.25 times slower"
    assert rows[1].runtime == "noise floor"
    assert read_json(write_comparison(tmp_path, found), Comparison, "") == found


def test_what_disturbs_any_contestant_is_told(artifact: Artifact, quick: Scenario) -> None:
    """The baseline has one thread, the other more than there are cores."""
    steady = Contestant(artifact, replace(quick, runtime="wait", variant="2000"))
    other = Contestant(artifact, replace(quick, runtime="wait", variant="2000", threads=1 + describe().cores))
    found = compare([steady, other], Effort(limit_s=0.1, precision=1.0, round_s=0.2, least_rounds=2), target=KNOWN)
    assert isinstance(found, Comparison)
    (told,) = (warning for warning in found.warnings if warning.kind == "oversubscribed")
    assert told.detail == f"{1 + describe().cores} threads on {describe().cores} cores (in 2 of 2 rounds)"


def test_who_was_not_warm_is_named(artifact: Artifact, quick: Scenario) -> None:
    def rounds(late: float) -> Comparison:
        """The contestant takes `late` times as long in the second half of each of five rounds."""
        visits = [(1.0, 1.0, 1.0)] * 4 + [(1.0, 1.0, late)] * 4
        one = tuple(Block(contestant=c, samples_s=(s,)) for visit in visits for c, s in enumerate(visit))
        return replace(a_comparison(artifact, quick, [0.0]), rounds=(one,) * 5)

    (told,) = comparison._unsteady(rounds(0.9))
    assert told.kind == "not_steady"
    assert f"{rounds(0.9).subjects[2].source_ref} on onnxruntime" in told.detail
    assert told.detail.endswith("its ratio to the first moved by -10.5 % within a round")
    assert not list(comparison._unsteady(rounds(1.0)))
    assert not list(comparison._unsteady(rounds(0.995)))


def test_contestants_run_one_at_a_time_in_an_order_that_is_reversed(artifact: Artifact, quick: Scenario) -> None:
    pair = [waiting(artifact, quick, 4000), waiting(artifact, quick, 5000)]
    found = compare(pair, Effort(limit_s=0.1, precision=1.0, round_s=0.2), target=KNOWN)
    assert isinstance(found, Comparison)
    for blocks in found.rounds:
        order = [block.contestant for block in blocks]
        for i in range(0, len(order), 6):
            there, back = order[i : i + 3], order[i + 3 : i + 6]
            assert sorted(there) == [0, 1, 2]
            assert back == there[::-1]
    assert len({tuple(b.contestant for b in blocks) for blocks in found.rounds}) > 1


def test_a_contestant_that_fails_ends_the_comparison_with_its_reason(
    artifact: Artifact, quick: Scenario, bad_worker: str
) -> None:
    bad = Contestant(artifact, replace(quick, runtime="bad", variant="exits"))
    failed = compare([bad, bad], target=LocalTarget(bad_worker))
    assert isinstance(failed, Failure)
    assert failed.artifact_sha256 == artifact.sha256
    assert "exit code 7" in failed.reason


def test_the_interval_is_students_over_rounds() -> None:
    from scipy import stats

    from reszoo.core.estimates import ratio_of_rounds

    logs = [0.01, 0.03, 0.02, 0.05, 0.04]
    value, interval = ratio_of_rounds(logs, 0.99)
    low, high = stats.t.interval(0.99, 4, np.mean(logs), stats.sem(logs))
    assert value == pytest.approx(np.exp(np.mean(logs)))
    assert interval == pytest.approx((np.exp(low), np.exp(high)))


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (1.03, 1.02, 1.04, "3.0 % slower"),
        (0.5, 0.49, 0.51, "2.00 times faster"),
        (1.01, 0.99, 1.03, "no difference > 3.0 %"),
        (0.97, 0.96, 0.98, "3.1 % faster"),
    ],
)
def test_a_verdict_in_words(value: float, low: float, high: float, text: str) -> None:
    assert verdict(Ratio(value, Interval(low, high))) == text


@pytest.mark.parametrize(
    ("logs", "outcome"),
    [
        ([0.0, 0.001, -0.001, 0.0, 0.001], "passes"),
        ([0.05, 0.051, 0.049, 0.05, 0.051], "is slower than allowed"),
        ([0.03, 0.05, 0.01, 0.04, 0.02], "cannot tell"),
        ([0.020, 0.023, 0.026, 0.024, 0.022], "cannot tell"),  # five rounds alone would pass, but not the first of many
    ],
)
def test_the_gate_passes_only_what_is_shown_to_be_fast_enough(
    artifact: Artifact, quick: Scenario, logs: list[float], outcome: str
) -> None:
    found = replace(a_comparison(artifact, quick, logs), gate=1.03)
    if outcome == "passes":
        check_not_slower(found, 1.03)
    else:
        with pytest.raises(ReszooError, match=outcome):
            check_not_slower(found, 1.03)


def test_with_a_gate_rounds_go_on_until_it_is_decided(artifact: Artifact, quick: Scenario) -> None:
    """A ratio that is known to 1 % may still lie on both sides of what is allowed."""
    logs = [0.028, 0.030, 0.032, 0.029, 0.031]
    found = a_comparison(artifact, quick, logs)
    assert comparison.is_enough(found, Effort())
    assert comparison.is_enough(replace(found, gate=1.05), Effort())
    assert not comparison.is_enough(replace(found, gate=1.03), Effort())


def test_a_gate_is_decided_alike_by_the_rounds_that_go_on_and_by_the_verdict() -> None:
    """Where the interval ends just at the limit too."""
    assert Ratio(1.0, Interval(0.9, 1.03)).against(1.03) == "pass"
    assert Ratio(1.05, Interval(1.03, 1.08)).against(1.03) == "cannot tell"
    assert Ratio(1.05, Interval(1.031, 1.08)).against(1.03) == "fail"


def a_comparison(artifact: Artifact, scenario: Scenario, logs: list[float]) -> Comparison:
    """A round for each of `logs`, in which the contestant takes exp(log) times as long as the baseline."""
    order = (0, 1, 2, 2, 1, 0)
    rounds = tuple(tuple(Block(contestant=c, samples_s=(float(np.exp(c // 2 * log)),)) for c in order) for log in logs)
    what = subject(artifact, scenario)
    return Comparison(
        subjects=(what, what, what), host=describe(), started_at=now(), rounds=rounds, conditions=(), warnings=()
    )
