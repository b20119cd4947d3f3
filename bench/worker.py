"""The measuring process: `python -m reszoo.bench.worker`, one job, then it ends. `protocol` says how it speaks.

Each stage is measured apart: importing the runtime, loading the model, the first run, then the steady state.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

from ..core.errors import ReszooError
from ..core.types import Accuracy, Artifact, ColdStart, Memory
from ..export import artifacts
from ..export.contract import Runtime, Session, runtimes
from ..export.parity import feed, sample_images
from .memory import peak_bytes, reset_peak, resident_bytes
from .protocol import EvaluationJob, Job, Message, Progress, Refusal, Result, decode_job, encode

# Different real batches, used in turn, so that no single input stays in the cache.
POOL = 8
LEAST_SAMPLES = 20
T = TypeVar("T")


def main() -> None:
    answers = _claim_stdout()

    def tell(message: Message) -> None:
        answers.write(encode(message))
        answers.flush()

    job = decode_job(sys.stdin.buffer.readline())
    try:
        tell(carry_out(job, tell))
    except ReszooError as error:
        tell(Refusal(reason=str(error)))


def carry_out(job: Job, tell: Callable[[Message], None]) -> Result:
    artifact = artifacts.read(job.artifact)
    if artifact.sha256 != job.sha256:
        raise ReszooError(f"{job.artifact} was replaced while it was measured", "Measure it again.")
    scenario = job.scenario
    runtime: Runtime = runtimes()[scenario.runtime]
    # the inputs are made before anything is measured: they are the harness's, not the runtime's
    images, _ = sample_images(artifact.dataset, artifact.preprocess, POOL * scenario.batch, scenario.seed)
    inputs = feed(images, artifact.input, artifact.preprocess).reshape(POOL, scenario.batch, *artifact.input.shape[1:])

    reset_peak()  # making the inputs took more than they do
    baseline_bytes = resident_bytes()
    import_s, _ = _timed(runtime.preload)
    runtime_bytes = resident_bytes()
    load_s, session = _timed(
        lambda: runtime.load(artifact, device=scenario.device, threads=scenario.threads, variant=scenario.variant)
    )
    with session:
        loaded_bytes = resident_bytes()
        placed = [session.place(batch) for batch in inputs]
        first_run_s, _ = _timed(lambda: _run(session, placed[0]))
        tell(Progress(stage="warming up", done=0, total=1))
        _sample(session, placed, scenario.warmup_s)
        tell(Progress(stage="sampling", done=0, total=1))
        samples = _sample(session, placed, scenario.sampling_s)
        memory = Memory(
            baseline_bytes=baseline_bytes,
            runtime_bytes=runtime_bytes,
            loaded_bytes=loaded_bytes,
            peak_bytes=peak_bytes(),
        )
        accuracy = evaluate(session, artifact, job.evaluation, tell) if job.evaluation else None
    cold_start = ColdStart(import_s=import_s, load_s=load_s, first_run_s=first_run_s)
    return Result(samples_s=tuple(samples), cold_start=cold_start, memory=memory, accuracy=accuracy)


def evaluate(session: Session, artifact: Artifact, job: EvaluationJob, tell: Callable[[Message], None]) -> Accuracy:
    """Top-1 on a whole split, streamed in batches; for a fixed batch the last one is filled up."""
    import numpy as np

    from .. import datasets

    fixed = artifact.input.shape[0]
    data = datasets.load(job.dataset, job.split)
    correct = done = 0
    for images, labels in data.batches(artifact.preprocess, job.batch):
        if isinstance(fixed, int):
            images = np.resize(images, (fixed, *images.shape[1:]))
        logits = session.predict(feed(images, artifact.input, artifact.preprocess))[: len(labels)]
        correct += int((logits.argmax(1) == labels).sum())
        done += len(labels)
        tell(Progress(stage="accuracy", done=done, total=len(data)))
    return Accuracy(dataset=job.dataset, split=job.split, n=done, correct=correct)


def _run(session: Session, placed: object) -> None:
    session.run(placed)
    session.synchronise()


def _sample(session: Session, placed: list[object], seconds: float) -> list[float]:
    """Seconds of each run, for at least `seconds` and at least `LEAST_SAMPLES` runs, without garbage collection."""
    samples: list[float] = []
    inputs = _cycle(placed)
    gc.collect()
    gc.disable()
    try:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(samples) < LEAST_SAMPLES:
            batch = next(inputs)
            start = time.perf_counter()
            _run(session, batch)
            samples.append(time.perf_counter() - start)
    finally:
        gc.enable()
    return samples


def _cycle(placed: list[object]) -> Iterator[object]:
    while True:
        yield from placed


def _timed(action: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def _claim_stdout() -> BinaryIO:
    """Keep standard output for the protocol; what any library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main()
