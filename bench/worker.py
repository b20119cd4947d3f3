"""The measuring process: `python -m reszoo.bench.worker`. It does what it is told (`protocol`) and decides nothing.

All judgement (is it warm, are these samples enough) is the harness's, so that nothing but the runtime and the loop
that times it is in this process.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, TypeVar

from ..core.errors import ReszooError
from ..core.measured import ColdStart, Pages
from ..core.orphans import die_with_parent
from ..core.types import Artifact
from ..export import artifacts
from ..export.contract.runtime import Runtime, Session, engine_errors, opened, runtimes
from ..export.feeding import inputs_for
from . import protocol
from .memory import pages, peak_bytes, reset_peak
from .timing import Stream, cache_flusher, sample

T = TypeVar("T")
Tell = Callable[[protocol.Reply], None]


def main(known: Callable[[], Mapping[str, Runtime]] = runtimes) -> None:
    """Serve one harness until it closes our input. `known` gives the runtimes that a scenario may name."""
    entered_at = time.monotonic()
    die_with_parent()
    answers = _claim_stdout()

    def tell(reply: protocol.Reply) -> None:
        answers.write(protocol.encode(reply))
        answers.flush()

    requests = map(protocol.decode_request, sys.stdin.buffer)
    job = next(requests, None)
    if job is None:
        return  # the harness has changed its mind
    if not isinstance(job, protocol.Load):
        raise TypeError(f"the first request has to be Load, not {type(job).__name__}")
    try:
        _serve(job, known()[job.scenario.runtime], entered_at, requests, tell)
    except ReszooError as error:
        tell(protocol.Refusal(reason=str(error)))
    except ImportError as error:  # of a library that was built for another system
        tell(protocol.Refusal(reason=f"{job.scenario.runtime} cannot be imported: {error}"))
    except MemoryError as error:
        tell(protocol.Refusal(reason=f"out of memory: {error or 'an allocation failed'}"))


def _serve(
    job: protocol.Load, runtime: Runtime, entered_at: float, requests: Iterator[protocol.Request], tell: Tell
) -> None:
    artifact = artifacts.read(job.artifact)
    if artifact.sha256 != job.sha256:
        raise ReszooError(f"{job.artifact} was replaced while it was measured", "Measure it again.")
    if job.scenario.cores:
        os.sched_setaffinity(0, job.scenario.cores)
    inputs = _inputs(artifact, job)
    flush = cache_flusher(job.flush_bytes)
    with ExitStack() as stack:
        loaded, streams, inputs_bytes = _load(job, artifact, runtime, inputs, entered_at, stack)
        tell(loaded)
        for request in requests:
            tell(_answer(request, streams, artifact, inputs_bytes, flush, tell))


def _answer(
    request: protocol.Request,
    streams: Sequence[Stream],
    artifact: Artifact,
    inputs_bytes: int,
    flush: Callable[[], None] | None,
    tell: Tell,
) -> protocol.Reply:
    session = streams[0].session
    if isinstance(request, protocol.Sample):
        return sample(streams, request, flush)
    if isinstance(request, protocol.ReadMemory):
        return protocol.MemoryRead(
            steady=_without(pages(), inputs_bytes),
            peak_bytes=peak_bytes() - inputs_bytes,
            allocator_bytes=session.allocator_peak_bytes(),
        )
    if isinstance(request, protocol.Evaluate):
        return _evaluate(session, artifact, request, tell)
    if isinstance(request, protocol.Predict):
        return protocol.Predicted(logits=protocol.Array.of(session.predict(request.batch.numpy())))
    raise TypeError(f"{type(request).__name__} is no request for a loaded worker")


def _inputs(artifact: Artifact, job: protocol.Load) -> Any:
    """(POOL, batch, ...), there before anything is measured, because they are the harness's and not the runtime's."""
    import numpy as np

    return np.load(job.inputs) if job.inputs else inputs_for(artifact, job.scenario)


def _load(
    job: protocol.Load, artifact: Artifact, runtime: Runtime, inputs: Any, entered_at: float, stack: ExitStack
) -> tuple[protocol.Loaded, list[Stream], int]:
    """The cold start, step by step, then the other streams' sessions; and the memory that placed inputs take."""
    scenario = job.scenario

    def session() -> Session:
        how: dict[str, Any] = {"threads": scenario.threads, "variant": scenario.variant}
        return stack.enter_context(opened(runtime, artifact, device=scenario.device, **how))

    reset_peak()  # making the inputs took more than they do
    started = pages()
    import_s, imported, _ = _step(runtime.preload)
    load_s, loaded, first = _step(session)
    _, with_inputs, placed = _step(lambda: [first.place(batch) for batch in inputs])
    inputs_bytes = max(with_inputs.resident_bytes - loaded.resident_bytes, 0)  # the harness's, not the runtime's

    def run() -> None:
        with engine_errors(lambda: f"{runtime.name} cannot run {artifact.path}"):
            first.run(placed[0])
            first.synchronise()

    first_run_s, first_run, _ = _step(run)
    streams = [Stream(first, placed)]
    for _ in range(scenario.streams - 1):
        other = session()
        streams.append(Stream(other, [other.place(batch) for batch in inputs]))
        streams[-1].settle(1)  # its first run is not one of many at once
    cold_start = ColdStart(
        start_s=entered_at - job.spawned_at, import_s=import_s, load_s=load_s, first_run_s=first_run_s
    )
    steps = protocol.Loaded(
        cold_start=cold_start,
        started=started,
        imported=imported,
        loaded=loaded,
        first_run=_without(first_run, inputs_bytes),
        clock=streams[0].clock.name,
    )
    return steps, streams, inputs_bytes


def _without(seen: Pages, size_bytes: int) -> Pages:
    """The pages less anonymous ones of our own."""
    resident, private = (max(n - size_bytes, 0) for n in (seen.resident_bytes, seen.private_bytes))
    return Pages(resident_bytes=resident, private_bytes=private, file_bytes=seen.file_bytes)


def _step(action: Callable[[], T]) -> tuple[float, Pages, T]:
    """Seconds, the memory afterwards, and what it returned."""
    start = time.perf_counter()
    result = action()
    seconds = time.perf_counter() - start
    return seconds, pages(), result


def _evaluate(session: Session, artifact: Artifact, request: protocol.Evaluate, tell: Tell) -> protocol.Evaluated:
    from .evaluate import accuracy

    def count(done: int, total: int | None) -> None:
        tell(protocol.Progress(done=done, total=total or done))

    return protocol.Evaluated(accuracy=accuracy(session, artifact, request, count))


def _claim_stdout() -> BinaryIO:
    """Keep standard output for the protocol; what any library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main()
