"""Looking at processes from outside."""

import subprocess
import time
from pathlib import Path

# What a shell starts in the background ignores SIGINT, and so does all that is started from there.
INTERRUPTIBLE = ["env", "--default-signal=INT"]


def children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def state(pid: int) -> str:
    """As proc(5) has it: R, S, T (stopped), Z (ended, not yet waited for); "" for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def wait_until_gone(pids: list[int], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while alive := [pid for pid in pids if state(pid) not in ("", "Z")]:
        assert time.monotonic() < end, f"still there: {alive}"
        time.sleep(0.05)
