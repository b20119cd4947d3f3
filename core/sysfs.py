"""What the kernel tells in small files, under /proc and /sys. A machine that lacks a file gives None for it."""

from collections.abc import Sequence
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def text(path: Path) -> str | None:
    """All of a file; None where it is missing, or where the kernel refuses to tell."""
    try:
        return path.read_text().strip()
    except OSError:  # not only a missing file: virtual ones may be unreadable for any reason of their driver
        return None


def number(path: Path) -> int | None:
    """A file that holds one number; some drivers write "<unknown>" or "max" instead."""
    said = text(path)
    return int(said) if said and said.lstrip("-").isdecimal() else None


def fields(path: Path) -> dict[str, str]:
    """Lines of "key: value" or "key value"; a key that comes again replaces the one before."""
    pairs = (line.replace("\t", " ").partition(":" if ":" in line else " ") for line in (text(path) or "").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def cpu(core: int) -> Path:
    """The folder of one core."""
    return CPUS / f"cpu{core}"


def clock_mhz(core: int) -> float | None:
    """The clock now. /proc/cpuinfo is no substitute: in a virtual machine it repeats one number for ever."""
    khz = number(cpu(core) / "cpufreq/scaling_cur_freq")
    return khz / 1e3 if khz else None


def max_mhz(cores: Sequence[int]) -> float | None:
    """The highest clock that any of these cores can have."""
    khz = [number(cpu(core) / "cpufreq/cpuinfo_max_freq") or 0 for core in cores]
    return max(khz, default=0) / 1e3 or None


def celsius() -> float | None:
    """The hottest of the thermal zones."""
    found = [number(file) for file in Path("/sys/class/thermal").glob("thermal_zone*/temp")]
    return max((each / 1e3 for each in found if each is not None), default=None)


def governor(cores: Sequence[int]) -> str | None:
    """What chooses the clock of these cores: "performance"; "performance, powersave" where they differ."""
    names = {name for core in cores if (name := text(cpu(core) / "cpufreq/scaling_governor"))}
    return ", ".join(sorted(names)) or None


def turbo() -> bool | None:
    """Whether the clock may rise above its nominal value."""
    no_turbo = number(CPUS / "intel_pstate/no_turbo")
    boost = number(CPUS / "cpufreq/boost")
    return not no_turbo if no_turbo is not None else bool(boost) if boost is not None else None


def last_level_cache_bytes(core: int) -> int | None:
    """The size of the largest cache level that this core reads through."""
    levels = {number(index / "level") or 0: text(index / "size") for index in cpu(core).glob("cache/index*")}
    size = levels[max(levels)] if levels else None  # "32768K"
    return int(size[:-1]) * UNITS[size[-1]] if size else None
