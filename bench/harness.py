"""`measure`: one artifact in one scenario, in a fresh worker process."""

import zlib
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..core.errors import ReszooError
from ..core.estimates import relative_half_width
from ..core.measured import (
    Accuracy,
    DeviceMemory,
    Failure,
    Host,
    Measurement,
    MeasurementWarning,
    Memory,
    Scenario,
    Subject,
)
from ..core.progress import Progress, silent
from ..core.types import Artifact, FileRecord
from ..datasets.classes import ClassMap
from ..datasets.info import Split
from . import protocol
from .client import PATIENCE_S, Worker, WorkerError
from .drift import drifted
from .machine import warnings_of
from .sampling import Samples, WarmUp, sample_until_precise, warm_up
from .target import Target
from .targets.local import HERE

# Where the size of the last cache is not known, this is more than most have.
UNKNOWN_CACHE_BYTES = 64 << 20


class EvaluationRequest(NamedTuple):
    """Measure accuracy on a whole split, `batch` images at a time, and keep the predictions in a file.

    `classes_file` is what `classes` was read from, if it was.
    """

    dataset: str
    split: Split
    batch: int
    predictions: Path
    classes: ClassMap
    classes_file: FileRecord | None = None


def measure(
    artifact: Artifact,
    scenario: Scenario,
    *,
    evaluation: EvaluationRequest | None = None,
    progress: Progress = silent,
    patience_s: float = PATIENCE_S,
    target: Target = HERE,
) -> Measurement | Failure:
    """Measure `artifact` as `scenario` says, on `target`. A worker that fails is a value, so that others can go on.

    `patience_s` is how long the worker may stay silent. An interrupt of this process ends the worker too.
    """
    started_at = now()
    name = f"{artifact.source_ref} on {scenario}"
    if untimed := target.untimed():
        return Failure(what=name, scenario=scenario, reason=untimed.reason, fix=untimed.fix)
    try:
        host = target.host()
        what = subject(artifact, scenario)  # before anything is measured: its folder may be gone afterwards
        with target.worker(artifact, scenario, patience_s=patience_s) as worker:
            progress("loading")
            loaded = worker.ask(load_request(worker, host), protocol.Loaded)
            progress("warming up")
            warm = warm_up(worker, scenario.warmup_limit_s)
            progress("sampling")
            watch = target.watch([worker])
            samples = sample_until_precise(worker, scenario, warm.run_s, watch.look)
            conditions = watch.stop()
            memory = _memory(worker, loaded, scenario)
            accuracy = _accuracy(worker, evaluation, progress) if evaluation else None
    except WorkerError as error:
        return Failure(what=name, scenario=scenario, reason=error.reason, output=error.output)
    except ReszooError as error:
        return Failure(what=name, scenario=scenario, reason=error.problem, fix=error.fix)
    return Measurement(
        subject=what,
        host=host,
        started_at=started_at,
        samples_s=tuple(samples.samples_s),
        runs_per_sample=samples.runs_per_sample,
        windows=tuple(samples.windows),
        warmup_s=warm.seconds,
        clock=loaded.clock,
        cold_start=loaded.cold_start,
        memory=memory,
        conditions=conditions,
        warnings=(*warnings_of(host, scenario, conditions), *_warnings(scenario, warm, samples)),
        accuracy=accuracy,
        way=target.way,
    )


def subject(artifact: Artifact, scenario: Scenario) -> Subject:
    return Subject(
        source_ref=artifact.source_ref,
        weights_sha256=artifact.weights_sha256,
        artifact_format=artifact.format,
        artifact_sha256=artifact.sha256,
        artifact_bytes=artifact.size_bytes,
        compressed_bytes=_compressed_bytes(artifact.path, artifact.files),
        precision=artifact.precision,
        input_dtype=artifact.input.dtype,
        scenario=scenario,
        made=artifact.made,
    )


def load_request(worker: Worker, host: Host) -> protocol.Load:
    is_cold = worker.scenario.cold_cache
    return worker.load_request(2 * (host.last_level_cache_bytes or UNKNOWN_CACHE_BYTES) if is_cold else 0)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@lru_cache
def _compressed_bytes(folder: Path, files: tuple[FileRecord, ...]) -> int:
    """Of all files together, each as zlib packs it: what a download or an image layer takes."""
    try:
        return sum(len(zlib.compress((folder / file.name).read_bytes())) for file in files)
    except OSError as error:
        raise ReszooError(f"{error.filename} cannot be read: {error.strerror}", "Export it again.") from error


def _memory(worker: Worker, loaded: protocol.Loaded, scenario: Scenario) -> Memory:
    read = worker.ask(protocol.ReadMemory(), protocol.MemoryRead)
    device = None
    if scenario.device == "cuda":
        device = DeviceMemory(allocator_bytes=read.allocator_bytes, driver_bytes=worker.driver_bytes())
    return Memory(
        started=loaded.started,
        imported=loaded.imported,
        loaded=loaded.loaded,
        first_run=loaded.first_run,
        steady=read.steady,
        peak_bytes=read.peak_bytes,
        cgroup_peak_bytes=worker.cgroup_peak_bytes(),
        device=device,
    )


def _accuracy(worker: Worker, evaluation: EvaluationRequest, progress: Progress) -> Accuracy:
    def follow(reply: protocol.Progress) -> None:
        progress("accuracy", reply.done, reply.total)

    return worker.evaluate(protocol.Evaluate(**evaluation._asdict()), follow)


def _warnings(scenario: Scenario, warm: WarmUp, samples: Samples) -> list[MeasurementWarning]:
    """What the samples themselves give reason to doubt."""
    found = []
    if not warm.is_steady:
        found.append(
            MeasurementWarning(
                kind="not_steady", detail=f"not known to be steady after {warm.seconds:.1f} s of warming up"
            )
        )
    if drifted(samples.samples_s):
        found.append(MeasurementWarning(kind="drift", detail="the latency moved by more than 2 % while it was sampled"))
    reached = relative_half_width(samples.samples_s)
    if reached > scenario.precision:
        detail = f"the median is known to {100 * reached:.1f} %, {100 * scenario.precision:g} % was asked for"
        found.append(MeasurementWarning(kind="imprecise", detail=detail))
    return found
