"""Accuracy that is decided early: as often right as one look at all images."""

import random

from reszoo.bench import looks
from reszoo.bench.accuracy import Paired

N = 5000
LIMIT = 0.005


def decided(share: float, drop: float, draw: random.Random) -> tuple[str, int]:
    """One candidate, at a true drop, whose answers come one by one."""
    lost = gained = done = 0
    for stop in looks.looks(N):
        for _ in range(stop - done):
            toss = draw.random()
            lost += toss < (share + drop) / 2
            gained += toss > 1 - (share - drop) / 2
        done = stop
        outcome = looks.outcome(Paired(done, lost, gained, done - lost - gained), N, LIMIT)
        if outcome != "undecided":
            return outcome, done
    return "undecided", done


def test_one_looks_at_parts_that_are_large_enough_and_at_all() -> None:
    assert looks.looks(5000) == [312, 625, 1250, 2500, 5000]
    assert looks.looks(1000) == [250, 500, 1000]
    assert looks.looks(143) == [143]


def test_at_the_limit_a_candidate_passes_as_seldom_as_by_one_look() -> None:
    draw = random.Random(0)  # noqa: S311
    trials = 200
    passed = sum(decided(0.02, LIMIT, draw)[0] == "pass" for _ in range(trials))
    assert passed <= 0.025 * trials + 3 * (0.025 * 0.975 * trials) ** 0.5
    failed = sum(decided(0.02, LIMIT, draw)[0] == "fail" for _ in range(trials))
    assert failed <= 0.025 * trials + 3 * (0.025 * 0.975 * trials) ** 0.5


def test_what_is_far_from_the_limit_is_decided_early() -> None:
    draw = random.Random(1)  # noqa: S311
    bad = [decided(0.2, 0.15, draw) for _ in range(20)]
    assert {outcome for outcome, _ in bad} == {"fail"}
    assert max(seen for _, seen in bad) <= 625
    good = [decided(0.001, 0.0, draw) for _ in range(20)]
    assert {outcome for outcome, _ in good} == {"pass"}
    assert sum(seen < N for _, seen in good) >= 12


def test_the_interval_of_an_early_look_is_wider_and_that_of_the_last_one_hardly() -> None:
    paired = Paired(N, 30, 20, N - 50)
    low, high = looks.interval(paired, N)
    plain_low, plain_high = paired.drop_interval
    assert low < plain_low < plain_high < high
    assert high - low < 1.3 * (plain_high - plain_low)
    early_low, early_high = looks.interval(paired, 2 * N)
    assert early_high - early_low > 1.3 * (high - low)
