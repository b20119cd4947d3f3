"""Whatever happens to a test, its processes end; and a process that vanishes is no error."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import children, started, state, text, wait_until_gone

SLEEPS = [sys.executable, "-c", "import time; time.sleep(1000)"]
PARENT = [sys.executable, "-c", f"import subprocess; subprocess.run({SLEEPS})"]


def test_a_test_that_fails_leaves_nothing_running() -> None:
    begun: list[int] = []

    def fail() -> None:
        with started(PARENT) as parent:
            while not children(parent.pid):
                time.sleep(0.01)
            begun.extend((parent.pid, *children(parent.pid)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(begun) == 2
    wait_until_gone(begun)


def test_what_a_process_leaves_behind_ends_with_it() -> None:
    program = f"import subprocess; print(subprocess.Popen({SLEEPS}).pid)"
    with started([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        left = int(parent.stdout.readline()) if parent.stdout else 0
    assert parent.returncode == 0
    wait_until_gone([left])


def test_a_process_may_vanish_between_opening_and_reading() -> None:
    with started(SLEEPS) as process, Path(f"/proc/{process.pid}/stat").open() as opened:
        opened_again = Path(f"/proc/self/fd/{opened.fileno()}")
        assert text(opened_again)
        process.kill()
        process.wait()
        with pytest.raises(ProcessLookupError):
            opened_again.read_text()
        assert text(opened_again) == state(process.pid) == ""


def test_only_this_way_processes_are_started() -> None:
    tests = Path(__file__).parents[1].rglob("*.py")
    alone = {path.name for path in tests if "subprocess.Popen(" in path.read_text()}
    assert alone == {"processes.py", Path(__file__).name}
