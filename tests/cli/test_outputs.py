"""Standard output as it may be: closed, full, or of an encoding that lacks a character."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RESZOO = [sys.executable, "-m", "reszoo.cli.main"]


def ended(*arguments: str, how: str = "", cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'"$@" {how}', "sh", *RESZOO, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | more)


def test_a_full_output_is_an_error_and_no_defect() -> None:
    done = ended("list", how="> /dev/full")
    assert done.returncode == 1
    assert done.stderr == "error: cannot write to standard output: No space left on device\nFree some space there.\n"


@pytest.mark.parametrize("how", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_output_is_no_error_of_the_work(how: str, tmp_path: Path) -> None:
    """And what is written goes into its own file, not to where an output would be."""
    done = ended("show", "resnet8_v1", "--json", how=how, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_cannot_be_encoded_does_not_cost_the_answer(tmp_path: Path) -> None:
    (tmp_path / "café").mkdir()
    done = ended("cache", "path", PYTHONIOENCODING="ascii", RESZOO_CACHE=str(tmp_path / "café"))
    assert done.returncode == 0
    assert done.stdout.strip().endswith("caf\\xe9")


def test_a_reader_that_has_gone_needs_no_message() -> None:
    done = ended("list", "--json", how="| true")
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr


def test_a_folder_that_was_deleted_is_named(tmp_path: Path) -> None:
    place = tmp_path / "gone"
    place.mkdir()
    done = ended("report", "--html", "x.html", "runs", how="", cwd=place)
    assert "Traceback" not in done.stderr
    command = ["sh", "-c", 'cd "$0" && rmdir "$0" && shift && "$@"', str(place), "x", *RESZOO, "import", "w.pth"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr


def test_a_home_of_nobody_is_a_usage_error() -> None:
    done = ended("cache", "list", RESZOO_CACHE="~nobody-of-this-name/x")
    assert done.returncode == 2
    assert "names no folder" in done.stderr
