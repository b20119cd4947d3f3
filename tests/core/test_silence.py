"""What native code and Python print never lands on standard output, and telemetry stays away."""

import subprocess
import sys

from reszoo.core.silence import TELEMETRY, quietly, without_telemetry

TALK = """
import ctypes, logging, warnings
from reszoo.core.silence import quietly

c = ctypes.CDLL(None)
print("before")
c.printf(b"native before\\n")
with quietly():
    print("talk")
    c.printf(b"native talk\\n")
    warnings.warn("advice")
    logging.warning("advice")
    logging.error("failure")
    with quietly():
        c.printf(b"nested talk\\n")
c.printf(b"native after\\n")
c.fflush(None)
print("after")
"""


def test_only_what_is_not_silenced_is_on_standard_output() -> None:
    done = subprocess.run([sys.executable, "-c", TALK], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["before", "native before", "native after", "after"]
    assert sorted(done.stderr.splitlines()) == ["ERROR:root:failure", "native talk", "nested talk", "talk"]


def test_telemetry_is_hidden_as_often_as_asked_and_comes_back() -> None:
    missing = TELEMETRY not in sys.modules
    sys.modules.setdefault(TELEMETRY, sys)
    before = sys.modules[TELEMETRY]
    try:
        with without_telemetry():
            with without_telemetry():
                assert sys.modules[TELEMETRY] is None
            assert sys.modules[TELEMETRY] is None
        assert sys.modules[TELEMETRY] is before
    finally:
        if missing:
            del sys.modules[TELEMETRY]
    with quietly():
        pass
