"""Files and folders appear whole or not at all, whatever happens on the way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import started
from smalldisk import mounted

from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.files import check_replaceable, staged_folder, write_atomic


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_folder_stays_as_it_was_when_the_work_fails(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with staged_folder(target) as staging:
        (staging / "file").write_text("good")
    with pytest.raises(RuntimeError), staged_folder(target, Path.is_dir) as staging:
        _fail_half_way(staging / "file")
    assert (target / "file").read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["target"]


def test_permissions_are_the_users_not_a_temporary_files(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        write_atomic(tmp_path / "file", b"")
        with staged_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


def test_only_an_empty_folder_or_one_of_ours_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_ours(folder: Path) -> bool:
        return (folder / "mark").exists()

    (tmp_path / "empty").mkdir()
    with staged_folder(tmp_path / "empty", is_ours) as staging:
        (staging / "mark").touch()
    with staged_folder(tmp_path / "empty", is_ours):
        pass
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes").touch()
    with pytest.raises(UsageError, match="not a folder that reszoo wrote"), staged_folder(tmp_path / "own", is_ours):
        pass
    assert (tmp_path / "own" / "notes").exists()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(UsageError, match="the folder that you are in"), staged_folder(Path(), is_ours):
        pass


def test_nothing_is_replaced_by_default(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes").touch()
    with pytest.raises(UsageError, match="own is there already"), staged_folder(tmp_path / "own"):
        pytest.fail("the work was begun")
    with pytest.raises(UsageError, match="own is there already"):
        check_replaceable(tmp_path / "own")
    assert (tmp_path / "own" / "notes").exists()


def test_what_appears_during_the_work_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with pytest.raises(UsageError, match="target is there already"), staged_folder(target):
        _make_notes(target)
    assert [p.name for p in target.iterdir()] == ["notes"]
    assert [p.name for p in tmp_path.iterdir()] == ["target"]


def test_killed_in_the_middle_the_target_is_as_it_was(tmp_path: Path) -> None:
    """kill -9 leaves a staging folder (which the next one removes), and never a half-written target."""
    target = tmp_path / "target"
    program = (
        "import sys, time; from pathlib import Path; from reszoo.core.files import staged_folder\n"
        "with staged_folder(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'half').write_text('x'); print('in', flush=True); time.sleep(60)\n"
    )
    with started([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"in\n"
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    assert all(p.name.startswith(".staging-") for p in tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_place_that_takes_no_folders_is_named() -> None:
    with pytest.raises(ReszooError, match="no folder can be made in /proc"):
        write_atomic(Path("/proc/none/file"), b"")


def test_a_read_only_disk_is_named_however_deep_the_place_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a home that cannot be written: not even the first of the cache's folders can be made."""
    with mounted(tmp_path / "home", "ro") as home:
        path = home / ".cache" / "reszoo" / "data" / "file"
        monkeypatch.setenv("RESZOO_CACHE", str(home / ".cache" / "reszoo"))
        with pytest.raises(ReszooError, match=r"cannot write to .*/home/\.cache: Read-only(.|\n)*RESZOO_CACHE"):
            write_atomic(path, b"")


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReszooError, match="is a file, not a folder"):
        write_atomic(tmp_path / "file" / "deeper" / "x", b"")


def _make_notes(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes").touch()


def _fail_half_way(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError
