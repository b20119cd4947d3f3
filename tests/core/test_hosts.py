"""The host record: what it says of this machine, its control groups, and reszoo's own commit."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reszoo.core import cgroups, documents, sysfs
from reszoo.core.hosts import allowed_cores, available_cores, commit, describe
from reszoo.core.measured import Host

# A tenth of a core: even on a crowded machine a busy process would take more.
QUOTA = "cpu.cfs_quota_us", "10000"
QUOTA_V2 = "cpu.max", "10000 100000"


def test_the_record_is_of_this_machine_and_survives_a_document() -> None:
    host = describe()
    assert host.cores == len(os.sched_getaffinity(0))
    assert host.cpu in Path("/proc/cpuinfo").read_text() or host.cpu == host.machine
    assert documents.convert({"schema": 1, **documents.to_builtins(host)}, Host, "host", "") == host


def test_instruction_sets_are_those_of_the_kernel() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    assert all(name in flags for name in describe().instruction_sets)
    assert ("avx2" in flags) == ("avx2" in describe().instruction_sets)


@pytest.fixture
def quota() -> Iterator[Path]:
    """A control group with a quota."""
    own = cgroups.own("cpu")
    if own is None:
        pytest.skip("no control groups with a cpu controller here")
    name, value = QUOTA if own.version == 1 else QUOTA_V2
    try:
        folder = Path(tempfile.mkdtemp(prefix="reszoo-test-", dir=own.folder))
    except OSError as error:
        pytest.skip(f"no control group may be made here: {error}")
    try:
        if not (folder / name).exists():
            pytest.skip("this process's control group hands no cpu controller down")
        (folder / name).write_text(value)
        yield folder
    finally:
        folder.rmdir()


@pytest.mark.alone
def test_a_quota_is_found_and_its_throttling_counted(quota: Path) -> None:
    program = (
        "import os, time; from reszoo.core import cgroups\n"
        f"open({str(quota / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        "before, end = cgroups.throttled_s(), time.monotonic() + 1\n"
        "while time.monotonic() < end: pass\n"
        "print(cgroups.cpu_limit(), cgroups.throttled_s() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    limit, throttled_s = map(float, done.stdout.split())
    assert limit <= 0.1  # what an outer group leaves may be less
    assert throttled_s > 0.05


def test_a_quota_leaves_at_least_one_core_to_compute_with(quota: Path) -> None:
    program = (
        "import os; from reszoo.core.hosts import allowed_cores, available_cores, describe\n"
        f"open({str(quota / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        "print(available_cores(), describe().cores == len(allowed_cores()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "1 True\n", done.stderr


@pytest.mark.parametrize(("quota", "cores"), [(None, 4), (0.1, 1), (1.0, 1), (1.5, 2), (3.0, 3), (8.0, 4)])
def test_a_quota_counts_rounded_up(quota: float | None, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On four cores, which few test machines may divide by a quota."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    monkeypatch.setattr(cgroups, "cpu_limit", lambda: quota)
    assert len(allowed_cores()) == 4
    assert available_cores() == cores


MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
DOCKER = "40 30 0:35 /docker/ab12 /sys/fs/cgroup/memory ro,relatime master:20 - cgroup cgroup rw,memory\n"
UNIFIED = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("controller", "groups", "mounts", "folder", "version"),
    [
        ("cpu", "4:memory:/a\n2:cpu,cpuacct:/b/c\n0::/", MOUNTS, "/sys/fs/cgroup/cpu,cpuacct/b/c", 1),
        ("memory", "4:memory:/a\n2:cpu,cpuacct:/b/c\n0::/", MOUNTS, "/sys/fs/cgroup/memory/a", 1),
        ("memory", "4:memory:/docker/ab12/x\n0::/", DOCKER, "/sys/fs/cgroup/memory/x", 1),
        ("memory", "0::/user.slice/a.scope", UNIFIED, "/sys/fs/cgroup/user.slice/a.scope", 2),
        ("memory", "0::/", UNIFIED, "/sys/fs/cgroup", 2),
        ("memory", "0::/../../outside", UNIFIED, "/sys/fs/cgroup", 2),  # of a cgroup namespace
    ],
)
def test_the_group_is_found_in_either_version(
    controller: str, groups: str, mounts: str, folder: str, version: int
) -> None:
    found = cgroups.find(controller, groups, mounts)
    assert found is not None
    assert (str(found.folder), found.version) == (folder, version)
    assert list(found.with_parents())[-1] == found.mount


def test_no_group_where_none_is_mounted() -> None:
    assert cgroups.find("memory", "4:memory:/a\n0::/", "") is None
    assert cgroups.find("memory", "", "") is None


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_the_commit_is_that_of_the_source_and_shows_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    for folder in (source, other):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
        git(folder, "init")
        git(folder, "add", "file")
        git(folder, "commit", "-m", folder.name)
    clean = commit(source)
    assert clean
    assert len(clean) == 12
    (source / "file").write_text("other")
    assert commit(source) == clean + "+"
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))  # as in a hook of another repository
    assert commit(source) == clean + "+"


def test_a_copy_inside_somebody_elses_checkout_has_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init")
    installed = tmp_path / ".venv" / "reszoo"
    installed.mkdir(parents=True)
    assert commit(installed) is None


def test_a_file_that_says_no_number_gives_none(tmp_path: Path) -> None:
    for said, meant in {"3400000\n": 3400000, "-1\n": -1, "<unknown>\n": None, "max\n": None, "": None}.items():
        (tmp_path / "file").write_text(said)
        assert sysfs.number(tmp_path / "file") == meant
    assert sysfs.number(tmp_path / "missing") is None
    assert sysfs.fields(tmp_path / "missing") == {}


def test_cpu_files_are_read_in_the_units_of_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop with a frequency driver, which few test machines have."""
    files = {
        "cpu0/cpufreq/scaling_governor": "powersave",
        "cpu1/cpufreq/scaling_governor": "performance",
        "cpu0/cpufreq/cpuinfo_max_freq": "4700000",
        "cpu0/cpufreq/scaling_cur_freq": "1300000",
        "cpu0/cache/index0/level": "1",
        "cpu0/cache/index0/size": "48K",
        "cpu0/cache/index3/level": "3",
        "cpu0/cache/index3/size": "12288K",
        "intel_pstate/no_turbo": "0",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    monkeypatch.setattr(sysfs, "CPUS", tmp_path)
    assert sysfs.governor([0, 1]) == "performance, powersave"
    assert sysfs.max_mhz([0, 1]) == 4700
    assert sysfs.clock_mhz(0) == 1300
    assert sysfs.clock_mhz(1) is None
    assert sysfs.last_level_cache_bytes(0) == 12 << 20
    assert sysfs.turbo() is True
