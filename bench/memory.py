"""Resident memory of this process, in bytes, as the kernel counts it (Linux)."""

from pathlib import Path


def resident_bytes() -> int:
    """Now."""
    return _status("VmRSS")


def reset_peak() -> None:
    """Let the peak begin anew at what is resident now (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """At its highest since `reset_peak`, or since this program started."""
    return _status("VmHWM")


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")
