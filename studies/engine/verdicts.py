"""From finished runs to verdicts: means over seeds, paired differences, their intervals, and Holm's correction.

A claim is true where the mean lies in a region. A whole interval inside supports it, a whole one outside refutes it,
and anything else cannot tell. So one rule serves a claim of more, of less, of equivalence and of a bound.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...core.distributions import student_t_p
from ...core.estimates import mean_interval
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
    """One case before it is judged: a value for every seed, and the p-value of either answer."""

    condition: Condition
    values: tuple[float, ...]
    p_inside: float
    p_outside: float

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


def p_values(values: Sequence[float], region: Region) -> tuple[float, float]:
    """How easily chance gives these values although the mean is not inside the region, or not outside.

    Both are two-sided, so that at 0.05 they agree with the 95 % interval: equivalence is not made easier by the 90 %
    interval that two one-sided tests may use.
    """
    above = 1.0 if region.low is None else _p_above(values, region.low)
    below = 1.0 if region.high is None else _p_above([-value for value in values], -region.high)
    ends = [p for p, end in ((above, region.low), (below, region.high)) if end is not None]
    opposite = [
        _p_above([-value for value in values], -region.low) if region.low is not None else 1.0,
        _p_above(values, region.high) if region.high is not None else 1.0,
    ]
    return max(ends), min(opposite)


def _p_above(values: Sequence[float], limit: float) -> float:
    """Two-sided, of the mean being above the limit; 1 where it is not."""
    n, mean = len(values), math.fsum(values) / len(values)
    if mean <= limit or n == 1:
        return 1.0
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return student_t_p((mean - limit) / (spread / math.sqrt(n)), n - 1) if spread else 0.0


def _samples(contrast: Contrast, runs: Runs) -> list[Sample]:
    found = []
    for condition in runs.where(contrast.where):
        if values := _values(contrast, condition, runs):
            found.append(Sample(condition, values, *p_values(values, contrast.region)))
    return found


def _values(contrast: Contrast, condition: Condition, runs: Runs) -> tuple[float, ...]:
    """One a seed, in the order of the seeds: the metric, or its difference to the run that it is paired with."""
    own = runs.values(condition, contrast.metric)
    if contrast.against is None:
        return tuple(own[seed] for seed in sorted(own))
    other = runs.values(condition | contrast.against, contrast.metric)
    return tuple(own[seed] - other[seed] for seed in sorted(own.keys() & other.keys()))


def _case(sample: Sample, adjusted_p: float) -> Case:
    mean, (low, high) = mean_interval(sample.values)
    is_known = math.isfinite(low)
    verdict: Verdict = "cannot tell"
    if adjusted_p < ALPHA:
        verdict = "supported" if sample.p_inside < sample.p_outside else "refuted"
    return Case(
        condition=sample.condition,
        n=len(sample.values),
        mean=mean,
        low=low if is_known else None,
        high=high if is_known else None,
        p=sample.p,
        adjusted_p=adjusted_p,
        verdict=verdict,
    )


def _over_cases(cases: Sequence[Case], is_universal: bool) -> Verdict:
    """One verdict for all cases: where some support a claim and others refute it, it depends on the condition."""
    verdicts: set[Verdict] = {case.verdict for case in cases}
    if is_universal and "refuted" in verdicts:
        return "refuted"
    if {"supported", "refuted"} <= verdicts:
        return "conditional"
    return verdicts.pop() if len(verdicts) == 1 else "cannot tell"
