"""Control groups of this process, version 1 and 2: which they are, and what they allow (Linux, cgroups(7))."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from . import sysfs

# Version 1 writes "no limit" as the largest number of whole pages, a little below 2**63.
NO_LIMIT_BYTES = 1 << 62


class Group(NamedTuple):
    """A control group's folder, the folder where its hierarchy is mounted, and which interface its files follow."""

    folder: Path
    mount: Path
    version: Literal[1, 2]

    def with_parents(self) -> Iterator[Path]:
        """Itself and all groups that it lies in: a limit of any of them holds."""
        yield self.folder
        if self.folder != self.mount:
            yield from self._replace(folder=self.folder.parent).with_parents()


def own(controller: str) -> Group | None:
    """This process's group in the hierarchy that has `controller` ("cpu", "memory")."""
    groups, mounts = sysfs.text(Path("/proc/self/cgroup")), sysfs.text(Path("/proc/self/mountinfo"))
    return find(controller, groups or "", mounts or "")


def find(controller: str, groups: str, mounts: str) -> Group | None:
    """The same, from the text of /proc/PID/cgroup and /proc/PID/mountinfo.

    A container may see only a part of the hierarchy: then `root`, the part that is mounted, is not "/". The group may
    even lie outside of that part; then the mounted folder is the nearest that can be seen.
    """
    paths = {}  # by controller; "" is version 2
    for line in groups.splitlines():  # 4:cpu,cpuacct:/user.slice
        _, controllers, place = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), place))
    version: Literal[1, 2] = 1 if controller in paths else 2
    path = Path(paths.get(controller) or paths.get("") or "/")
    for line in mounts.splitlines():  # ID PARENT DEV ROOT MOUNT OPTIONS ... - TYPE SOURCE OPTIONS
        place, _, kind = line.partition(" - ")
        root, mount = place.split()[3:5]
        kind, _, options = kind.split(" ", 2)
        if kind == "cgroup2" if version == 2 else kind == "cgroup" and controller in options.split(","):
            is_seen = path.is_relative_to(root) and ".." not in path.parts
            inside = path.relative_to(root) if is_seen else Path()
            return Group(Path(mount) / inside, Path(mount), version)
    return None


def cpu_limit() -> float | None:
    """How many cores' time the quotas leave to this process; None without a quota."""
    group = own("cpu")
    limits = [_cores(folder, group.version) for folder in group.with_parents()] if group else []
    return min((limit for limit in limits if limit), default=None)


def _cores(folder: Path, version: int) -> float | None:
    if version == 2:  # "200000 100000", or "max 100000"
        quota, _, period = (sysfs.text(folder / "cpu.max") or "max").partition(" ")
        return None if quota == "max" else int(quota) / int(period)
    quota_us, period_us = (sysfs.number(folder / f"cpu.cfs_{what}_us") for what in ("quota", "period"))
    return quota_us / period_us if quota_us and quota_us > 0 and period_us else None


def memory_limit_bytes() -> int | None:
    """How much memory this process's groups may take; None without a limit."""
    group = own("memory")
    if group is None:
        return None
    name = "memory.max" if group.version == 2 else "memory.limit_in_bytes"
    limits = (sysfs.number(folder / name) for folder in group.with_parents())
    return min((limit for limit in limits if limit is not None and limit < NO_LIMIT_BYTES), default=None)


def throttled_s() -> float | None:
    """Seconds for which a quota kept this process's groups waiting, since they exist; None where none is counted.

    The largest of the group and its parents: the one whose quota binds.
    """
    group = own("cpu")
    if group is None:
        return None
    name, unit = ("throttled_usec", 1e-6) if group.version == 2 else ("throttled_time", 1e-9)
    counts = [sysfs.fields(folder / "cpu.stat").get(name) for folder in group.with_parents()]
    return max((int(count) * unit for count in counts if count), default=None)
