"""Comparisons that end when they know enough: what is printed and decided by is right as often as it says."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from speed_checks import comparison_of

from reszoo.bench.comparison import Effort, is_enough
from reszoo.bench.validation.stopping import GATE, NOISES, WAYS, ended, errors
from reszoo.core.looking import LEAST_ROUNDS, confidence_of_round
from reszoo.core.measured import Block, Comparison
from reszoo.workflows.pruning.speed_check import SpeedCheck, scenario_for

COMMITTED = Path(__file__).parents[2] / "docs/measurements/instrument/stopping.json"
TRIALS = 20_000
GATED, ALONE = WAYS["harness"]
SCENARIO = scenario_for("torch", threads=1, batch=1)


@pytest.mark.parametrize("name", NOISES)
def test_at_its_limit_a_gate_errs_in_half_a_percent_on_each_side(name: str) -> None:
    """0.6 % of 20,000 is two standard errors more than 0.5 %."""
    found = errors(NOISES[name], GATE, GATED, TRIALS, seed=2)
    assert max(found.passed, found.failed) <= 0.006 * TRIALS
    assert found.covered >= 0.988 * TRIALS


def test_it_does_so_however_long_it_goes_on() -> None:
    """Tenfold the rounds: fewer trials, and three standard errors more than 1 % on both sides together."""
    found = errors(NOISES["typical"], GATE, GATED, 4000, seed=3, most_rounds=1000)
    assert found.passed + found.failed <= 0.0147 * 4000


def test_intervals_that_ignore_the_looks_would_not() -> None:
    """So the tests above can fail."""
    found = errors(NOISES["typical"], GATE, WAYS["ignoring"][0], TRIALS, seed=2)
    assert min(found.passed, found.failed) > 0.04 * TRIALS


@pytest.mark.parametrize("name", NOISES)
def test_without_a_gate_the_interval_that_ended_the_rounds_holds_the_truth(name: str) -> None:
    assert errors(NOISES[name], 1.0, ALONE, TRIALS, seed=2).covered >= 0.987 * TRIALS


@pytest.mark.parametrize(("truth", "right"), [(1.0, "passed"), (1.06, "failed")])
def test_a_difference_of_3_percent_is_decided_in_a_few_rounds(truth: float, right: str) -> None:
    found = errors(NOISES["typical"], truth, GATED, 2000, seed=2)
    assert getattr(found, right) == 2000
    assert found.rounds < 7


def test_the_simulation_ends_where_the_harness_does() -> None:
    rng = np.random.default_rng(0)
    for logs in rng.normal(math.log(1.02), 0.006, (30, 15)):
        for rule in (*WAYS["harness"], GATED._replace(precision=0.01)):
            taken, low, high = (float(found[0]) for found in ended(logs[np.newaxis], rule))
            effort = Effort(precision=rule.precision, gate=rule.gate)
            counts = range(2, len(logs) + 1)
            first = next((n for n in counts if is_enough(a_comparison(logs[:n], rule.gate), effort)), len(logs))
            assert first == taken
            found = a_comparison(logs[:first], rule.gate).ratio(2)
            assert found.interval == pytest.approx((low, high))


def test_a_speed_check_has_the_interval_of_a_gate() -> None:
    logs = np.log([0.95, 0.96, 0.94, 0.95, 0.96])
    gated, alone = a_comparison(logs, 1.0), a_comparison(logs, None)
    assert SpeedCheck.of(gated).ratio == gated.ratio(2) != alone.ratio(2)


def test_the_first_look_costs_nothing_without_a_gate_and_later_ones_cost_some() -> None:
    levels = [confidence_of_round(rounds, 0.99, gated=False) for rounds in (2, LEAST_ROUNDS, LEAST_ROUNDS + 1, 50)]
    assert levels == pytest.approx([0.99, 0.99, 0.996, 0.996])
    assert confidence_of_round(10, 0.99, gated=True) == pytest.approx(0.999)


def test_the_figures_of_the_docs_keep_what_is_promised() -> None:
    document = json.loads(COMMITTED.read_text())
    assert list(document["found"]) == list(NOISES)
    for ways in document["found"].values():
        limit, below, above, alone = ways["harness"]
        assert limit["truth"] == limit["gate"] == GATE
        assert limit["trials"] == TRIALS
        assert max(limit["passed"], limit["failed"]) <= 0.006 * TRIALS
        assert min(below["passed"], above["failed"]) > 0.96 * TRIALS
        assert alone["covered"] >= 0.987 * TRIALS


def test_the_script_writes_what_it_found(tmp_path: Path) -> None:
    out = tmp_path / "stopping.json"
    module = [sys.executable, "-m", "reszoo.bench.validation.stopping"]
    subprocess.run([*module, "--trials", "2", "--out", str(out)], check=True, capture_output=True)
    document = json.loads(out.read_text())
    assert document["found"].keys() == document["noises"].keys() == NOISES.keys()


def a_comparison(logs: np.ndarray, gate: float | None) -> Comparison:
    """In each round the contestant takes exp(log) times as long as the baseline, and the baseline as long as itself."""
    rounds = tuple(
        tuple(Block(contestant=c, samples_s=(s,)) for c, s in enumerate((1.0, 1.0, math.exp(log)))) for log in logs
    )
    known = comparison_of(1.0, SCENARIO)
    return replace(known, rounds=rounds, gate=gate)
