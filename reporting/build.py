"""`build`: from measurements to rows, with every statistic and its uncertainty."""

import math
from collections.abc import Sequence

from ..bench.table import by_model
from ..core.errors import UsageError
from ..core.measured import Host, Measurement, Memory
from ..core.statistics import proportion_interval
from .command import command
from .pareto import marked
from .rows import Estimate, MemoryParts, Report, Row, RowWarning, Top1

Engine = tuple[str, str, str, str]


def build(measurements: Sequence[Measurement]) -> Report:
    """A row for each measurement. Raises UsageError if there is none."""
    if not measurements:
        raise UsageError("there is no measurement to report", "Make one: `bench(REF, out=DIR)`.")
    titled = [(title, m) for title, group in by_model(measurements).items() for m in sorted(group, key=_order)]
    hosts: list[Host] = []
    for _, m in titled:
        if m.host not in hosts:  # a host has a dict in it, so a set will not do
            hosts.append(m.host)
    shared = _accuracies(measurements)
    rows = [_row(title, m, hosts.index(m.host), shared.get(_engine(m))) for title, m in titled]
    return Report(
        rows=tuple(marked(rows, hosts)),
        measurements=tuple(m for _, m in titled),
        hosts=tuple(hosts),
    )


def _row(title: str, m: Measurement, host: int, shared: Measurement | None) -> Row:
    subject, scenario = m.subject, m.subject.scenario
    return Row(
        model=title,
        source_ref=subject.source_ref,
        weights_sha256=subject.weights_sha256,
        artifact_sha256=subject.artifact_sha256,
        runtime=scenario.runtime_name,
        device=scenario.device,
        format=subject.artifact_format,
        precision=subject.precision,
        input_dtype=subject.input_dtype,
        threads=scenario.threads,
        streams=scenario.streams,
        batch=scenario.batch,
        cold_cache=scenario.cold_cache,
        host=host,
        target=scenario.target,
        way=str(m.way),
        started_at=m.started_at,
        n_samples=len(m.samples_s),
        latency_s=_estimate(m.median_s, *m.interval_s),
        p90_s=m.p90_s,
        p99_s=m.p99_s,
        images_per_s=_throughput(m),
        accuracy=_top1(m, shared),
        artifact_bytes=subject.artifact_bytes,
        compressed_bytes=subject.compressed_bytes,
        memory_bytes=_parts(m.memory),
        cold_start=m.cold_start,
        warnings=_warnings(m),
        command=command(m),
    )


def _order(m: Measurement) -> tuple[str | int, ...]:
    subject, s = m.subject, m.subject.scenario
    artifact = (subject.artifact_format, subject.precision, subject.input_dtype)
    return s.target, s.device, s.runtime_name, *artifact, s.batch, s.threads, s.streams, s.cold_cache, m.started_at


def _engine(m: Measurement) -> Engine:
    """What an accuracy is a property of: the artifact's bytes, and what runs them."""
    s = m.subject.scenario
    return m.subject.artifact_sha256, s.runtime_name, s.device, s.target


def _accuracies(measurements: Sequence[Measurement]) -> dict[Engine, Measurement]:
    """The latest measurement with an accuracy, for each engine: it is counted beside only one of many scenarios."""
    counted = [m for m in measurements if m.accuracy]
    return {_engine(m): m for m in sorted(counted, key=lambda m: m.started_at)}


def _top1(m: Measurement, shared: Measurement | None) -> Top1 | None:
    counted = m.accuracy or (shared.accuracy if shared else None)
    if counted is None:
        return None
    low, high = proportion_interval(counted.correct, counted.n)
    return Top1(
        value=counted.value,
        low=low,
        high=high,
        dataset=counted.dataset,
        split=counted.split,
        among=counted.among,
        n=counted.n,
        is_shared=m.accuracy is None,
    )


def _throughput(m: Measurement) -> Estimate | None:
    if m.images_per_s is None or m.images_per_s_interval is None:
        return None
    return _estimate(m.images_per_s, *m.images_per_s_interval)


def _estimate(value: float, low: float, high: float) -> Estimate:
    is_known = math.isfinite(low) and math.isfinite(high)
    return Estimate(value=value, low=low if is_known else None, high=high if is_known else None)


def _parts(memory: Memory) -> MemoryParts:
    steps = (memory.started, memory.imported, memory.loaded, memory.first_run)
    started, imported, loaded, first_run = (pages.resident_bytes for pages in steps)
    return MemoryParts(
        taken=memory.taken_bytes,
        runtime=imported - started,
        model=loaded - imported,
        first_run=first_run - loaded,
        later=memory.peak_bytes - first_run,
    )


def _warnings(m: Measurement) -> tuple[RowWarning, ...]:
    from ..bench.machine import ADVICE

    return tuple(RowWarning(kind=seen.kind, detail=seen.detail, advice=ADVICE[seen.kind]) for seen in m.warnings)
