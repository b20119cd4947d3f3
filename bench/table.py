"""Measurements and comparisons as the rows of a table for the terminal."""

from collections.abc import Sequence
from typing import NamedTuple

from ..core.estimates import Ratio, relative_half_width
from ..core.measured import (
    AGAIN,
    LOCAL,
    MEASURED,
    Accuracy,
    Comparison,
    Failure,
    Measurement,
    MeasurementWarning,
    Subject,
    WarningKind,
)
from ..core.statistics import proportion_interval
from ..core.types import Unavailable
from .machine import ADVICE
from .rounding import milliseconds

Outcome = Measurement | Failure | Unavailable


class Row(NamedTuple):
    """`accuracy` is of the artifact on the runtime: whatever the threads and the batch, it is the same.

    `target` and `way` are empty for what is measured on this machine.
    """

    target: str
    way: str
    runtime: str
    format: str
    accuracy: str
    threads: str
    batch: str
    median_ms: str
    half_width: str
    tail_ms: str
    images_per_s: str
    peak_mb: str
    warnings: str


HEADERS = Row(
    target="target",
    way="figures",
    runtime="runtime",
    format="format",
    accuracy="top-1 %",
    threads="threads",
    batch="batch",
    median_ms="median",
    half_width="95 %",
    tail_ms="tail",
    images_per_s="images/s",
    peak_mb="peak MB",
    warnings="",
)
OPTIONAL = (HEADERS.tail_ms, HEADERS.peak_mb)  # what a narrow terminal can do without
MEANS_DIFFER = 0.02  # from here on, who divides the batch by its median asks why images/s is not that


class ContestantRow(NamedTuple):
    model: str
    runtime: str
    median_ms: str
    ratio: str
    interval: str
    verdict: str


CONTESTANT_HEADERS = ContestantRow(
    model="", runtime="runtime", median_ms="median ms", ratio="ratio", interval="99 % interval", verdict="verdict"
)


def by_model(outcomes: Sequence[Outcome]) -> dict[str, list[Measurement]]:
    """The measurements of each model, in the order in which they were made. Weights tell two of one name apart."""
    measured = [outcome for outcome in outcomes if isinstance(outcome, Measurement)]
    weights = {(m.subject.source_ref, m.subject.weights_sha256) for m in measured}
    names = [ref for ref, _ in weights]
    models: dict[str, list[Measurement]] = {}
    for m in measured:
        ref, sha256 = m.subject.source_ref, m.subject.weights_sha256
        title = ref if names.count(ref) == 1 else f"{ref} (weights {sha256[:8]})"
        models.setdefault(title, []).append(m)
    return models


def rows(measurements: Sequence[Measurement]) -> list[Row]:
    """A row for each measurement."""
    known = {_engine(m): m.accuracy for m in measurements if m.accuracy}
    return [_row(m, known.get(_engine(m))) for m in measurements]


def shared_settings(found: Sequence[Row]) -> dict[str, str]:
    """The target, the way, the numbers of threads and the batch, by their headers, as far as all rows have the same."""
    names = (HEADERS.target, HEADERS.way, HEADERS.threads, HEADERS.batch)
    settings = {name: {row[HEADERS.index(name)] for row in found} for name in names}
    return {name: value for name, values in settings.items() if len(values) == 1 and (value := values.pop())}


def _engine(m: Measurement) -> tuple[str, str, str, str]:
    scenario = m.subject.scenario
    return m.subject.artifact_sha256, scenario.runtime_name, scenario.device, scenario.target


def _row(m: Measurement, accuracy: Accuracy | None) -> Row:
    """A batch's latency, with the interval of its median; the memory that the runtime and the model took."""
    scenario, subject = m.subject.scenario, m.subject
    is_here = scenario.target == LOCAL and m.way == MEASURED
    return Row(
        target="" if is_here else scenario.target,
        way="" if is_here else str(m.way),
        runtime=scenario.runtime_name + ("" if scenario.device == "cpu" else f" ({scenario.device})"),
        format=_format(subject),
        accuracy=_top1(accuracy) if accuracy else "",
        threads=str(scenario.threads) + (f" x {scenario.streams}" if scenario.streams > 1 else ""),
        batch=str(scenario.batch),
        median_ms=milliseconds(m.median_s),
        half_width=f"±{100 * relative_half_width(m.samples_s):.1f}%",
        tail_ms=_tail(m),
        images_per_s=_images_per_s(m),
        peak_mb=f"{m.memory.taken_bytes / 1e6:.0f}",
        warnings="!" * bool(m.warnings),
    )


def contestants(comparison: Comparison) -> list[ContestantRow]:
    """A row for each contestant, the baseline first and then the baseline against itself: the noise floor."""
    rows = []
    found: list[Ratio | None] = [None, *comparison.ratios]
    for i, (subject, ratio) in enumerate(zip(comparison.subjects, found, strict=True)):
        rows.append(
            ContestantRow(
                model="the first again" if i == AGAIN else subject.source_ref,
                runtime="noise floor" if i == AGAIN else f"{subject.scenario.runtime_name}, {_format(subject)}",
                median_ms=milliseconds(comparison.median_s(i)),
                ratio="1" if ratio is None else f"{ratio.value:.3f}",
                interval="" if ratio is None else f"{ratio.interval.low:.3f} – {ratio.interval.high:.3f}",
                verdict="" if ratio is None else verdict(ratio),
            )
        )
    return rows


def verdict(ratio: Ratio) -> str:
    """In words: "1.53 times faster", "3.1 % slower", "no difference > 1.2 %"."""
    if ratio.verdict == "no difference":
        bound = max(ratio.interval.high - 1, 1 - ratio.interval.low)
        return f"no difference > {100 * bound:.1f} %"
    slower = ratio.value if ratio.verdict == "slower" else 1 / ratio.value
    return f"{slower:.2f} times {ratio.verdict}" if slower > 1.2 else f"{100 * (slower - 1):.1f} % {ratio.verdict}"


def subject_name(subject: Subject) -> str:
    return f"{subject.source_ref}, {_format(subject)}, {subject.scenario.runtime_name}"


def way(m: Measurement) -> str:
    """ "openvino (onnx fp32)": what runs it, and the format that it is in."""
    return f"{m.subject.scenario.runtime_name} ({_format(m.subject)})"


def _format(subject: Subject) -> str:
    """ "onnx fp32 uint8": uint8 where raw pixels are the input."""
    uint8 = " uint8" if subject.input_dtype == "uint8" else ""
    return f"{subject.artifact_format} {subject.precision}{uint8}"


def notes(measurements: Sequence[Measurement]) -> list[str]:
    """What the columns do not say: of which images the accuracy is, and why images/s is not what the median gives."""
    sets = dict.fromkeys((a.where, a.n) for m in measurements if (a := m.accuracy))
    lines = [f"top-1 is on the {n:,} images of {where}, with its 95 % interval" for where, n in sets]
    if any(_differs(m) for m in measurements):
        lines.append("images/s counts every run in the time that all took, slow ones too; the median is one run's")
    return lines


def _differs(m: Measurement) -> bool:
    scenario = m.subject.scenario
    by_median = scenario.streams * scenario.batch / m.median_s
    return m.images_per_s is not None and abs(m.images_per_s / by_median - 1) > MEANS_DIFFER


def _top1(accuracy: Accuracy) -> str:
    """ "91.73 ±0.55": the further end of the interval, in points."""
    low, high = proportion_interval(accuracy.correct, accuracy.n)
    return f"{100 * accuracy.value:.2f} ±{100 * max(accuracy.value - low, high - accuracy.value):.2f}"


def warning_lines(warnings: Sequence[MeasurementWarning]) -> list[str]:
    """A line for each kind of warning: the first detail that was seen, how often, and what to do."""
    kinds: dict[WarningKind, list[str]] = {}
    for warning in warnings:
        kinds.setdefault(warning.kind, []).append(warning.detail)
    lines = []
    for kind, details in kinds.items():
        others = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        lines.append(f"! {kind}: {details[0]}{others}. {ADVICE[kind]}")
    return lines


def misses(outcomes: Sequence[Outcome | Comparison]) -> list[str]:
    """A line for everything that gave no measurement: what, why, and what to do or what it printed last."""
    lines = []
    for outcome in outcomes:
        if isinstance(outcome, Unavailable):
            lines.append(f"{outcome.what}: not available here: {outcome.reason}. {outcome.fix}")
        elif isinstance(outcome, Failure):
            said = filter(None, (f"{outcome.what}: failed: {outcome.reason}", outcome.fix, outcome.output))
            lines.append("\n".join(said).rstrip())
    return lines


def _images_per_s(m: Measurement) -> str:
    return "" if m.images_per_s is None else f"{m.images_per_s:,.0f}"


def _tail(m: Measurement) -> str:
    """The furthest quantile that the samples carry."""
    for name, seconds in (("p99", m.p99_s), ("p90", m.p90_s)):
        if seconds is not None:
            return f"{name} {milliseconds(seconds)}"
    return ""
