"""Processes of a test's own, and processes seen from outside. Any of them may vanish at any moment."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def started(command: Sequence[str | Path], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Popen, for a `with`: on leaving, its end is waited for, but after a failure it is killed first.

    Then nothing is left of what it started: it leads a group of its own, all of which is killed.
    """
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        with process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def state(pid: int) -> str:
    """As proc(5) has it: R, S, T (stopped), Z (ended, not yet waited for); "" for none."""
    stat = told(pid, "stat")
    return stat.rpartition(")")[2].split()[0] if stat else ""


def told(pid: int, name: str) -> str:
    """What /proc tells of a process in the file `name`; "" for none."""
    return text(Path(f"/proc/{pid}/{name}"))


def text(file: Path) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):  # gone before it is opened, or before it is read
        return file.read_text()
    return ""


def wait_until_gone(pids: list[int], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while alive := [pid for pid in pids if state(pid) not in ("", "Z")]:
        assert time.monotonic() < end, f"still there: {alive}"
        time.sleep(0.05)
