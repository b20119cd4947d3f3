"""Measurements as the rows of a table: the only place where figures are rounded."""

from collections.abc import Sequence
from typing import NamedTuple

from ..core.types import Failure, Measurement, Unavailable
from .statistics import median, median_interval, proportion_interval, quantile

Outcome = Measurement | Failure | Unavailable


class Row(NamedTuple):
    model: str
    format: str
    runtime: str
    threads: str
    batch: str
    median_ms: str
    interval_ms: str
    p90_ms: str
    images_per_s: str
    peak_mb: str
    accuracy: str


HEADERS = Row(
    model="model",
    format="format",
    runtime="runtime",
    threads="threads",
    batch="batch",
    median_ms="median ms",
    interval_ms="95 % interval",
    p90_ms="p90 ms",
    images_per_s="images/s",
    peak_mb="peak MB",
    accuracy="accuracy",
)


def row(m: Measurement) -> Row:
    """A batch's latency in ms with the interval of its median; accuracy with its own, where it was measured."""
    low, high = median_interval(m.samples_s)
    middle = median(m.samples_s)
    return Row(
        model=m.source_ref,
        format=f"{m.artifact_format} {m.precision}",
        runtime=m.scenario.runtime_name + ("" if m.scenario.device == "cpu" else f" ({m.scenario.device})"),
        threads=str(m.scenario.threads),
        batch=str(m.scenario.batch),
        median_ms=_ms(middle),
        interval_ms=f"{_ms(low)} to {_ms(high)}",
        p90_ms=_ms(quantile(m.samples_s, 0.9)),
        images_per_s=f"{m.scenario.batch / middle:,.0f}",
        peak_mb=f"{m.memory.peak_bytes / 1e6:.0f}",
        accuracy=_accuracy(m),
    )


def misses(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for everything that gave no measurement: what, why, and what to do or what it printed last."""
    lines = []
    for outcome in outcomes:
        if isinstance(outcome, Unavailable):
            lines.append(f"{outcome.what}: not available here: {outcome.reason}. {outcome.fix}")
        elif isinstance(outcome, Failure):
            lines.append(f"{outcome.what}: failed: {outcome.reason}\n{outcome.output}".rstrip())
    return lines


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def _accuracy(m: Measurement) -> str:
    if m.accuracy is None:
        return ""
    low, high = proportion_interval(m.accuracy.correct, m.accuracy.n)
    return f"{m.accuracy.value:.4f} ({low:.4f} to {high:.4f}, n = {m.accuracy.n})"
