"""Where runs are done: processes of this machine, or a Dask cluster. Any other `Executor` will do as well."""

import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from ...bench.worker import die_with_parent
from ...core.errors import UnavailableError
from ...core.missing import require


@contextmanager
def local(workers: int) -> Iterator[Executor]:
    """Fresh processes: forking one that has threads of PyTorch's would hang."""
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        yield pool


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
    with client:
        yield client.get_executor()


def _begin() -> None:
    """Of a worker: Ctrl-C ends it at once and without a traceback, and so does the end of its parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()
