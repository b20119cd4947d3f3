"""Which cores a worker is bound to."""

import os

from ..core import sysfs


def choose_cores(n: int) -> tuple[int, ...]:
    """`n` of the cores this process may use; () if there are fewer, or where a process cannot be bound (macOS).

    Distinct physical cores come first: two threads on one share its arithmetic units. Among them the fastest, where
    they differ (performance and efficiency cores), then the last: core 0 takes most interrupts.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if n > len(allowed):
        return ()
    ranked = sorted(allowed, key=lambda core: (_speed(core), core), reverse=True)
    of_their_own: dict[str, int] = {}  # the first of each physical core
    for core in ranked:
        of_their_own.setdefault(_physical(core), core)
    first = list(of_their_own.values())
    return tuple(sorted((first + [core for core in ranked if core not in first])[:n]))


def _speed(core: int) -> float:
    return sysfs.number(sysfs.cpu(core) / "cpu_capacity") or sysfs.max_mhz([core]) or 0


def _physical(core: int) -> str:
    """The same for all hardware threads of one physical core."""
    return sysfs.text(sysfs.cpu(core) / "topology/thread_siblings_list") or str(core)
