"""What the machine does while something is measured, and which of that is reason to doubt the measurement."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ..core import cgroups, hosts, sysfs
from ..core.measured import Conditions, Host, MeasurementWarning, Scenario, WarningKind
from . import gpu

# More than this share of one core to others, and they evict the caches and hold the worker's core now and then. The
# housekeeping of a large machine takes more than this, on cores that are not the worker's: so for each 8 cores.
FOREIGN_CORES = 0.05
CORES_OF_A_SMALL_MACHINE = 8
# A core that is taken away stops the worker dead for milliseconds, so less is enough than of foreign load.
STEAL_CORES = 0.01
# A quota takes all of the group's cores away for the rest of a period of 100 ms: that makes a tail of its own.
QUOTA_SHARE = 0.01
# Clocks vary by some per cent between readings; a tenth is a slowdown.
CLOCK_SHARE = 0.9
# A few pages of a library are always read late; each takes as long as a small model's run.
MAJOR_FAULTS = 10
# /proc counts in ticks of 10 ms, rounded for each core and kind, so over less than this a share means nothing.
LEAST_S = 1.0
LOOK_INTERVAL_S = 0.2  # looking costs CPU time as well
GPU_INTERVAL_S = 5.0

ADVICE: dict[WarningKind, str] = {
    "foreign_load": "Stop the other jobs and measure again; or compare, in turns, which see the same load.",
    "steal": "Neighbours on the physical machine took it: measure again later, or on a dedicated one.",
    "throttled": "Let the CPU cool, or hold it at a clock that it can keep (turbo off), and measure again.",
    "quota": "Raise the container's CPU quota, or use fewer threads than it has cores' time.",
    "powersave": "Let the clock stay high: sudo cpupower frequency-set -g performance",
    "oversubscribed": "Use fewer `threads` or `streams`: threads that share a core wait for each other.",
    "not_steady": "Latency still changed when the warm-up's time was over: warm up for longer, on a quiet machine.",
    "drift": "Latency changed while it was sampled: find out what did (clock, other jobs, memory), and measure again.",
    "imprecise": "Sample for longer, quieten the machine, or be content with less (`half_width`).",
    "paging": "The worker waited for the disk: free some memory, or use a smaller batch.",
    "gpu_slowdown": "Let the GPU cool, or hold it at a clock that it can keep: sudo nvidia-smi --lock-gpu-clocks=MHZ",
    "gpu_shared": "Stop what else computes on the GPU, or choose another with CUDA_VISIBLE_DEVICES.",
}


class Process(NamedTuple):
    """CPU time of a process and all its threads in seconds, and the pages it had to read from disk, since it began."""

    cpu_s: float
    major_faults: int


class Watch:
    """Counts from when it is made until `stop`; `look` reads, now and then, what has no counter.

    `pids` are the worker's processes, whose work is not foreign (nor is this process's own); `cores` those that they
    are bound to. `load_before` is the load average from before the worker started, if not now.
    """

    def __init__(
        self,
        pids: Sequence[int],
        cores: Sequence[int],
        *,
        device: Literal["cpu", "cuda"] = "cpu",
        load_before: float | None = None,
    ) -> None:
        self.cores, self.device = tuple(cores), device
        self.clocks: list[float] = []
        self.celsius: list[float] = []
        self.gpu_looks: list[gpu.Look] = []
        self.looked_at = self.gpu_looked_at = -GPU_INTERVAL_S
        self.asking_s = 0.0
        self.load_before = load_average() if load_before is None else load_before
        self.before = {pid: process(pid) or Process(0, 0) for pid in pids}
        self.latest = dict(self.before)
        self.counters = _Counters.read()

    def look(self) -> None:
        """While the worker works: the clocks of its cores, and its GPU; neither of them all too often."""
        if time.monotonic() - self.looked_at < LOOK_INTERVAL_S:
            return
        self.looked_at = time.monotonic()
        self._look_at_processes()
        if (celsius := sysfs.celsius()) is not None:
            self.celsius.append(celsius)
        cores = self.cores or hosts.allowed_cores()
        if clocks := [mhz for core in cores if (mhz := sysfs.clock_mhz(core))]:
            # of cores that the worker is free to choose from, the fastest is the one that it is on
            self.clocks.append(min(clocks) if self.cores else max(clocks))
        if self.device == "cuda" and time.monotonic() - self.gpu_looked_at > GPU_INTERVAL_S:
            self._look_at_gpu()

    def stop(self) -> Conditions:
        """What happened. A process that has ended meanwhile counts as it was last seen."""
        self._look_at_processes()
        start, end = self.counters, _Counters.read()
        spent = [(self.before[pid], self.latest[pid]) for pid in self.before]
        ours_s = self.asking_s + end.own_s - start.own_s + sum(after.cpu_s - before.cpu_s for before, after in spent)
        thermal_events = _rise(start.thermal_events, end.thermal_events)
        gpu_mhz = [look.mhz for look in self.gpu_looks if look.mhz is not None]
        return Conditions(
            seconds=end.at_s - start.at_s,
            load_before=self.load_before,
            foreign_cpu_s=_rise(ours_s, _rise(start.busy_s, end.busy_s)),
            steal_s=_rise(start.steal_s, end.steal_s),
            cgroup_throttled_s=_rise(start.throttled_s, end.throttled_s),
            min_mhz=sorted(self.clocks)[len(self.clocks) // 10] if self.clocks else None,  # one low reading is chance
            max_mhz=max(self.clocks, default=None),
            thermal_events=None if thermal_events is None else round(thermal_events),
            major_faults=sum(after.major_faults - before.major_faults for before, after in spent),
            gpu_min_mhz=min(gpu_mhz, default=None),
            gpu_max_mhz=max(gpu_mhz, default=None),
            gpu_slowdowns=tuple(sorted({reason for look in self.gpu_looks for reason in look.slowdowns})),
            gpu_processes=max((gpu.foreign(look.processes, list(self.before)) for look in self.gpu_looks), default=0),
            max_celsius=max(self.celsius, default=None),
        )

    def _look_at_processes(self) -> None:
        self.latest |= {pid: now for pid in self.before if (now := process(pid))}

    def _look_at_gpu(self) -> None:
        before = os.times()
        if seen := gpu.look():
            self.gpu_looks.append(seen)
        after = os.times()
        self.asking_s += sum(after[2:4]) - sum(before[2:4])  # nvidia-smi is our child, not foreign
        self.gpu_looked_at = time.monotonic()


class _Counters(NamedTuple):
    """Counters of the whole machine at one moment; None is "not counted here"."""

    at_s: float
    own_s: float
    busy_s: float | None
    steal_s: float | None
    throttled_s: float | None
    thermal_events: int | None

    @classmethod
    def read(cls) -> "_Counters":
        busy_s, steal_s = _spent(hosts.allowed_cores())
        return cls(time.monotonic(), time.process_time(), busy_s, steal_s, cgroups.throttled_s(), _thermal_events())


def _rise(before: float | None, after: float | None) -> float | None:
    """Never negative: ticks are rounded, and a core that was taken offline takes its counters with it."""
    return None if before is None or after is None else max(after - before, 0.0)


def warnings_of(host: Host, scenario: Scenario, conditions: Conditions) -> tuple[MeasurementWarning, ...]:
    """The reasons to doubt what was measured in `conditions`, as far as the machine gives them."""
    found = list(host_warnings(host, conditions))
    wanted = scenario.threads * scenario.streams
    limit = min(host.cores, host.cpu_limit or host.cores)
    if wanted > limit:
        found.append(MeasurementWarning(kind="oversubscribed", detail=f"{wanted} threads on {limit:g} cores"))
    return tuple(found)


def host_warnings(host: Host, conditions: Conditions) -> Iterator[MeasurementWarning]:
    """The part of `warnings_of` that holds for whatever is measured."""
    c, seconds = conditions, max(conditions.seconds, LEAST_S)
    size = max(host.cores / CORES_OF_A_SMALL_MACHINE, 1)
    if c.foreign_cpu_s and c.foreign_cpu_s > FOREIGN_CORES * size * seconds:
        detail = f"other processes used {100 * c.foreign_cpu_s / seconds:.0f} % of a core"
        yield MeasurementWarning(kind="foreign_load", detail=detail)
    if c.steal_s and c.steal_s > STEAL_CORES * size * seconds:
        yield MeasurementWarning(
            kind="steal", detail=f"the hypervisor took {100 * c.steal_s / seconds:.0f} % of a core away"
        )
    if c.cgroup_throttled_s and c.cgroup_throttled_s > QUOTA_SHARE * seconds:
        detail = f"the container's CPU quota was used up for {c.cgroup_throttled_s:.2f} of {c.seconds:.1f} s"
        yield MeasurementWarning(kind="quota", detail=detail)
    if c.thermal_events:
        yield MeasurementWarning(kind="throttled", detail=f"the CPU slowed down to cool {c.thermal_events} times")
    elif c.min_mhz and c.max_mhz and c.min_mhz < CLOCK_SHARE * c.max_mhz:
        yield MeasurementWarning(kind="throttled", detail=f"the clock fell from {c.max_mhz:.0f} to {c.min_mhz:.0f} MHz")
    if host.governor and "powersave" in host.governor:
        yield MeasurementWarning(kind="powersave", detail=f"the CPU frequency governor is {host.governor}")
    if c.major_faults > MAJOR_FAULTS:
        yield MeasurementWarning(kind="paging", detail=f"{c.major_faults} pages were read from disk")
    if c.gpu_slowdowns:
        clock = f" to {c.gpu_min_mhz:.0f} MHz" if c.gpu_min_mhz else ""
        detail = f"the GPU lowered its clock{clock}: {', '.join(c.gpu_slowdowns)}"
        yield MeasurementWarning(kind="gpu_slowdown", detail=detail)
    if c.gpu_processes:
        yield MeasurementWarning(kind="gpu_shared", detail=f"{c.gpu_processes} other processes compute on the GPU")


def load_average() -> float | None:
    """Processes that ran or waited, mean of the last minute; None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def process(pid: int) -> Process | None:
    """What a process has used so far; None if it has ended, or where there is no /proc."""
    stat = sysfs.text(Path(f"/proc/{pid}/stat"))
    if not stat:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces; then from field 3 of proc(5)
    major_faults, user, system = fields[9], fields[11], fields[12]
    return Process((int(user) + int(system)) * _tick_s(), int(major_faults))


def _spent(cores: Sequence[int]) -> tuple[float | None, float | None]:
    """Seconds that these cores together were busy, and that the hypervisor took from them, since boot.

    What others do on cores that are not ours is none of our business. (None, None) where a core is not counted.
    """
    stat = sysfs.fields(Path("/proc/stat"))
    busy = stolen = 0
    for core in cores:
        if (count := stat.get(f"cpu{core}")) is None:
            return None, None
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, count.split()[:8])  # user has guests' time
        busy, stolen = busy + user + nice + system + irq + softirq, stolen + steal
    return busy * _tick_s(), stolen * _tick_s()


def _tick_s() -> float:
    return 1 / os.sysconf("SC_CLK_TCK")


def _thermal_events() -> int | None:
    """How often any core or package slowed down to cool; a package is counted by each of its cores."""
    events: dict[str, int] = {}
    for file in sysfs.CPUS.glob("cpu[0-9]*/thermal_throttle/*_throttle_count"):
        package = sysfs.text(file.parents[1] / "topology/physical_package_id")
        events[f"package {package}" if file.name.startswith("package") else str(file)] = sysfs.number(file) or 0
    return sum(events.values()) if events else None
