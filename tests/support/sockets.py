"""What a command asks of the network, in native code too: as strace sees its system calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CALLS = "socket,connect,sendto,sendmsg,sendmmsg"
# libuuid reads the network card's address through it, and sends nothing. Who sends opens one with more flags.
UUIDS = "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)"
INTERNET = ("AF_INET", "AF_INET6", "sin_addr")


def asked(command: list[str], folder: Path, **more: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """How the command ended, and its calls that were for the network. Its home and its TMPDIR lie in `folder`."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    trace = folder / "trace"
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1", **more}
    traced = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(trace), *command]
    done = subprocess.run(traced, capture_output=True, text=True, env=environment)
    if "ptrace" in done.stderr.lower():
        pytest.skip("strace may not look at processes here")
    seen = [line for line in trace.read_text().splitlines() if any(word in line for word in INTERNET)]
    return done, [line for line in seen if UUIDS not in line]
