"""Dynamic batching: what waits is computed together, up to a size, and after a delay at the latest."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError
from ..core.types import Candidate
from ..export.contract.runtime import Session
from .http import busy

# A batch that takes less is computed by the event loop itself: handing it to a thread takes as long as a small network.
AT_ONCE_S = 0.003
WARM_UP_RUNS = 5
LEARNING = 0.1  # how much of the estimate is the last batch's

Logits = NDArray[np.float32]


class Job:
    """Images of one request. `done` is given their logits or an error; `is_wanted` says whether anybody waits still."""

    __slots__ = ("batch", "computed_s", "done", "is_wanted", "queued_s", "since", "together")

    def __init__(
        self, batch: NDArray[Any], done: Callable[["Job", Logits | Exception], None], is_wanted: Callable[[], bool]
    ) -> None:
        self.batch, self.done, self.is_wanted = batch, done, is_wanted
        self.since = time.perf_counter()
        self.queued_s = self.computed_s = 0.0
        self.together = 0


class Batcher:
    """Feeds a session, which one batch at a time may use."""

    def __init__(self, model: Candidate, session: Session, *, max_batch: int, max_delay_s: float, queue: int) -> None:
        self.session = session
        self.least, most = model.input.batch_limits
        self.most = max(min(max_batch, most or max_batch), self.least)
        self.delay_s, self.capacity = max_delay_s, max(queue, self.most)
        self.loop = asyncio.get_running_loop()
        self.jobs: deque[Job] = deque()
        self.images = 0  # that wait
        self.is_running = False
        self.planned: asyncio.Handle | None = None  # the next run, and when it is, 0 being at once
        self.due = 0.0
        self.engine = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self.image_s = self._warm_up(model)

    def _warm_up(self, model: Candidate) -> float:
        """How long an image takes: the first runs allocate memory."""
        batch = np.zeros((self.least, *map(int, model.input.shape[1:])), model.input.dtype)
        times = []
        for _ in range(WARM_UP_RUNS):
            began = time.perf_counter()
            logits = self.session.predict(batch)
            times.append(time.perf_counter() - began)
        if logits.shape != (self.least, len(model.labels)):
            raise ReszooError(
                f"{model.source_ref} gives logits of shape {logits.shape}, and has {len(model.labels)} labels",
                "Its labels are not those of its files: export it again.",
            )
        return min(times) / self.least

    def put(self, job: Job, *, is_alone: bool = False) -> None:
        """Queue it. Raises Refusal where too many wait.

        `is_alone` where nothing else can be on its way: then it is computed before the loop looks for more.
        """
        if self.images + len(job.batch) > self.capacity:
            raise busy("too many images wait", self.images * self.image_s)
        self.jobs.append(job)
        self.images += len(job.batch)
        if is_alone and not self.delay_s and not self.is_running and self.planned is None:
            self._run()
        else:
            self._plan()

    def hurry(self) -> None:
        """From here on nobody waits for others."""
        self.delay_s = 0.0
        self._plan()

    def close(self) -> None:
        self.engine.shutdown()

    def _plan(self) -> None:
        """Nothing runs before the loop has read what there is to read: what arrives together is run together."""
        if self.is_running or not self.jobs:
            return
        is_due = not self.delay_s or self.images >= self.most
        due = 0.0 if is_due else self.jobs[0].since + self.delay_s
        if self.planned is not None:
            if due >= self.due:
                return
            self.planned.cancel()
        self.due = due
        wait_s = due - time.perf_counter()
        self.planned = self.loop.call_later(wait_s, self._run) if wait_s > 0 else self.loop.call_soon(self._run)

    def _run(self) -> None:
        self.planned = None
        jobs, size = [], 0
        while self.jobs and size + len(self.jobs[0].batch) <= self.most:
            job = self.jobs.popleft()
            self.images -= len(job.batch)
            if job.is_wanted():
                jobs.append(job)
                size += len(job.batch)
        if not jobs:
            self._plan()
        elif max(size, self.least) * self.image_s < AT_ONCE_S:
            self._finish(jobs, *self._compute(jobs))
        else:
            self.is_running = True
            future = self.engine.submit(self._compute, jobs)
            future.add_done_callback(lambda future: self.loop.call_soon_threadsafe(self._finished, jobs, future))

    def _compute(self, jobs: list[Job]) -> tuple[Logits | Exception, float, float]:
        began = time.perf_counter()
        try:
            batch = jobs[0].batch if len(jobs) == 1 else np.concatenate([job.batch for job in jobs])
            if len(batch) < self.least:
                batch = np.resize(batch, (self.least, *batch.shape[1:]))
            outcome: Logits | Exception = self.session.predict(batch)
        except Exception as error:
            outcome = error
        return outcome, began, time.perf_counter()

    def _finished(self, jobs: list[Job], future: "Future[tuple[Logits | Exception, float, float]]") -> None:
        self.is_running = False
        self._finish(jobs, *future.result())

    def _finish(self, jobs: list[Job], outcome: Logits | Exception, began: float, ended: float) -> None:
        size = sum(len(job.batch) for job in jobs)
        self.image_s += LEARNING * ((ended - began) / max(size, self.least) - self.image_s)
        start = 0
        for job in jobs:
            job.queued_s, job.computed_s, job.together = began - job.since, ended - began, size
            stop = start + len(job.batch)
            job.done(job, outcome if isinstance(outcome, Exception) else outcome[start:stop])
            start = stop
        self._plan()
