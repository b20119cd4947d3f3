"""What can be measured on this machine, and what makes measurements on it unreliable: all that `reszoo doctor` says."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..core import sysfs
from ..core.hosts import describe, versions
from ..core.measured import Conditions, Host
from ..core.silence import quietly
from ..core.types import Record, Unavailable
from ..export.contract.format import Format, formats
from ..export.contract.runtime import Device, Engine, Runtime, runtimes
from .machine import ADVICE, Watch, host_warnings
from .target import Target

WATCH_S = 1.0
FEW_CORES = 2


class Tool(Record, frozen=True, kw_only=True):
    """A runtime or a format: its package's version, the devices it runs on (a format has none), what is missing."""

    name: str
    version: str | None
    works: bool
    devices: tuple[str, ...]
    missing: tuple[Unavailable, ...]


class Int8(Record, frozen=True, kw_only=True):
    """An extension of the instruction set that decides what int8 gains, and what having it (or not) means."""

    name: str
    present: bool
    meaning: str


class HostWarning(Record, frozen=True, kw_only=True):
    """Something that makes measurements here unreliable, and what to do."""

    what: str
    advice: str


class HostCheck(Record, frozen=True, kw_only=True):
    """This machine: what it is, what works on it, and what makes measurements on it unreliable."""

    host: Host
    runtimes: tuple[Tool, ...]
    formats: tuple[Tool, ...]
    int8: tuple[Int8, ...]
    conditions: Conditions
    warnings: tuple[HostWarning, ...]


class Extension(NamedTuple):
    name: str
    flags: frozenset[str]
    present: str
    absent: str


# One instruction of VNNI or dotprod does four int8 multiply-adds where fp32 has room for one. Without VNNI that takes
# three instructions, and the first adds pairs of products in 16 bits (Rodriguez et al. 2018, "Lower Numerical Precision
# Deep Learning Inference and Training"). A cycle and core, AMX does 2048 int8 operations and VNNI 256 (Intel,
# optimization manual).
X86 = (
    Extension(
        name="VNNI",
        flags=frozenset({"avx512_vnni", "avx_vnni"}),
        present="int8 does up to 4 times the multiply-adds of fp32, and sums them in 32 bits: exact",
        absent="u8 x s8 sums of models without a certificate may saturate; arithmetic gains 1.3 times at most",
    ),
    Extension(
        name="AMX",
        flags=frozenset({"amx_int8"}),
        present="tiles of int8 do up to 8 times the multiply-adds of VNNI, where layers are large enough",
        absent="no matrix unit: what the vector units give is all that int8 gains",
    ),
)
ARM = (
    Extension(
        name="dotprod",
        flags=frozenset({"asimddp"}),
        present="int8 does up to 4 times the multiply-adds of fp32, and sums them in 32 bits: exact",
        absent="int8 has to be widened to 16 bits first: its arithmetic gains little",
    ),
    Extension(
        name="i8mm",
        flags=frozenset({"i8mm"}),
        present="matrix instructions do up to 2 times the multiply-adds of dotprod",
        absent="no matrix instructions: what dotprod gives is all that int8 gains",
    ),
)
EXTENSIONS = {"x86_64": X86, "AMD64": X86, "aarch64": ARM, "arm64": ARM}


def check_host() -> HostCheck:
    """Look at this machine for about a second, and at what is installed on it."""
    host = describe()
    watch = Watch((), (), device="cuda" if host.gpu else "cpu")
    time.sleep(WATCH_S)
    watch.look()
    conditions = watch.stop()
    return HostCheck(
        host=host,
        runtimes=tuple(map(_runtime, runtimes().values())),
        formats=tuple(map(_format, formats().values())),
        int8=int8_of(host),
        conditions=conditions,
        warnings=warnings(host, conditions),
    )


def check_target(target: Target) -> HostCheck:
    """The same of a target that has been reached. Nothing is exported there, so that no format is."""
    host = target.host()
    watch = target.watch(())
    time.sleep(WATCH_S)
    watch.look()
    conditions = watch.stop()
    now = [HostWarning(what=each.detail, advice=ADVICE[each.kind]) for each in host_warnings(host, conditions)]
    emulated = [HostWarning(what=why.reason, advice=why.fix)] if (why := target.untimed()) else []
    return HostCheck(
        host=host,
        runtimes=tuple(_engine(engine, host) for engine in target.engines().values()),
        formats=(),
        int8=int8_of(host),
        conditions=conditions,
        warnings=(*emulated, *now, *_nature_of(host)),
    )


def int8_of(host: Host) -> tuple[Int8, ...]:
    """The extensions of this kind of CPU; () where reszoo knows none, or cannot find out which it has (macOS)."""
    found = []
    for extension in EXTENSIONS.get(host.machine, ()) if host.instruction_sets else ():
        present = not extension.flags.isdisjoint(host.instruction_sets)
        meaning = extension.present if present else extension.absent
        found.append(Int8(name=extension.name, present=present, meaning=meaning))
    return tuple(found)


def warnings(host: Host, conditions: Conditions) -> tuple[HostWarning, ...]:
    """What goes on now comes first, then what this machine is."""
    now = [HostWarning(what=each.detail, advice=ADVICE[each.kind]) for each in host_warnings(host, conditions)]
    return (*now, *_nature(host))


def _nature_of(host: Host) -> Iterator[HostWarning]:
    """What the record of a machine tells."""
    if host.cpu_limit:
        yield HostWarning(what=f"a quota of {host.cpu_limit:g} cores' time", advice=ADVICE["quota"])
    if host.cores <= FEW_CORES:
        yield HostWarning(
            what=f"few cores ({host.cores}), for the worker and for the system",
            advice="Use fewer threads than cores, or a machine with more.",
        )


def _nature(host: Host) -> Iterator[HostWarning]:
    """And what this one tells beside it."""
    yield from _nature_of(host)
    if swapped := _swap_used_bytes():
        yield HostWarning(
            what=f"{swapped / 1e6:.0f} MB are swapped out",
            advice="Free memory: a page that comes back takes a disk's time.",
        )
    if host.turbo:
        yield HostWarning(
            what="turbo is on: the clock depends on heat and on how many cores work",
            advice=f"For absolute figures turn it off: {_turbo_off()}",
        )
    if "hypervisor" in sysfs.fields(Path("/proc/cpuinfo")).get("flags", ""):
        unseen = "" if sysfs.clock_mhz(0) else ", and does not tell its clock"
        yield HostWarning(
            what=f"a virtual machine: it shares caches and memory bandwidth{unseen}",
            advice="Trust ratios that were measured in turns (reszoo compare) more than milliseconds.",
        )


def _turbo_off() -> str:
    intel = sysfs.CPUS / "intel_pstate/no_turbo"
    return f"echo 1 | sudo tee {intel}" if intel.exists() else f"echo 0 | sudo tee {sysfs.CPUS}/cpufreq/boost"


def _swap_used_bytes() -> int:
    kilobytes = {key: int(value.split()[0]) for key, value in sysfs.fields(Path("/proc/meminfo")).items()}
    return 1024 * (kilobytes.get("SwapTotal", 0) - kilobytes.get("SwapFree", 0))


def _runtime(runtime: Runtime) -> Tool:
    packages = runtime.packages or (runtime.name,)
    missing = {device: _missing(packages[0], partial(_runs, runtime, device)) for device in runtime.devices}
    devices = tuple(device for device, why in missing.items() if why is None)
    lacks = tuple(filter(None, missing.values()))
    return Tool(
        name=runtime.name,
        version=_version(packages, () if devices else lacks),
        works=bool(devices),
        devices=devices,
        missing=lacks,
    )


def _engine(engine: Engine, host: Host) -> Tool:
    missing = tuple(filter(None, (engine.unavailable(device) for device in engine.devices)))
    packages = (*engine.packages, engine.name)
    return Tool(
        name=engine.name,
        version=next((host.versions[name] for name in packages if name in host.versions), None),
        works=not missing,
        devices=() if missing else engine.devices,
        missing=missing,
    )


def _runs(runtime: Runtime, device: Device) -> Unavailable | None:
    """Only its import tells whether an engine that is installed is whole."""
    if missing := runtime.unavailable(device):
        return missing
    with quietly():
        runtime.preload()
    return None


def _format(plugin: Format) -> Tool:
    missing = _missing(plugin.packages[0], plugin.unavailable)
    lacks = (missing,) if missing else ()
    return Tool(
        name=plugin.name,
        version=_version(plugin.packages[:1], lacks),
        works=missing is None,
        devices=(),
        missing=lacks,
    )


def _version(packages: Sequence[str], lacks: Sequence[Unavailable]) -> str | None:
    """None where it is for lack of a package that nothing works: another one may be there."""
    if any(why.package for why in lacks):
        return None
    return next(iter(versions(tuple(packages)).values()), None)


def _missing(package: str, check: Callable[[], Unavailable | None]) -> Unavailable | None:
    try:
        return check()
    except Exception as error:  # it is installed, but broken: just what a doctor has to find, whatever it raises
        said = str(error).strip().split("\n")[0] or type(error).__name__
        reason = f"it cannot be imported: {said}"
        return Unavailable(what=package, reason=reason, fix=f"pip install --force-reinstall {package}")
