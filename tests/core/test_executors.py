"""Where runs are done: processes that end with their parent, and clusters."""

import os
import sys
import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from processes import children, started, wait_until_gone

import reszoo
from reszoo.core import executors
from reszoo.core.errors import UnavailableError, UsageError

PARENT = """
import time
from reszoo.core.executors import local

if __name__ == "__main__":
    with local(2) as pool:
        print(*(pool.submit(time.time).result() > 0 for _ in range(2)), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""

INTERRUPTED = """
from reszoo.core.executors import local


def show_a_bar():
    from tqdm import tqdm

    tqdm([]).close()


if __name__ == "__main__":
    with local(1) as pool:
        pool.submit(show_a_bar).result()
        raise KeyboardInterrupt
"""


def test_runs_are_done_in_other_processes() -> None:
    with executors.local(1) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()


def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path) -> None:
    import subprocess

    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    with started([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "True True\n"
        workers = children(run.pid)
        assert len(workers) >= 2
        run.kill()
        run.wait()
        wait_until_gone(workers)


def test_a_cluster_does_what_this_machine_does(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with ExitStack() as stack:
        cluster = stack.enter_context(
            distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
        )
        address = cluster.scheduler_address
        found = reszoo.study("gradient-flow", scale="smoke", seeds=1, out=tmp_path / "out", dask=address)
    assert found.runs == 28


def test_a_cluster_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UnavailableError, match="no Dask scheduler answers at tcp") as refused:
        reszoo.study("gradient-flow", scale="smoke", seeds=1, out=tmp_path / "out", dask="tcp://127.0.0.1:1")
    assert "`dask`" in refused.value.fix


@pytest.mark.parametrize(
    ("workers", "address", "mine", "says"),
    [(0, None, None, "`workers=0` is not possible"), (1, "tcp://x:1", ThreadPoolExecutor(1), "two places to work")],
)
def test_one_place_to_work_is_chosen(workers: int, address: str | None, mine: Executor | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        executors.chosen(workers, address, mine)


def test_an_interrupt_takes_back_what_is_not_done_yet_and_leaves_the_executor_open() -> None:
    started, hold, futures = threading.Event(), threading.Event(), []

    def work() -> bool:
        started.set()
        return hold.wait()

    def interrupted() -> None:
        with executors.given(pool) as ours:
            futures.extend([ours.submit(work), ours.submit(os.getpid)])
            started.wait()
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        hold.set()
        assert futures[0].result()
        assert futures[1].cancelled()
        assert pool.submit(os.getpid).result() == os.getpid()


def test_an_interrupt_does_not_wait_for_processes() -> None:
    def interrupted() -> None:
        with executors.local(1) as pool:
            pool.submit(os.getpid).result()
            pool.submit(time.sleep, 600)
            pool.submit(time.sleep, 600)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 100


def test_a_killed_worker_leaves_nothing_that_python_warns_of(tmp_path: Path) -> None:
    import subprocess

    program = tmp_path / "interrupted.py"
    program.write_text(INTERRUPTED)
    run = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert "leaked" not in run.stderr


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its process to the collector
def test_a_job_queue_starts_the_workers(tmp_path: Path) -> None:
    """As on a cluster with Slurm: dask-jobqueue writes the job's script, and a job of this machine runs it."""
    pytest.importorskip("dask_jobqueue")
    from dask_jobqueue.local import LocalCluster

    with LocalCluster(
        cores=1,
        processes=1,
        memory="2GB",
        log_directory=str(tmp_path / "logs"),
        scheduler_options={"dashboard_address": ":0"},
    ) as cluster:
        cluster.scale(jobs=1)
        found = reszoo.study(
            "gradient-flow", scale="smoke", seeds=1, out=tmp_path / "out", dask=cluster.scheduler_address
        )
    assert found.runs == 28
