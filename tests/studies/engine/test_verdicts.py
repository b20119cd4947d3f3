"""What counts as supported, refuted, conditional and undecided, and how often chance decides."""

import math
import random

import pytest
from scipy import stats

from reszoo.studies.engine.records import (
    Claim,
    Condition,
    Contrast,
    Control,
    Measured,
    Region,
    RunResult,
    above,
    below,
    between,
    within,
)
from reszoo.studies.engine.verdicts import Runs, checked, findings, holm, p_values, reach, withheld


def run(condition: Condition, seed: int, value: float) -> RunResult:
    measured = Measured(values={"m": value})
    return RunResult(version="0" * 64, condition=condition, seed=seed, measured=measured, core_s=1.0, host="here")


def runs(**values: list[float]) -> Runs:
    """A condition by its name, and its values by seed."""
    return Runs([run({"kind": name}, seed, value) for name, each in values.items() for seed, value in enumerate(each)])


def claim(
    region: Region,
    where: object = "a",
    against: str | None = None,
    floor: float | None = None,
    is_share: bool = False,
    **more: bool,
) -> Claim:
    contrast = Contrast(
        metric="m",
        where={"kind": where} if where else {},  # type: ignore[dict-item]
        against={"kind": against} if against else None,
        region=region,
        floor=floor,
        is_share=is_share,
    )
    return Claim(key="k", hypothesis="h", textbook="t", paper="p", contrast=contrast, **more)


LOW, HIGH = [0.9, 1.0, 1.1, 1.0, 1.0], [4.9, 5.0, 5.1, 5.0, 5.0]


@pytest.mark.parametrize(
    ("region", "verdict"),
    [
        (above(4), "supported"),
        (above(6), "refuted"),
        (above(5), "cannot tell"),
        (below(6), "supported"),
        (below(4), "refuted"),
        (between(4, 6), "supported"),
        (between(0, 4), "refuted"),
        (between(6, 9), "refuted"),
        (between(4.99, 5.01), "cannot tell"),
    ],
)
def test_a_whole_interval_decides(region: Region, verdict: str) -> None:
    (found,) = findings([claim(region)], runs(a=HIGH))
    assert found.verdict == verdict
    (case,) = found.cases
    assert (case.n, case.mean) == (5, pytest.approx(5))


def test_equivalence_is_shown_and_not_concluded_from_a_difference_that_is_missed() -> None:
    noisy = [-3.0, 3.0, -2.0, 2.0, 0.1]
    assert findings([claim(within(1))], runs(a=noisy))[0].verdict == "cannot tell"
    assert findings([claim(within(1))], runs(a=[0.1, -0.1, 0.05, 0.0, 0.02]))[0].verdict == "supported"
    assert findings([claim(within(1))], runs(a=HIGH))[0].verdict == "refuted"


def test_differences_are_paired_by_seed() -> None:
    base = [1.0, 50.0, 200.0, 7.0, 90.0]
    one = runs(a=[value + 1 + 0.01 * seed for seed, value in enumerate(base)], b=base)
    (found,) = findings([claim(above(0.5), "a", against="b")], one)
    assert found.verdict == "supported"
    assert found.cases[0].mean == pytest.approx(1.02)
    other = Runs([run({"kind": "a"}, seed, 1.0) for seed in (0, 1, 2)] + [run({"kind": "b"}, 1, 0.5)])
    assert findings([claim(above(0), "a", against="b")], other)[0].cases[0].n == 1


def test_cases_that_differ_make_it_conditional_and_one_exception_refutes_always() -> None:
    known = runs(a=LOW, b=HIGH)
    assert findings([claim(above(3), where="")], known)[0].verdict == "conditional"
    assert findings([claim(above(3), where="", is_universal=True)], known)[0].verdict == "refuted"
    assert findings([claim(above(0.5), where=("a", "b"))], known)[0].verdict == "supported"
    assert findings([claim(above(0.5), where="nothing")], known)[0].verdict == "cannot tell"


def test_a_run_that_could_not_measure_it_is_left_out() -> None:
    known = [run({"kind": "a"}, seed, 5.0) for seed in range(2)] + [run({"kind": "b"}, seed, 1.0) for seed in range(3)]
    lacking = RunResult(
        version="0" * 64, condition={"kind": "a"}, seed=2, measured=Measured(values={}), core_s=1.0, host="here"
    )
    for contrast in (claim(above(3)), claim(above(3), against="b")):
        (found,) = findings([contrast], Runs([*known, lacking]))
        assert (found.verdict, found.cases[0].n) == ("supported", 2)
    (found,) = findings([claim(above(3))], Runs([lacking]))
    assert (found.verdict, found.cases[0].n) == ("cannot tell", 0)


def test_one_run_decides_nothing_and_has_no_interval() -> None:
    (found,) = findings([claim(above(0))], runs(a=[5.0]))
    assert (found.verdict, found.cases[0].low, found.cases[0].n) == ("cannot tell", None, 1)


def test_what_is_exact_is_decided_exactly() -> None:
    assert findings([claim(within(1e-12))], runs(a=[0.0, 0.0]))[0].verdict == "supported"
    assert findings([claim(within(1e-12))], runs(a=[0.7, 0.7]))[0].verdict == "refuted"
    assert findings([claim(above(1))], runs(a=[1.0, 1.0]))[0].verdict == "cannot tell"  # just on the border


def test_the_p_values_are_those_of_students_t() -> None:
    values = [1.2, 0.7, 1.9, 1.1]
    inside, outside = p_values(values, above(0.5))
    assert inside == pytest.approx(stats.ttest_1samp(values, 0.5).pvalue)
    assert outside == 1
    inside, outside = p_values(values, within(0.5))
    assert (inside, outside) == (1, pytest.approx(stats.ttest_1samp(values, 0.5).pvalue))


def test_holms_correction() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_claims_together_are_harder_to_decide_than_one_alone() -> None:
    values = [0.2, 1.0, 1.5, 0.9]
    alone = findings([claim(above(0))], runs(a=values))
    together = findings([claim(above(0)) for _ in range(20)], runs(a=values))
    assert alone[0].verdict == "supported"
    assert {found.verdict for found in together} == {"cannot tell"}
    assert together[0].cases[0].adjusted_p == pytest.approx(20 * alone[0].cases[0].p)
    assert together[0].cases[0].low == alone[0].cases[0].low  # intervals are of single cases


def test_chance_decides_against_the_truth_in_at_most_one_study_of_twenty() -> None:
    """Ten claims whose means lie just on the border: any decision is an error of one side or of the other."""
    draw, wrong, studies = random.Random(0), 0, 400  # noqa: S311
    for _ in range(studies):
        values = {f"c{i}": [draw.gauss(1, 1) for _ in range(5)] for i in range(10)}
        found = findings([claim(above(1), where=name) for name in values], runs(**values))
        wrong += any(finding.verdict != "cannot tell" for finding in found)
    assert wrong / studies < 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies)
    assert wrong > 0


def test_no_verdict_stands_on_a_control_that_came_out_wrong() -> None:
    known = runs(a=HIGH, zero=[0.0, 0.0, 0.0])
    found = findings([claim(above(4))], known)

    def control(region: Region) -> Control:
        contrast = Contrast(metric="m", where={"kind": "zero"}, region=region)
        return Control(key="zero", kind="negative", says="nothing", contrast=contrast)

    assert withheld(found, checked([control(within(1))], known))[0].verdict == "supported"
    assert withheld(found, checked([control(above(1))], known))[0].verdict == "cannot tell"


@pytest.mark.parametrize("successes", range(6))
@pytest.mark.parametrize("limit", [0.1, 0.2, 0.5, 0.8])
def test_shares_are_tested_exactly(successes: int, limit: float) -> None:
    values = [1.0] * successes + [0.0] * (5 - successes)
    more, fewer = (
        min(2 * stats.binomtest(successes, 5, limit, alternative=side).pvalue, 1) for side in ("greater", "less")
    )
    inside, outside = p_values(values, above(limit), is_share=True)
    assert inside == pytest.approx(more if successes / 5 > limit else 1)
    assert outside == pytest.approx(fewer if successes / 5 < limit else 1)
    assert p_values(values, below(limit), is_share=True) == (outside, inside)


def test_runs_that_all_end_alike_do_not_make_a_share_certain() -> None:
    known = runs(a=[1.0, 1.0, 1.0])
    assert findings([claim(above(0.5))], known)[0].verdict == "supported"  # as if it were a mean
    (found,) = findings([claim(above(0.5), is_share=True)], known)
    assert found.verdict == "cannot tell"
    (case,) = found.cases
    assert case.p == pytest.approx(0.25)
    interval = stats.binomtest(3, 3).proportion_ci(0.95, method="exact")
    assert (case.low, case.high) == pytest.approx((interval.low, interval.high))
    (found,) = findings([claim(above(0.2), is_share=True)], runs(a=[1.0] * 5))
    assert found.verdict == "supported"


def test_pairs_that_both_fail_say_nothing() -> None:
    failed, works = [10.0, 10.0, 10.0], [50.0, 51.0, 52.0]
    both = runs(a=failed, b=failed)
    assert findings([claim(above(-3), "a", against="b")], both)[0].verdict == "supported"  # nothing is lost, indeed
    (found,) = findings([claim(above(-3), "a", against="b", floor=15)], both)
    assert found.verdict == "cannot tell"
    assert (found.cases[0].n, found.cases[0].mean, found.cases[0].p) == (0, None, 1)
    (found,) = findings([claim(below(-30), "a", against="b", floor=15)], runs(a=failed, b=works))
    assert (found.verdict, found.cases[0].n) == ("supported", 3)
    (found,) = findings([claim(above(30), "a", against="b", floor=15)], runs(a=[60.0, *failed], b=[20.0, *failed]))
    assert (found.verdict, found.cases[0].n) == ("cannot tell", 1)


def test_a_case_that_says_nothing_leaves_the_verdict_to_the_others() -> None:
    results = [
        run({"kind": kind, "rate": rate}, seed, value)
        for kind, rate, values in (
            ("a", 1, LOW),
            ("b", 1, LOW),
            ("a", 2, [30.0] * 5),
            ("b", 2, [50.0, 51.0, 52.0, 53, 54]),
        )
        for seed, value in enumerate(values)
    ]
    (found,) = findings([claim(below(-5), "a", against="b", floor=15)], Runs(results))
    assert [case.n for case in found.cases] == [0, 5]
    assert found.verdict == "supported"


def test_runs_without_a_figure_are_left_out() -> None:
    known = runs(a=HIGH)
    without = RunResult(
        version="0" * 64, condition={"kind": "a"}, seed=9, measured=Measured(values={}), core_s=1.0, host="here"
    )
    both = Runs([*known.of({"kind": "a"}).values(), without])
    (found,) = findings([claim(above(4))], both)
    assert (found.verdict, found.cases[0].n) == ("supported", 5)
    (found,) = findings([claim(above(4))], Runs([without]))
    assert (found.verdict, found.cases[0].n) == ("cannot tell", 0)


@pytest.mark.parametrize(("cases", "n"), [(1, 5), (15, 5), (3, 10)])
def test_how_far_a_mean_has_to_lie_from_the_end_to_be_decided_first(cases: int, n: int) -> None:
    assert reach(cases, n) == pytest.approx(stats.t.ppf(1 - 0.025 / cases, n - 1) / n**0.5)
    deviates = [(-1.0) ** i for i in range(n)]
    scale = (sum(each**2 for each in deviates) - sum(deviates) ** 2 / n) / (n - 1)
    spread = [(each - sum(deviates) / n) / scale**0.5 for each in deviates]  # a mean of 0, and a deviation of 1
    for share, verdict in ((0.99, "cannot tell"), (1.01, "supported")):
        values = {f"c{i}": [share * reach(cases, n) + each for each in spread] for i in range(cases)}
        found = findings([claim(above(0), where=name) for name in values], runs(**values))
        assert {finding.verdict for finding in found} == {verdict}
