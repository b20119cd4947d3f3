"""The loop that times runs. What is inside the timed region is the runtime's, but for well under a microsecond."""

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any, NamedTuple

from ..export.contract.runtime import Session
from .protocol import Sample, Sampled


class Taken(NamedTuple):
    """One sample: when it began and ended (time.perf_counter), and its seconds per run by the session's clock."""

    began: float
    ended: float
    run_s: float


class Stream:
    """One session, and its inputs in turn."""

    def __init__(self, session: Session, inputs: Sequence[Any]) -> None:
        self.session = session
        self.inputs = cycle(inputs)
        self.clock = session.clock()

    def settle(self, runs: int) -> None:
        for batch in islice(self.inputs, runs):
            self.session.run(batch)
        self.session.synchronise()

    def take(self, request: Sample, between: Callable[[], None] | None) -> list[Taken]:
        """Samples one after the other. `between` is called before each, untimed."""
        run, inputs, runs = self.session.run, self.inputs, request.runs_per_sample
        now, mark, finish = time.perf_counter, self.clock.mark, self.clock.finish
        marks: list[tuple[float, float, Any, Any]] = []
        end = now() + request.seconds
        while not marks or marks[-1][1] < end:
            if between:
                between()
            batches = list(islice(inputs, runs))
            began = now()
            start = mark()
            for batch in batches:
                run(batch)
            finish()
            stop = mark()
            marks.append((began, now(), start, stop))
        self.session.synchronise()
        return [Taken(began, ended, self.clock.seconds(start, stop) / runs) for began, ended, start, stop in marks]


def sample(streams: Sequence[Stream], request: Sample, between: Callable[[], None] | None) -> Sampled:
    """All streams at once, each in a thread of its own if there are several; no garbage is collected meanwhile."""
    with _no_garbage_collection():
        for stream in streams:
            stream.settle(request.settle)
        if len(streams) == 1:
            taken = streams[0].take(request, between)
            seconds = sum(one.run_s for one in taken) * request.runs_per_sample
        else:
            taken = sorted(_in_threads(streams, request, between), key=lambda one: one.ended)
            seconds = taken[-1].ended - min(one.began for one in taken)
    return Sampled(samples_s=tuple(one.run_s for one in taken), seconds=seconds)


def _in_threads(streams: Sequence[Stream], request: Sample, between: Callable[[], None] | None) -> list[Taken]:
    """All begin together. The first error of any is raised here."""
    together = threading.Barrier(len(streams))

    def work(stream: Stream) -> list[Taken]:
        together.wait()
        return stream.take(request, between)

    with ThreadPoolExecutor(len(streams)) as threads:
        return [one for taken in threads.map(work, streams) for one in taken]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """What has lived until now is frozen: to look through all of PyTorch again would take longer than many a block."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def cache_flusher(size_bytes: int) -> Callable[[], None] | None:
    """A function that writes over `size_bytes`, so that nothing else is left in the caches; None for 0."""
    if not size_bytes:
        return None
    import numpy as np

    buffer = np.zeros(size_bytes, np.uint8)

    def flush() -> None:
        np.add(buffer, 1, out=buffer)

    return flush
