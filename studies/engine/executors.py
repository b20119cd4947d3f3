"""Where runs are done: processes of this machine, a Dask cluster, or whatever `Executor` one has.

Each is entered for the runs of one study, and leaves none of them behind, whatever happens.
"""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from ...core.errors import UnavailableError
from ...core.missing import require
from ...core.orphans import die_with_parent


@contextmanager
def local(workers: int) -> Iterator[Executor]:
    """Fresh processes: forking one that has threads of PyTorch's would hang."""
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        try:
            yield pool
        except BaseException:
            # an interrupt must not wait for runs of minutes; to cancel them as well would disturb the dying pool
            for process in list((pool._processes or {}).values()):
                process.kill()
            raise


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The workers of the cluster whose scheduler has this address, "tcp://10.0.0.1:8786"."""
    require("distributed", "to run on a cluster")
    from distributed import Client

    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"no Dask scheduler answers at {address}",
            "Start one with `dask scheduler`, and give its address as `dask`.",
        ) from error
    with client, given(client.get_executor()) as executor:
        yield executor


@contextmanager
def given(executor: Executor) -> Iterator[Executor]:
    """One that somebody else closes: only what is still to be done for us is taken back."""
    ours = _Remembering(executor)
    try:
        yield ours
    finally:
        for future in ours.futures:
            future.cancel()


class _Remembering(Executor):
    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.futures: list[Future[Any]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        self.futures.append(self.executor.submit(work, *args, **options))
        return self.futures[-1]


def _begin() -> None:
    """Of a worker: a signal to the whole group, as Ctrl-C is, is left to the parent, and its end is the worker's."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()
