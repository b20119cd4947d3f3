"""Where tasks are done: processes of this machine, a Dask cluster, or whatever `Executor` one has.

Each is entered for the tasks of one study or search, and leaves none of them behind, whatever happens.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import get_context
from typing import Any

from .choices import check
from .errors import UnavailableError, UsageError
from .missing import require
from .orphans import die_with_parent
from .types import Positive


def chosen(workers: int, address: str | None, executor: Executor | None) -> AbstractContextManager[Executor]:
    """An executor of the user's, the cluster at this address, or, without both, so many processes of this machine.

    Raises:
        UsageError: There are both, or no worker.
        UnavailableError: The package for clusters is not installed.
    """
    check("workers", workers, Positive)
    if executor is not None and address is not None:
        raise UsageError("there are two places to work: an executor and a cluster", "Give `dask` or an executor.")
    if executor is not None:
        return given(executor)
    if address is not None:
        require("distributed", "to run on a cluster")
        return dask(address)
    return local(workers)


@contextmanager
def local(workers: int) -> Iterator[Executor]:
    """Fresh processes: forking one that has threads of PyTorch's would hang."""
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        try:
            yield pool
        except BaseException:
            # an interrupt must not wait for tasks of minutes; to cancel them as well would disturb the dying pool
            for process in list((pool._processes or {}).values()):
                process.kill()
            raise


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The workers of the cluster whose scheduler has this address, "tcp://10.0.0.1:8786"."""
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
    with suppress(ImportError):  # libraries show bars with it, whose lock is a semaphore that a killed worker leaves
        from tqdm import tqdm

        tqdm.set_lock(threading.RLock())
