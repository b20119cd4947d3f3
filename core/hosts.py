"""What machine this is: the `Host` record that every measurement carries."""

import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .types import Host

# The instruction sets that decide which kernels a runtime picks, as Linux names them in /proc/cpuinfo.
KERNEL_FLAGS = ("avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp")
LIBRARIES = ("reszoo", "torch", "torchvision", "onnx", "onnxscript", "onnxruntime", "onnxruntime-gpu", "numpy")


@cache
def describe() -> Host:
    """The record of this machine. Reads /proc and package metadata; imports no runtime."""
    info = _cpuinfo()
    return Host(
        machine=platform.machine(),
        cpu=info.get("model name") or platform.processor() or platform.machine(),
        cores=available_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        instruction_sets=_instruction_sets(info),
        gpu=_gpu(),
        os=_os(),
        python=platform.python_version(),
        versions=versions(LIBRARIES),
    )


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """The installed version of each package; those not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _os() -> str:
    """Kernel and distribution: "Linux 6.1.0, Debian GNU/Linux 12 (bookworm)"."""
    kernel = f"{platform.system()} {platform.release().split('-')[0]}"
    try:
        return f"{kernel}, {platform.freedesktop_os_release()['PRETTY_NAME']}"
    except OSError:  # no os-release file: not a Linux distribution
        return kernel


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _instruction_sets(info: dict[str, str]) -> tuple[str, ...]:
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return tuple(flag for flag in KERNEL_FLAGS if flag in flags)


def _gpu() -> str | None:
    """The first NVIDIA GPU's name and driver, by nvidia-smi; None where there is none."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return "nvidia-smi does not answer"
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout.strip() else None
