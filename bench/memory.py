"""Resident memory of this process, in bytes, as the kernel counts it (Linux)."""

from pathlib import Path


def resident_bytes() -> int:
    """Now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """At its highest since this program started (getrusage would count what was there before exec as well)."""
    return _status("VmHWM")


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")
