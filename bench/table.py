"""Measurements as the rows of a table: the only place where figures are rounded."""

from collections.abc import Sequence
from typing import NamedTuple

from ..core.statistics import proportion_interval
from ..core.types import Failure, Measurement, Unavailable
from .statistics import median, median_interval, quantile

Outcome = Measurement | Failure | Unavailable


class Row(NamedTuple):
    runtime: str
    format: str
    threads: str
    batch: str
    median_ms: str
    interval_ms: str
    p90_ms: str
    images_per_s: str
    peak_mb: str


HEADERS = Row(
    runtime="runtime",
    format="format",
    threads="threads",
    batch="batch",
    median_ms="median ms",
    interval_ms="95 % interval",
    p90_ms="p90 ms",
    images_per_s="images/s",
    peak_mb="peak MB",
)


def by_model(outcomes: Sequence[Outcome]) -> dict[str, list[Measurement]]:
    """The measurements of each model, in the order in which they were made. Weights tell two of one name apart."""
    measured = [outcome for outcome in outcomes if isinstance(outcome, Measurement)]
    weights = {(m.source_ref, m.weights_sha256) for m in measured}
    names = [ref for ref, _ in weights]
    models: dict[str, list[Measurement]] = {}
    for m in measured:
        is_alone = names.count(m.source_ref) == 1
        title = m.source_ref if is_alone else f"{m.source_ref} (weights {m.weights_sha256[:8]})"
        models.setdefault(title, []).append(m)
    return models


def row(m: Measurement) -> Row:
    """A batch's latency, with the interval of its median; the memory that the runtime and the model took."""
    low, high = median_interval(m.samples_s)
    middle = median(m.samples_s)
    return Row(
        runtime=m.scenario.runtime_name + ("" if m.scenario.device == "cpu" else f" ({m.scenario.device})"),
        format=f"{m.artifact_format} {m.precision}" + (" uint8" if m.input_dtype == "uint8" else ""),
        threads=str(m.scenario.threads),
        batch=str(m.scenario.batch),
        median_ms=_ms(middle),
        interval_ms=f"{_ms(low)} – {_ms(high)}",
        p90_ms=_ms(quantile(m.samples_s, 0.9)),
        images_per_s=f"{m.scenario.batch / middle:,.0f}",
        peak_mb=f"{(m.memory.peak_bytes - m.memory.baseline_bytes) / 1e6:.0f}",
    )


def accuracies(measurements: Sequence[Measurement]) -> list[str]:
    """A line for each accuracy that was measured: "top-1 on cifar10/test: 91.73 % (91.17 to 92.25), n = 10000 ..."."""
    lines = []
    for m in measurements:
        if a := m.accuracy:
            low, high = proportion_interval(a.correct, a.n)
            share = f"{100 * a.value:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
            lines.append(f"top-1 on {a.dataset}/{a.split}: {share}, n = {a.n}, {m.scenario.runtime_name}")
    return lines


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
    ms = 1e3 * seconds
    return f"{ms:.3g}" if ms < 999.5 else f"{ms:,.0f}"
