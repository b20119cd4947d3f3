"""The harness's end of the line to one worker, wherever that runs. The harness sleeps while the worker works."""

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

import msgspec

from ..core.measured import Accuracy, Scenario
from ..core.types import Artifact
from . import protocol

if TYPE_CHECKING:
    import numpy as np

LAST_LINES = 5
PATIENCE_S = 300.0
R = TypeVar("R", bound=protocol.Reply)


class WorkerError(Exception):
    """The worker gave no answer: the reason, and the last lines that it printed."""

    def __init__(self, worker: "Worker", reason: str, output: str) -> None:
        super().__init__(reason)
        self.worker = worker
        self.reason = reason
        self.output = output


class Worker(ABC):
    """A worker as a context manager; on leaving, it is gone, and so is everything that it needed.

    A kind of worker says how lines get to it and back (`write`, `line`), and how it is stopped and ended. What goes
    over the line (`protocol`) is the same for all.

    Attributes:
        artifact: What it measures.
        scenario: How.
        patience_s: How long it may stay silent beyond the time that it was asked to take.
        load_before: The machine's load average from before it started; None where the system does not tell.
    """

    artifact: Artifact
    scenario: Scenario
    patience_s: float
    load_before: float | None = None
    shortest_sample_s: ClassVar[float] = 50e-6  # a shorter run is not timed alone: reading the clock takes about 0.1 us
    is_on_its_own_data: ClassVar[bool] = False  # it reads data sets itself, where the harness would send them

    @abstractmethod
    def write(self, line: bytes) -> None:
        """Send a line, with its end. Raises BrokenPipeError where nobody can read it any more."""

    @abstractmethod
    def line(self, deadline: float) -> bytes | None:
        """The next line, without its end; b"" if the worker's output has ended.

        None if that takes until `deadline` (time.monotonic).
        """

    @abstractmethod
    def ending(self) -> str:
        """How a worker whose output has ended came to its end: "the worker ended with exit code 7"."""

    @abstractmethod
    def output(self) -> str:
        """What it and its runtime have printed so far."""

    @abstractmethod
    def pause(self) -> None:
        """Stop all its threads, so that none of them spins while another worker is measured. They stand on return."""

    @abstractmethod
    def resume(self) -> None:
        """Let them go on."""

    @abstractmethod
    def close(self) -> None:
        """End it, whatever it is doing."""

    @abstractmethod
    def load_request(self, flush_bytes: int) -> protocol.Load:
        """The first request, with paths and times as they are where the worker runs."""

    def cgroup_peak_bytes(self) -> int | None:
        """The most that its control group held at once; None where it has none."""
        return None

    def driver_bytes(self) -> int | None:
        """The GPU memory that the driver counts for it."""
        return None

    def ask(
        self,
        request: protocol.Request,
        kind: type[R],
        seconds: float = 0.0,
        on_progress: Callable[[protocol.Progress], None] = lambda _: None,
    ) -> R:
        """Send a request that takes about `seconds`, and wait for its answer."""
        self.send(request)
        return self.receive(kind, seconds, on_progress)

    def send(self, request: protocol.Request) -> None:
        try:
            self.write(protocol.encode(request))
        except BrokenPipeError:
            raise self.failed(self.ending()) from None

    def receive(
        self,
        kind: type[R],
        seconds: float = 0.0,
        on_progress: Callable[[protocol.Progress], None] = lambda _: None,
    ) -> R:
        """The next reply that is no progress, which has to be a `kind`."""
        while isinstance(reply := self._reply(seconds + self.patience_s), protocol.Progress):
            on_progress(reply)
        if isinstance(reply, protocol.Refusal):
            raise self.failed(reply.reason)
        if not isinstance(reply, kind):
            raise self.failed(f"the worker answered {type(reply).__name__}, not {kind.__name__}")
        return reply

    def predict(self, batch: "np.ndarray") -> "np.ndarray":
        """The logits of a batch as the artifact's input spec describes it."""
        logits = self.ask(protocol.Predict(batch=protocol.Array.of(batch)), protocol.Predicted).logits
        return logits.numpy()

    def evaluate(self, request: protocol.Evaluate, on_progress: Callable[[protocol.Progress], None]) -> Accuracy:
        """Accuracy on a split: of a worker that has no data sets, batch by batch, read and judged here."""
        if self.is_on_its_own_data:
            return self.ask(request, protocol.Evaluated, on_progress=on_progress).accuracy
        from .evaluate import accuracy

        def count(done: int, total: int | None) -> None:
            on_progress(protocol.Progress(done=done, total=total or done))

        return accuracy(self, self.artifact, request, count)

    def failed(self, reason: str) -> WorkerError:
        lines = self.output().strip().splitlines()
        return WorkerError(self, reason, "\n".join(lines[-LAST_LINES:]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reply(self, patience_s: float) -> protocol.Reply:
        line = self.line(time.monotonic() + patience_s)
        if line is None:
            raise self.failed(f"the worker did not answer for {patience_s:.0f} s")
        if not line:
            raise self.failed(self.ending())
        try:
            return protocol.decode_reply(line)
        except msgspec.DecodeError:
            raise self.failed(f"the worker wrote something that is not the protocol: {line[:80]!r}") from None


def load_request(
    worker: Worker, flush_bytes: int, artifact: Path, spawned_at: float, inputs: Path | None = None
) -> protocol.Load:
    """Of a worker that finds its artifact (and its inputs) in these places, and began at `spawned_at` of its clock."""
    return protocol.Load(
        artifact=artifact,
        sha256=worker.artifact.sha256,
        scenario=worker.scenario,
        spawned_at=spawned_at,
        flush_bytes=flush_bytes,
        inputs=inputs,
    )


def thread_settings(scenario: Scenario) -> dict[str, str]:
    """Of a measuring process's environment: libraries read these at import, so they are set before it starts."""
    threads = str(scenario.threads)
    return {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


def how_it_ended(code: int) -> str:
    """A process, by its return code."""
    if code == -signal.SIGKILL:
        return "was killed by SIGKILL: the kernel does that when memory runs out"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
