"""What makers' libraries say, in Python and in native code, is heard only when they fail, and telemetry stays away."""

import subprocess
import sys

import pytest

from reszoo.core.silence import TELEMETRY, quietly, without_telemetry

TALK = """
import ctypes, logging, sys, warnings
from contextlib import suppress
from reszoo.cli import output
from reszoo.core.silence import quietly

c = ctypes.CDLL(None)
print("before")
c.printf(b"native before\\n")
with suppress(ValueError), quietly():
    print("talk")
    sys.stderr.write("talk to stderr\\n")
    c.printf(b"native talk\\n")
    c.perror(b"native talk to stderr")
    warnings.warn("advice")
    logging.warning("advice")
    output.err_console().print("our own")
    with quietly():
        c.printf(b"nested talk\\n")
    with suppress(KeyError), quietly():
        print("told within")
        raise KeyError
    if sys.argv[1] == "fails":
        raise ValueError
sys.stderr.write("after\\n")
c.printf(b"native after\\n")
c.fflush(None)
print("after")
"""


def talk(end: str, debug: str = "") -> tuple[list[str], list[str]]:
    command = ["env", f"RESZOO_DEBUG={debug}", sys.executable, "-c", TALK, end]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines(), done.stderr.splitlines()


STDOUT = ["before", "native before", "native after", "after"]
SAID = {"talk", "talk to stderr", "native talk", "native talk to stderr: Success", "told within"}


def test_what_succeeds_says_nothing() -> None:
    assert talk("succeeds") == (STDOUT, ["our own", "after"])


@pytest.mark.parametrize(("end", "debug"), [("fails", ""), ("succeeds", "1")])
def test_what_fails_has_its_say_and_with_debug_everything(end: str, debug: str) -> None:
    stdout, stderr = talk(end, debug)
    assert stdout == STDOUT
    assert {"our own", "after"} | SAID <= set(stderr)
    assert "advice" not in "".join(stderr)
    assert ("nested talk" in stderr) == bool(debug)  # in itself it did not fail


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
