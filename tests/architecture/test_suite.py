"""The suite itself: each test has its place in `make test` and `make quick`, and what is shared is made once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from extras import MODULES
from once import once
from pace import LIST, function

TESTS = Path(__file__).resolve().parents[1]
SOME = ["core/test_hosts.py", "core/test_download.py", "cli/test_silence.py"]


def collected(*options: str) -> set[str]:
    """The tests of a few files that another run would have."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        [*command, *(TESTS / file for file in SOME)], capture_output=True, text=True, cwd=TESTS.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {line for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.long
def test_the_passes_share_out_all_tests_and_quick_ones_are_neither_slow_nor_alone() -> None:
    passes = ([], ["--machine=shared"], ["--machine=alone"], ["--long=only"], ["--long=without"], ["--quick"])
    everything, shared, alone, long, short, quick = (collected(*options) for options in passes)
    assert long | short == everything
    assert not long & short
    assert {function(test) for test in long} == {"cli/test_silence.py::test_no_maker_is_heard"}
    assert shared | alone == everything
    assert not shared & alone
    assert {function(test) for test in alone} == {
        "core/test_hosts.py::test_a_quota_is_found_and_its_throttling_counted"
    }
    slow = set(LIST.read_text().splitlines())
    assert quick == {test for test in shared & short if function(test) not in slow}
    assert "core/test_download.py::test_eight_processes_ask_once" in slow


def test_every_slow_test_exists() -> None:
    for name in LIST.read_text().splitlines():
        path, _, test = name.partition("::")
        assert f"def {test}(" in (TESTS / path).read_text(), f"{name}: `make slow` writes the list anew"


def test_quick_tests_and_their_processes_see_no_engine() -> None:
    engines = [module for modules in MODULES.values() for module in modules]
    look = f"from importlib.util import find_spec; print([m for m in {engines} if find_spec(m)], flush=True)"
    program = (
        "import selecting, subprocess, sys\n"
        f"selecting.hide_engines()\nlook = {look!r}\nexec(look)\nsubprocess.run([sys.executable, '-c', look])"
    )
    path = os.pathsep.join([str(TESTS / "support"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.stdout.splitlines() == ["[]", "[]"], done.stderr


def test_what_is_shared_is_made_once_and_again_where_that_failed(tmp_path_factory: pytest.TempPathFactory) -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        path.mkdir()
        made.append(path)
        if len(made) == 1:
            raise RuntimeError("no space")

    name = f"made-{os.getpid()}"
    with pytest.raises(RuntimeError):
        once(tmp_path_factory, name, make)
    assert once(tmp_path_factory, name, make) == once(tmp_path_factory, name, make) == made[0]
    assert len(made) == 2
