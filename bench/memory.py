"""Memory of a process, in bytes, as the kernel counts it (Linux): of this one, and of all in a control group."""

import errno
import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ..core import cgroups, sysfs
from ..core.errors import UnavailableError
from ..core.measured import Pages

if TYPE_CHECKING:
    from typing import Self

PROC = Path("/proc/self")
# How long processes that were killed may take to leave their control group.
PATIENCE_S = 5.0
# What the two versions of the interface call the same thing: first version 1, then 2.
PREFIX = "reszoo-"  # and the id of the process that made the group
FILES = {
    "peak": ("memory.max_usage_in_bytes", "memory.peak"),
    "limit": ("memory.limit_in_bytes", "memory.max"),
    "swap": ("memory.memsw.limit_in_bytes", "memory.swap.max"),
    "events": ("memory.oom_control", "memory.events"),
}


def pages() -> Pages:
    """What is resident now. smaps_rollup walks the page tables; the counters in status are approximations."""
    counts = _kernel_says("smaps_rollup")
    resident = _bytes(counts["Rss"])
    # what is neither anonymous nor shared memory belongs to a file
    shared_memory = _bytes(_kernel_says("status").get("RssShmem", "0"))
    return Pages(
        resident_bytes=resident,
        private_bytes=_bytes(counts["Private_Clean"]) + _bytes(counts["Private_Dirty"]),
        file_bytes=max(resident - _bytes(counts["Anonymous"]) - shared_memory, 0),
    )


def reset_peak() -> None:
    """Let the peak begin anew at what is resident now (proc(5), clear_refs)."""
    (PROC / "clear_refs").write_text("5")


def peak_bytes() -> int:
    """Resident memory at its highest since `reset_peak`, or since this program started.

    The kernel's high-water mark lags behind by some pages per core, so what is resident now may be more.
    """
    return max(_bytes(_kernel_says("status")["VmHWM"]), pages().resident_bytes)


def _kernel_says(name: str) -> dict[str, str]:
    if found := sysfs.fields(PROC / name):
        return found
    raise UnavailableError(
        f"memory cannot be measured: this kernel has no readable {PROC / name}",
        "It needs Linux 4.14 or newer with /proc mounted, and no sandbox that replaces the kernel.",
    )


def _bytes(kilobytes: str) -> int:
    """ "1776 kB" -> 1818624."""
    return int(kilobytes.split()[0]) * 1024


class ControlGroup:
    """A control group for one worker, made and removed by its parent: it counts the page cache and children too."""

    def __init__(self, folder: Path, version: int) -> None:
        self.folder, self.version = folder, version

    @classmethod
    def create(cls) -> "ControlGroup | None":
        """A fresh, empty group that has memory accounting; None where this process may not have one."""
        if (own := cgroups.own("memory")) is None:
            return None
        for parent in _possible_parents(own):
            _remove_orphans(parent)
            with suppress(OSError):  # not ours to write to: no group, which is what None says
                made = cls(Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent)), own.version)
                if made._file("limit").exists():
                    return made
                made.close()
        return None

    def add(self, pid: int) -> bool:
        """Move a process in, early: what it took before stays with its old group. False if that is not allowed."""
        try:
            (self.folder / "cgroup.procs").write_text(str(pid))
        except ProcessLookupError:
            return True  # it has ended already, so there is nothing to count
        except OSError:
            return False  # making a group may be allowed, and moving processes between groups not
        return True

    def peak_bytes(self) -> int | None:
        """The most that the group held at once; None before Linux 5.19 with version 2."""
        return sysfs.number(self._file("peak"))

    def limit(self, limit_bytes: int) -> None:
        """Let the kernel kill a process of the group when it needs more than this, swap included."""
        self._file("limit").write_text(str(limit_bytes))
        if self._file("swap").exists():
            self._file("swap").write_text("0" if self.version == 2 else str(limit_bytes))

    def killed(self) -> bool:
        """Whether the kernel killed a process of the group because memory ran out."""
        return int(sysfs.fields(self._file("events")).get("oom_kill", "0")) > 0

    def close(self) -> None:
        """Kill what still runs in the group, and remove it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            for pid in (sysfs.text(self.folder / "cgroup.procs") or "").split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            try:
                return self.folder.rmdir()
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    return None  # an empty group does no harm; it goes when the next one is made
                time.sleep(0.01)

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _file(self, what: str) -> Path:
        return self.folder / FILES[what][self.version - 1]


def _remove_orphans(parent: Path) -> None:
    """The empty groups of harnesses that were killed."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", owner).exists():
            with suppress(OSError):  # another one is quicker, or it is not ours, or not empty
                folder.rmdir()


def _possible_parents(own: cgroups.Group) -> list[Path]:
    """Where a worker's group may be made.

    In version 2 a group that holds processes cannot hand memory accounting down (cgroups(7), "no internal
    processes"), so the worker's has to stand beside it; but only if that frees the worker from no limit.
    """
    is_limited = any(
        not (sysfs.text(own.folder / name) or "max").startswith("max")
        for name in ("memory.max", "memory.high", "memory.swap.max", "cpu.max", "pids.max")
    )
    is_limited = is_limited or any(sysfs.text(own.folder / name) for name in ("cpuset.cpus", "cpuset.mems"))
    beside = own.version == 2 and own.folder != own.mount and not is_limited
    return [own.folder, own.folder.parent] if beside else [own.folder]
