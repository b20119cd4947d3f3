"""What follows from one measurement, for every table and page: each figure only where the samples carry it."""

from ..core.measured import Measurement
from ..core.statistics import Interval
from .statistics import carries, quantile, throughput


def images_per_s(m: Measurement) -> tuple[float, Interval] | None:
    """Of all streams together, with its interval; None with cold caches, as nobody serves images like that."""
    scenario = m.subject.scenario
    return None if scenario.cold_cache else throughput(m.windows, scenario.batch)


def tail_s(m: Measurement, q: float) -> float | None:
    """The q-quantile of a run. Samples that are means of several runs say nothing about single ones."""
    return quantile(m.samples_s, q) if m.runs_per_sample == 1 and carries(len(m.samples_s), q) else None
