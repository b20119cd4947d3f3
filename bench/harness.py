"""`measure`: one artifact in one scenario, in a fresh worker process, while this process sleeps."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, cast

import msgspec

from ..core.hosts import describe
from ..core.types import Artifact, Failure, Measurement, Scenario
from .protocol import EvaluationJob, Job, Progress, Refusal, Result, decode_message, encode

LAST_LINES = 5
OnProgress = Callable[[Progress], None]


def measure(
    artifact: Artifact,
    scenario: Scenario,
    *,
    evaluation: EvaluationJob | None = None,
    on_progress: OnProgress | None = None,
) -> Measurement | Failure:
    """Measure `artifact` as `scenario` says. A worker that fails is a value, so that others can go on.

    An interrupt of this process ends the worker too.
    """
    host = describe()
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    job = Job(artifact=artifact.path, sha256=artifact.sha256, scenario=scenario, evaluation=evaluation)
    with tempfile.TemporaryFile() as noise:
        with _start(scenario, noise) as worker:  # on leaving, closes the pipes and waits
            try:
                outcome = _converse(worker, job, on_progress)
                if not outcome:  # it has closed its output, so it is ending by itself, and we want to know how
                    worker.wait()
            finally:
                worker.kill()
        if not isinstance(outcome, Result):
            return Failure(
                what=f"{artifact.source_ref} on {scenario}",
                scenario=scenario,
                reason=outcome or _ending(worker),
                output=_tail(noise),
            )
    return Measurement(
        artifact_format=artifact.format,
        artifact_sha256=artifact.sha256,
        artifact_bytes=artifact.size_bytes,
        source_ref=artifact.source_ref,
        weights_sha256=artifact.lineage[-1].input_sha256,
        precision=artifact.precision,
        input_dtype=artifact.input.dtype,
        scenario=scenario,
        host=host,
        started_at=started_at,
        samples_s=outcome.samples_s,
        cold_start=outcome.cold_start,
        memory=outcome.memory,
        accuracy=outcome.accuracy,
    )


def _start(scenario: Scenario, noise: IO[bytes]) -> "subprocess.Popen[bytes]":
    # Libraries read these at import, so they are set before the worker starts.
    threads = {name: str(scenario.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return subprocess.Popen(
        # -P: the user's folder, with a datasets/ or a statistics.py in it, is none of the worker's business
        [sys.executable, "-P", "-m", "reszoo.bench.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=noise,
        env=os.environ | threads,
    )


def _converse(worker: "subprocess.Popen[bytes]", job: Job, on_progress: OnProgress | None) -> Result | str:
    """Give the job, follow the progress, and return the result, or why there is none ("" if it just ended)."""
    asks, answers = cast("IO[bytes]", worker.stdin), cast("IO[bytes]", worker.stdout)
    try:
        asks.write(encode(job))
        asks.close()
    except BrokenPipeError:
        return ""  # it has ended already; the caller says how
    for line in answers:
        try:
            message = decode_message(line)
        except msgspec.DecodeError:
            return f"the worker wrote something that is not the protocol: {line[:80]!r}"
        if isinstance(message, Result):
            return message
        if isinstance(message, Refusal):
            return message.reason
        if on_progress:
            on_progress(message)
    return ""


def _ending(worker: "subprocess.Popen[bytes]") -> str:
    code = worker.returncode
    return (
        f"the worker was killed by {signal.Signals(-code).name}"
        if code < 0
        else f"the worker ended with exit code {code}"
    )


def _tail(noise: IO[bytes]) -> str:
    noise.seek(0)
    return "\n".join(noise.read().decode(errors="replace").strip().splitlines()[-LAST_LINES:])
