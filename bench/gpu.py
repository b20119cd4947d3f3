"""What NVIDIA's driver tells of the GPU, by nvidia-smi: its clock, why that is not higher, and who uses it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

# Bits of clocks_event_reasons.active (NVML API reference, nvmlClocksEventReasons). Idling and a clock that somebody
# chose are reasons too, but they disturb nothing.
SLOWDOWNS = {
    0x04: "sw_power_cap",
    0x08: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
}
Processes = dict[int, int | None]
MIB = 1 << 20


class Look(NamedTuple):
    """One moment of the GPU. `processes` maps the ids of all that compute on it to the bytes that each holds."""

    mhz: int | None
    slowdowns: tuple[str, ...]
    processes: Processes


def look() -> Look | None:
    """Ask the driver, which takes a good part of a second of CPU time; None where there is no nvidia-smi."""
    clocks = _ask("--query-gpu=clocks.sm,clocks_event_reasons.active")
    processes = _ask("--query-compute-apps=pid,used_memory")
    if clocks is None or processes is None:
        return None
    return Look(*parse_clocks(clocks), parse_processes(processes))


def parse_clocks(text: str) -> tuple[int | None, tuple[str, ...]]:
    """ "1980, 0x0000000000000004" -> 1980 MHz, ("sw_power_cap",); "[N/A], [N/A]" in some virtual machines."""
    clock, _, reasons = text.strip().partition(", ")
    mask = int(reasons, 16) if reasons.startswith("0x") else 0
    return _number(clock), tuple(name for bit, name in SLOWDOWNS.items() if mask & bit)


def parse_processes(text: str) -> Processes:
    """A line a process, id and MiB: "4242, 518"; "4242, [N/A]" where the driver may not tell."""
    pairs = (line.split(", ") for line in text.strip().splitlines())
    return {int(pid): size * MIB if (size := _number(used)) is not None else None for pid, used in pairs}


def foreign(processes: Processes, pids: Sequence[int]) -> int:
    """How many of `processes` are not `pids`.

    Inside a container the driver may know ours by ids that we do not; so each one missing explains one stranger.
    """
    return max(len(processes.keys() - set(pids)) - len(set(pids) - processes.keys()), 0)


def _ask(query: str) -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]  # the one that a runtime calls cuda:0
    command = ["nvidia-smi", f"--id={gpu}", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
