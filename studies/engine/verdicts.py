"""From finished runs to verdicts: means over seeds, paired differences, their intervals, and Holm's correction.

A claim is true where the mean lies in a region. A whole interval inside supports it, a whole one outside refutes it,
and anything else cannot tell. So one rule serves a claim of more, of less, of equivalence and of a bound.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...core.distributions import binomial_tail, student_t, student_t_p
from ...core.estimates import mean_interval
from ...core.statistics import Interval, exact_interval
from .records import (
    Case,
    Checked,
    Claim,
    Condition,
    Contrast,
    Control,
    Finding,
    Region,
    RunResult,
    Verdict,
    Where,
    name_of,
)

ALPHA = 0.05


class Sample(NamedTuple):
    """One case before it is judged: a value for every seed that says anything, and the p-value of either answer."""

    condition: Condition
    values: tuple[float, ...]
    p_inside: float
    p_outside: float
    is_share: bool

    @property
    def p(self) -> float:
        return min(self.p_inside, self.p_outside)


class Runs:
    """All finished runs, by condition and seed."""

    def __init__(self, results: Sequence[RunResult]) -> None:
        self.conditions: dict[str, Condition] = {name_of(run.condition): run.condition for run in results}
        self._by_seed: dict[str, dict[int, RunResult]] = {name: {} for name in self.conditions}
        for run in results:
            self._by_seed[name_of(run.condition)][run.seed] = run

    def where(self, wanted: Where) -> list[Condition]:
        """The conditions that have these values."""
        return [condition for condition in self.conditions.values() if _fits(condition, wanted)]

    def of(self, condition: Condition) -> Mapping[int, RunResult]:
        """The runs of a condition by their seeds; none of one that the study does not run."""
        return self._by_seed.get(name_of(condition), {})

    def values(self, condition: Condition, metric: str) -> dict[int, float]:
        """The metric by seed, of those runs that could measure it."""
        found = {seed: run.measured.values for seed, run in self.of(condition).items()}
        return {seed: values[metric] for seed, values in found.items() if metric in values}


def _fits(condition: Condition, wanted: Where) -> bool:
    allowed = {name: value if isinstance(value, tuple) else (value,) for name, value in wanted.items()}
    return all(condition.get(name) in values for name, values in allowed.items())


def findings(claims: Sequence[Claim], runs: Runs) -> tuple[Finding, ...]:
    """Judge all claims of a study together: every case of every claim is one of Holm's family."""
    samples = [_samples(claim.contrast, runs) for claim in claims]
    adjusted = iter(holm([sample.p for cases in samples for sample in cases]))
    judged = [tuple(_case(sample, next(adjusted)) for sample in cases) for cases in samples]
    return tuple(
        Finding(claim=claim, cases=cases, verdict=_over_cases(cases, claim.is_universal))
        for claim, cases in zip(claims, judged, strict=True)
    )


def checked(controls: Sequence[Control], runs: Runs) -> tuple[Checked, ...]:
    """Judge the controls, each by itself: a correction would make it easier to miss one that fails."""
    judged = [tuple(_case(s, s.p) for s in _samples(control.contrast, runs)) for control in controls]
    return tuple(
        Checked(control=control, cases=cases, verdict=_over_cases(cases, is_universal=True))
        for control, cases in zip(controls, judged, strict=True)
    )


def withheld(found: Sequence[Finding], controls: Sequence[Checked]) -> tuple[Finding, ...]:
    """No verdict stands on a probe whose control came out wrong."""
    from msgspec.structs import replace

    if not any(control.is_wrong for control in controls):
        return tuple(found)
    return tuple(replace(finding, verdict="cannot tell") for finding in found)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): each p-value as if it were the only one."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min((len(p_values) - rank) * p_values[index], 1.0))
        adjusted[index] = largest
    return adjusted


def reach(cases: int, n: int) -> float:
    """How far from an end of its region a mean of `n` runs has to lie, in standard deviations, to be decided.

    That is at the first step of Holm's correction over so many cases: those that are left after it need less.
    """
    return student_t(1 - ALPHA / cases, n - 1) / math.sqrt(n)


def p_values(values: Sequence[float], region: Region, is_share: bool = False) -> tuple[float, float]:
    """How easily chance gives these values although the mean is not inside the region, or not outside.

    Both are two-sided, so that at 0.05 they agree with the 95 % interval: equivalence is not made easier by the 90 %
    interval that two one-sided tests may use.
    """
    above, below = (_share_above, _share_below) if is_share else (_mean_above, _mean_below)
    inside, outside = [], []
    if region.low is not None:
        inside.append(above(values, region.low))
        outside.append(below(values, region.low))
    if region.high is not None:
        inside.append(below(values, region.high))
        outside.append(above(values, region.high))
    return max(inside), min(outside)


def _mean_above(values: Sequence[float], limit: float) -> float:
    """Student's t, two-sided; 1 where the mean is not above the limit, and where one value says nothing of a spread."""
    n = len(values)
    if n < 2 or (mean := math.fsum(values) / n) <= limit:
        return 1.0
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return student_t_p((mean - limit) / (spread / math.sqrt(n)), n - 1) if spread else 0.0


def _mean_below(values: Sequence[float], limit: float) -> float:
    return _mean_above([-value for value in values], -limit)


def _share_above(values: Sequence[float], limit: float) -> float:
    """Exact, twice the probability of this side; 1 where the share is not above the limit."""
    n, successes = len(values), round(sum(values))
    return min(2 * binomial_tail(successes, n, limit), 1.0) if successes > limit * n else 1.0


def _share_below(values: Sequence[float], limit: float) -> float:
    return _share_above([1 - value for value in values], 1 - limit)


def _samples(contrast: Contrast, runs: Runs) -> list[Sample]:
    """A case of each condition that was run, and whose partner was."""
    found = []
    for condition in runs.where(contrast.where):
        if contrast.against is None or runs.of(condition | contrast.against):
            values = _values(contrast, condition, runs)
            inside, outside = p_values(values, contrast.region, contrast.is_share)
            found.append(Sample(condition, values, inside, outside, contrast.is_share))
    return found


def _values(contrast: Contrast, condition: Condition, runs: Runs) -> tuple[float, ...]:
    """One a seed, in the order of the seeds: the metric, or its difference to the run that it is paired with."""
    own = runs.values(condition, contrast.metric)
    if contrast.against is None:
        return tuple(own[seed] for seed in sorted(own))
    other = runs.values(condition | contrast.against, contrast.metric)
    pairs = [(own[seed], other[seed]) for seed in sorted(own.keys() & other.keys())]
    return tuple(a - b for a, b in pairs if contrast.floor is None or max(a, b) > contrast.floor)


def _case(sample: Sample, adjusted_p: float) -> Case:
    mean, (low, high) = _estimate(sample)
    verdict: Verdict = "cannot tell"
    if adjusted_p < ALPHA:
        verdict = "supported" if sample.p_inside < sample.p_outside else "refuted"
    return Case(
        condition=sample.condition,
        n=len(sample.values),
        mean=mean,
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
        p=sample.p,
        adjusted_p=adjusted_p,
        verdict=verdict,
    )


def _estimate(sample: Sample) -> tuple[float | None, Interval]:
    """The mean and its 95 % interval, as far as they are known."""
    if not sample.values:
        return None, Interval(-math.inf, math.inf)
    mean, interval = mean_interval(sample.values)
    if sample.is_share:
        return mean, exact_interval(round(sum(sample.values)), len(sample.values))
    return mean, interval


def _over_cases(cases: Sequence[Case], is_universal: bool) -> Verdict:
    """One verdict for all cases in which anything could be measured.

    Where some support a claim and others refute it, it depends on the condition.
    """
    verdicts: set[Verdict] = {case.verdict for case in cases if case.n}
    if is_universal and "refuted" in verdicts:
        return "refuted"
    if {"supported", "refuted"} <= verdicts:
        return "conditional"
    return verdicts.pop() if len(verdicts) == 1 else "cannot tell"
