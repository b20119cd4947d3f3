"""What is being made has a place of its own, which dies with its maker, and takes its target's place in one step."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import started

from reszoo.core import staging
from reszoo.core.files import staged_folder, write_atomic
from reszoo.core.locks import locked

MAKE = (
    "import sys; from pathlib import Path; from reszoo.core.files import staged_folder\n"
    "with staged_folder(Path(sys.argv[1])) as new:\n"
    "    (new / 'half').write_text('x'); print('in', flush=True); sys.stdin.read()\n"
)


@contextmanager
def maker(target: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of making `target`; it goes on when its input is closed."""
    command = [sys.executable, "-c", MAKE, str(target)]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "in\n"
        try:
            yield process
        finally:
            process.kill()


def folder(path: Path, name: str) -> Path:
    path.mkdir(parents=True)
    (path / name).touch()
    return path


def test_two_folders_trade_places_in_one_step(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "one", "1"), folder(tmp_path / "other", "2")
    if not staging.exchange(one, other):
        pytest.skip("this system cannot exchange two names")
    assert [path.name for path in one.iterdir()] == ["2"]
    assert [path.name for path in other.iterdir()] == ["1"]
    with pytest.raises(FileNotFoundError):
        staging.exchange(one, tmp_path / "none")


def test_the_target_is_there_at_every_moment(tmp_path: Path) -> None:
    """Watched from another process, through a thousand replacements."""
    probe = folder(tmp_path / "probe", "a")
    if not staging.exchange(probe, folder(tmp_path / "probe2", "b")):
        pytest.skip("this system cannot exchange two names")
    target = folder(tmp_path / "target", "mark")
    watch = (
        "import os, sys\nprint('in', flush=True)\nmissing = 0\nos.set_blocking(0, False)\n"
        "while sys.stdin.buffer.raw.read(1) is None: missing += not os.path.exists(sys.argv[1])\nprint(missing)"
    )
    command = [sys.executable, "-c", watch, str(target / "mark")]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout
        assert watcher.stdout.readline() == "in\n"
        for _ in range(300):
            with staged_folder(target, Path.is_dir) as new:
                (new / "mark").touch()
        said, _ = watcher.communicate("x")
    assert said == "0\n"


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced_whole_on_any_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(staging, "exchange", lambda one, other: False)
    target = folder(tmp_path / "target", "old")
    with staged_folder(target, Path.is_dir) as new:
        (new / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_an_interrupt_between_two_renames_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may come after any of our calls: here after the first rename."""
    monkeypatch.setattr(staging, "exchange", lambda one, other: False)
    rename = Path.rename

    def interrupted(self: Path, place: Path) -> Path:
        moved = rename(self, place)
        if place.name == staging.OLD:
            raise KeyboardInterrupt
        return moved

    target = folder(tmp_path / "target", "old")
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), staged_folder(target, Path.is_dir):
        pass
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("how", ["staged", "locked", "discarded"])
def test_a_kill_between_two_renames_is_mended_by_the_next_one(tmp_path: Path, how: str) -> None:
    """As it lies on the disk then: the old copy in the staging folder, and no target."""
    left = tmp_path / ".staging-target-a1b2c3d4"
    folder(left / staging.OLD, "old")
    folder(left / staging.NEW, "new")
    (left / staging.LOCK).touch()
    target = tmp_path / "target"
    if how == "staged":
        with pytest.raises(RuntimeError), staged_folder(target, Path.is_dir):
            raise RuntimeError
    elif how == "locked":
        with locked(target):
            assert target.exists()
    else:
        assert staging.discard(left)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_dead_ones_old_copy_never_takes_the_place_of_a_new_one(tmp_path: Path) -> None:
    left = folder(tmp_path / ".staging-target-a1b2c3d4" / staging.OLD, "old").parent
    target = folder(tmp_path / "target", "new")
    assert staging.discard(left)
    assert [path.name for path in target.iterdir()] == ["new"]


def test_what_a_killed_one_left_goes_with_the_next_for_that_target_only(tmp_path: Path) -> None:
    for name in ("made", "made-b"):
        with maker(tmp_path / name) as process:
            process.send_signal(signal.SIGKILL)
    assert len(staging.staging_folders(tmp_path)) == 2
    with staged_folder(tmp_path / "made"):
        pass
    assert [path.name[:-8] for path in staging.staging_folders(tmp_path)] == [".staging-made-b-"]
    write_atomic(tmp_path / "made-b", b"a file this time")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "made-b"]


def test_a_living_process_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with maker(target) as process:
        (alive,) = staging.staging_folders(tmp_path)
        with staged_folder(target):
            pass
        target.rmdir()
        assert not staging.discard(alive)
        assert staging.staging_folders(tmp_path) == [alive]
        process.communicate("")
        assert process.returncode == 0
    assert [path.name for path in target.iterdir()] == ["half"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_somebody_elses_names_are_left_alone(tmp_path: Path) -> None:
    write_atomic(tmp_path / ".staging-mine", b"a file")
    folder(tmp_path / ".staging-mine-too", "notes.txt")
    with staged_folder(tmp_path / "made"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".staging-mine", ".staging-mine-too", "made"]


def test_the_process_is_as_it_was(tmp_path: Path) -> None:
    """No working copy of the user's mask: another thread would create its files with it."""
    seen: list[int] = []
    umask = os.umask

    def counted(mask: int) -> int:
        seen.append(mask)
        return umask(mask)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "umask", counted)
        write_atomic(tmp_path / "file", b"")
        with staged_folder(tmp_path / "folder"):
            pass
    assert seen == []
