"""The workers of a server: processes that listen at one address. One that dies is started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..core.errors import ReszooError, UsageError
from .http import BACKLOG
from .options import ServeOptions

METRICS = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client's processes count together
SHORT_S, MOST_SHORT = 10.0, 3  # so many lives in a row that were shorter end the server
STDERR = 2
UNANSWERED = 5  # the exit code of a worker that had to leave requests unanswered

# What to run for a worker, given the descriptors of its socket and of where it says that it is ready.
Command = Callable[[int, int], Sequence[str]]


def tell(descriptor: int, **message: object) -> None:
    """What a worker says once: that it is ready, with what it is, or why it cannot be (`problem`, `fix`)."""
    with os.fdopen(descriptor, "w") as file:
        json.dump(message, file)


class Worker:
    """A process, and what it says when it begins."""

    def __init__(self, command: Command, listening: socket.socket, environment: dict[str, str]) -> None:
        reading, writing = os.pipe()
        passed = (listening.fileno(), writing)
        self.listening, self.began = listening, time.monotonic()
        # in a group of its own, so that Ctrl-C reaches the supervisor alone; what engines print is no output of ours
        self.process = subprocess.Popen(
            command(*passed), pass_fds=passed, env=environment, process_group=0, stdout=STDERR
        )
        os.close(writing)
        self.telling = os.fdopen(reading)
        self.message: dict[str, Any] = {}

    def hear(self) -> None:
        """Wait for its message, which is empty if it dies before."""
        with self.telling:
            text = self.telling.read()
        self.message = json.loads(text) if text else {}

    @property
    def is_ready(self) -> bool:
        return bool(self.message) and "problem" not in self.message


class Supervisor:
    """Starts the workers, keeps them, and stops them by SIGTERM or SIGINT."""

    def __init__(self, command: Command, options: ServeOptions) -> None:
        self.command, self.options = command, options
        self.workers: list[Worker] = []
        self.is_stopping = False
        self.ended: SimpleQueue[Worker] = SimpleQueue()
        self.environment = dict(os.environ)

    def run(self, ready: Callable[[str, dict[str, Any]], None]) -> None:
        """Until it is stopped. `ready` is told the address, and what a worker said when it began.

        Raises ReszooError where a worker cannot begin, dies again and again, or leaves requests unanswered.
        """
        with ExitStack() as stack:
            sockets = stack.enter_context(_listening(self.options))
            self.environment.pop(METRICS, None)
            if len(sockets) > 1:
                self.environment[METRICS] = stack.enter_context(tempfile.TemporaryDirectory(prefix="reszoo-"))
            stack.callback(self._kill)
            stack.enter_context(self._signals(sockets))
            for listening in sockets:
                self._start(listening)
            if not self.is_stopping:
                host, port = sockets[0].getsockname()[:2]
                ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/", self.workers[0].message)
            self._keep()

    def _start(self, listening: socket.socket) -> None:
        if self.is_stopping:
            return
        worker = Worker(self.command, listening, self.environment)
        self.workers.append(worker)
        threading.Thread(target=self._wait, args=(worker,), daemon=True).start()
        if self.is_stopping:  # since it was started
            worker.process.send_signal(signal.SIGTERM)
        worker.hear()
        if not worker.is_ready and not self.is_stopping:
            raise FailedError(worker)

    def _wait(self, worker: Worker) -> None:
        worker.process.wait()
        self.ended.put(worker)

    def _keep(self) -> None:
        """Start those again that die, until all have stopped because they were told to."""
        short = unanswered = 0
        while self.workers:
            worker = self.ended.get()
            self.workers.remove(worker)
            unanswered += worker.process.returncode == UNANSWERED
            if self.is_stopping:
                continue
            short = short + 1 if time.monotonic() - worker.began < SHORT_S else 0
            how = _how(worker.process.returncode)
            if short >= MOST_SHORT:
                raise ReszooError(f"the server's workers {how} as soon as they are started", "See what they printed.")
            print(f"reszoo serve: a worker {how}; another one takes its place", file=sys.stderr, flush=True)
            if folder := self.environment.get(METRICS):
                for gauge in Path(folder).glob(f"gauge_live*_{worker.process.pid}.db"):
                    gauge.unlink()
            self._start(worker.listening)
        if unanswered:
            raise ReszooError("requests in flight were left unanswered", "Give them longer with `grace=60`.")

    @contextmanager
    def _signals(self, sockets: list[socket.socket]) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:
            self.is_stopping = True
            for each in sockets:  # else the kernel would still take connections for workers that are gone
                each.close()
            for worker in self.workers:
                worker.process.send_signal(signal.SIGTERM)

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _kill(self) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()


class FailedError(ReszooError):
    """A worker did not begin. Its exit code is the worker's."""

    def __init__(self, worker: Worker) -> None:
        how = _how(worker.process.wait())
        problem = str(worker.message.get("problem", f"the server's worker {how} before it was ready"))
        super().__init__(problem, str(worker.message.get("fix", "Try another engine with `runtime=onnxruntime`.")))
        self.exit_code = max(worker.process.returncode, 1)


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


@contextmanager
def _listening(options: ServeOptions) -> Iterator[list[socket.socket]]:
    """A socket for each worker, all at one address, among which the kernel shares connections out.

    They stay open here, so that nothing that waits for a worker is lost when another takes its place.
    """
    with ExitStack() as stack:
        try:
            found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, _, _, address = found[0]
            with _socket(
                family
            ) as probe:  # sockets that share an address do not see that it is taken by another server
                probe.bind(address)
                address = (address[0], probe.getsockname()[1], *address[2:])
            sockets = [stack.enter_context(_socket(family)) for _ in range(options.workers)]
            for each in sockets:
                if options.workers > 1:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                each.bind(address)
                each.listen(BACKLOG)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                f"cannot listen at {options.host}:{options.port}: {reason}", "Choose another `port` or `host`."
            ) from error
        yield sockets


def _socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made
