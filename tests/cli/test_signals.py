"""SIGTERM and SIGHUP end a verb as Ctrl-C does: what is temporary goes, and the exit code tells the signal."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import started

from reszoo.core import staging

RESZOO = str(Path(sys.executable).with_name("reszoo"))
REF = "resnet8_v1.reszoo_digits"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "verb", [["export", REF, "--to", "onnx"], ["prune", REF, "--macs", "0.5"]], ids=["export", "prune"]
)
def test_nothing_of_a_verb_that_is_ended_stays(tmp_path: Path, verb: list[str], number: signal.Signals) -> None:
    command = [RESZOO, *verb, "--out", str(tmp_path / "made")]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while not staging.staging_folders(tmp_path):
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
        running.send_signal(number)
        _, said = running.communicate(timeout=120)
    assert running.returncode == 128 + number, said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []


def test_what_ignores_a_signal_still_does() -> None:
    """As under nohup."""
    program = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from reszoo.cli.main import end_on_signals\n"
        "end_on_signals(); signal.raise_signal(signal.SIGHUP); print('on')\n"
        "signal.raise_signal(signal.SIGTERM)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("on\n", 143)
