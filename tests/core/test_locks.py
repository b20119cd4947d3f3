"""Locks: one process at a time, and clear words for the others."""

import subprocess
import sys
from pathlib import Path

import pytest
from processes import started

from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.locks import locked

HOLD = (
    "import sys; from pathlib import Path; from reszoo.core.locks import locked\n"
    "with locked(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
)


def test_the_second_one_is_told_or_waits(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "made"
    command = [sys.executable, "-c", HOLD, str(target)]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdin
        assert first.stdout
        assert first.stdout.readline() == "in\n"
        with pytest.raises(UsageError, match=r"another process is at work on .*made\nWait until it has ended"):
            locked(target, wait=False).__enter__()
        with started(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as second:
            assert second.stdout
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1)
            first.stdin.close()
            assert second.stdout.readline() == "in\n"
    assert list(target.parent.iterdir()) == []


def test_what_a_killed_process_held_is_free(tmp_path: Path) -> None:
    target = tmp_path / "made"
    command = [sys.executable, "-c", HOLD, str(target)]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "in\n"
        first.kill()
    with locked(target, wait=False):
        pass
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_locked_are_named(tmp_path: Path) -> None:
    for place in (Path(), Path("/")):
        with pytest.raises(UsageError, match=r"is a folder that is there already\nChoose another `out`"):
            locked(place).__enter__()
    (tmp_path / "file").touch()
    with pytest.raises(ReszooError, match="is a file, not a folder"):
        locked(tmp_path / "file" / "made").__enter__()
