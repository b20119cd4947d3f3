"""Memory as the kernel counts it: known amounts are found again, and a worker's control group holds what it says."""

import mmap
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import started

from reszoo.bench import memory
from reszoo.bench.memory import ControlGroup, pages, peak_bytes, reset_peak
from reszoo.core.cgroups import Group
from reszoo.core.errors import UnavailableError

MIB = 1 << 20
TAKES = "import sys, time; held = b'x' * (int(sys.argv[1]) << 20); print('held', flush=True); time.sleep(60)"


def test_anonymous_memory_is_private_and_of_no_file() -> None:
    before = pages()
    with mmap.mmap(-1, 64 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        after = pages()
    assert after.private_bytes - before.private_bytes == pytest.approx(64 * MIB, rel=0.02)
    assert after.resident_bytes - before.resident_bytes == pytest.approx(64 * MIB, rel=0.02)
    assert abs(after.file_bytes - before.file_bytes) < MIB


def test_a_mapped_file_counts_as_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"w" * (32 * MIB))
    before = pages()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) > 0
        after = pages()
    assert after.file_bytes - before.file_bytes == pytest.approx(32 * MIB, rel=0.02)


def test_the_peak_remembers_what_was_given_back() -> None:
    reset_peak()
    before = peak_bytes()
    with mmap.mmap(-1, 64 * MIB) as held:
        held.write(b"x" * len(held))
    assert peak_bytes() - before >= 64 * MIB
    reset_peak()
    assert peak_bytes() - before < 32 * MIB


def test_a_kernel_that_does_not_tell_is_an_error_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PROC", tmp_path)
    with pytest.raises(UnavailableError, match=r"no readable .*smaps_rollup"):
        pages()


@pytest.fixture
def group() -> Iterator[ControlGroup]:
    made = ControlGroup.create()
    if made is None:
        pytest.skip("no control group with memory accounting may be made here")
    with made:
        yield made
    assert not made.folder.exists()


@contextmanager
def start(group: ControlGroup, mebibytes: int) -> "Iterator[subprocess.Popen[str]]":
    """A process in the group that takes so much once it is in it."""
    wait = f"import sys; sys.stdin.readline(); exec({TAKES!r})"
    command = [sys.executable, "-c", wait, str(mebibytes)]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        group.add(process.pid)
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        yield process


def test_the_groups_peak_is_what_its_process_took(group: ControlGroup) -> None:
    with start(group, 100) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        peak = group.peak_bytes()
        if peak is None:
            process.kill()
            pytest.skip("this kernel keeps no peak of a control group")
        assert 100 * MIB <= peak < 160 * MIB  # the interpreter takes the rest
        assert not group.killed()
        process.kill()


def test_a_process_that_needs_more_than_its_limit_is_killed_and_known_to_be(group: ControlGroup) -> None:
    group.limit(64 * MIB)
    with start(group, 200) as process:
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert group.killed()


def test_closing_leaves_no_process_behind(group: ControlGroup) -> None:
    with start(group, 1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        group.close()
        assert process.wait(timeout=10) == -signal.SIGKILL
    group.folder.mkdir()  # for the fixture, which closes it too


def test_a_process_that_has_ended_can_be_added(group: ControlGroup) -> None:
    with started([sys.executable, "-c", ""]) as process:
        process.wait()
    group.add(process.pid)
    assert not group.killed()


def test_version_2_is_read_by_its_own_names(tmp_path: Path) -> None:
    (tmp_path / "memory.peak").write_text("123456\n")
    (tmp_path / "memory.events").write_text("low 0\nmax 7\noom 1\noom_kill 1\n")
    group = ControlGroup(tmp_path, version=2)
    assert group.peak_bytes() == 123456
    assert group.killed()


def test_in_version_2_the_worker_never_leaves_a_group_that_limits_it(tmp_path: Path) -> None:
    own = tmp_path / "slice" / "own"
    own.mkdir(parents=True)
    (own / "cpu.max").write_text("max 100000\n")
    (own / "memory.max").write_text("max\n")
    assert memory._possible_parents(Group(own, tmp_path, 2)) == [own, own.parent]
    (own / "cpu.max").write_text("50000 100000\n")
    assert memory._possible_parents(Group(own, tmp_path, 2)) == [own]
    assert memory._possible_parents(Group(own, tmp_path, 1)) == [own]
