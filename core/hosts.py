"""What machine this is: the `Host` record that every measurement carries."""

import math
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

from . import cgroups, sysfs
from .measured import Host

# The instruction sets that decide which kernels a runtime picks, as Linux names them in /proc/cpuinfo.
X86_FLAGS = ("avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
ARM_FLAGS = ("asimd", "asimddp", "i8mm", "sve")
LIBRARIES = (
    "reszoo",
    "torch",
    "torchvision",
    "torch-pruning",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "nncf",
    "litert-torch",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "executorch",
    "torchao",
    "ncnn",
    "pnnx",
    "mnn",
    "tflite-micro",
    "ethos-u-vela",
    "coremltools",
    "tensorrt",
    "tensorrt-rtx-cu13",
    "numpy",
)
SOURCE = Path(__file__).resolve().parents[1]


@cache
def describe() -> Host:
    """The record of this machine. Reads /proc, /sys and package metadata; imports no runtime."""
    from .foreign import packages

    info = sysfs.fields(Path("/proc/cpuinfo"))
    cores = allowed_cores()
    return Host(
        machine=platform.machine(),
        cpu=info.get("model name") or platform.processor() or platform.machine(),
        cores=len(cores),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        instruction_sets=_instruction_sets(info),
        gpu=_gpu(),
        os=_os(),
        python=platform.python_version(),
        versions=versions((*LIBRARIES, *packages())),
        governor=sysfs.governor(cores),
        turbo=sysfs.turbo(),
        max_mhz=sysfs.max_mhz(cores),
        last_level_cache_bytes=sysfs.last_level_cache_bytes(cores[0]),
        cpu_limit=cgroups.cpu_limit(),
        memory_limit_bytes=cgroups.memory_limit_bytes(),
        commit=commit(SOURCE),
    )


def allowed_cores() -> tuple[int, ...]:
    """The cores this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def available_cores() -> int:
    """How many cores' time this process has, so how many threads it should compute with: a quota counts, rounded up."""
    cores, quota = len(allowed_cores()), cgroups.cpu_limit()
    return cores if quota is None else max(min(cores, math.ceil(quota)), 1)


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """The installed version of each package; those not installed are left out."""
    from importlib.metadata import PackageNotFoundError, version

    installed = {}
    for name in names:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def commit(source: Path) -> str | None:
    """The git commit of this source folder, with "+" if it was changed; None if it is not a checkout of its own.

    An installed copy may lie inside somebody else's checkout, whose commit says nothing about reszoo.
    """
    if not (source / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "--no-optional-locks", "-C", str(source), "describe", "--always", "--dirty=+", "--abbrev=12"]
    # inside a git hook these variables point at whatever repository is being committed to
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.stdout.strip() or None


def _os() -> str:
    """Kernel and distribution: "Linux 6.1.0, Debian GNU/Linux 12 (bookworm)"."""
    kernel = f"{platform.system()} {platform.release().split('-')[0]}"
    try:
        return f"{kernel}, {platform.freedesktop_os_release()['PRETTY_NAME']}"
    except OSError:  # no os-release file: not a Linux distribution
        return kernel


def _instruction_sets(info: dict[str, str]) -> tuple[str, ...]:
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return tuple(flag for flag in X86_FLAGS + ARM_FLAGS if flag in flags)


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
