"""The machine's state: load is seen and laid at the right door, and every warning has its name and its advice."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from processes import started

from reszoo.bench import gpu
from reszoo.bench.affinity import choose_cores
from reszoo.bench.machine import ADVICE, Process, Watch, process, warnings_of
from reszoo.core import sysfs
from reszoo.core.hosts import describe
from reszoo.core.measured import Conditions, Scenario, WarningKind

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def busy() -> Iterator[int]:
    """A process with one thread that never rests."""
    with started([sys.executable, "-c", "while True: pass"]) as spinning:
        yield spinning.pid
        spinning.kill()


def quiet(**changes: Any) -> Conditions:
    calm = Conditions(
        seconds=10.0,
        load_before=0.0,
        foreign_cpu_s=0.02,
        steal_s=0.0,
        cgroup_throttled_s=0.0,
        min_mhz=3000.0,
        max_mhz=3100.0,
        thermal_events=0,
        major_faults=0,
    )
    return msgspec.structs.replace(calm, **changes)


def kinds(conditions: Conditions, host: dict[str, Any] | None = None, **scenario: Any) -> list[str]:
    machine = msgspec.structs.replace(describe(), **{"cores": 4, "governor": None, "cpu_limit": None, **(host or {})})
    how = Scenario(**{"runtime": "torch", "variant": "", "device": "cpu", "batch": 1, "threads": 1, **scenario})
    return [each.kind for each in warnings_of(machine, how, conditions)]


@pytest.mark.alone
def test_load_is_foreign_unless_it_is_of_a_watched_process(busy: int) -> None:
    """Both watch the same second, so what else runs on this machine makes no difference between them."""
    stranger, owner = Watch([], []), Watch([busy], [])
    start = process(busy)
    time.sleep(1.0)
    end = process(busy)
    foreign, own = stranger.stop(), owner.stop()
    assert start is not None
    assert end is not None
    assert foreign.foreign_cpu_s is not None
    assert own.foreign_cpu_s is not None
    used_s = end.cpu_s - start.cpu_s
    assert used_s > 0.1
    # unless the machine is so busy that the rounding of ticks hides it
    assert foreign.foreign_cpu_s - own.foreign_cpu_s == pytest.approx(min(used_s, foreign.foreign_cpu_s), abs=0.05)
    assert "foreign_load" in kinds(foreign)


@pytest.mark.alone
def test_our_own_work_is_foreign_to_others_only() -> None:
    program = (
        "from reszoo.bench.machine import Watch; watch = Watch([], [])\n"
        "print('ready', flush=True); input(); print(watch.stop().foreign_cpu_s)"
    )
    command = [sys.executable, "-c", program]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        watch = Watch([], [])
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        to_us = watch.stop().foreign_cpu_s
        to_other = float(other.communicate("\n")[0])
    assert to_us is not None
    assert to_other - to_us > 0.35


def test_load_on_cores_that_are_not_ours_is_none_of_our_business() -> None:
    """Strangers spin on two cores. Who may use one of them sees no more load than one core can do."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("one core alone has no other")
    program = (
        "import os, time; from reszoo.bench.machine import Watch\n"
        f"os.sched_setaffinity(0, [{allowed[0]}]); watch = Watch([], [])\n"
        "time.sleep(1); seen = watch.stop(); print(seen.foreign_cpu_s, seen.seconds)"
    )
    with ExitStack() as stack:
        for core in allowed[:2]:
            spinning = stack.enter_context(started([sys.executable, "-c", "while True: pass"]))
            stack.callback(spinning.kill)
            os.sched_setaffinity(spinning.pid, [core])
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    foreign_s, seconds = map(float, done.stdout.split())
    assert 0.3 * seconds < foreign_s < 1.1 * seconds


def test_foreign_time_is_never_negative(busy: int) -> None:
    watch = Watch([busy], [])
    watch.before[busy] = Process(cpu_s=-60.0, major_faults=0)  # as if ours had risen by more than all cores together
    assert watch.stop().foreign_cpu_s == 0


@pytest.mark.alone
def test_a_process_that_ends_while_watched_counts_as_it_was_last_seen() -> None:
    program = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()"
    with started([sys.executable, "-c", program], stdin=subprocess.PIPE) as worker:
        watch, stranger = Watch([worker.pid], []), Watch([], [])
        while (seen := process(worker.pid)) is None or seen.cpu_s < 0.3:
            time.sleep(0.01)
        watch.look()
        assert worker.stdin is not None
        worker.stdin.close()
        worker.wait()
    assert process(worker.pid) is None
    ours, all_of_it = watch.stop().foreign_cpu_s, stranger.stop().foreign_cpu_s
    assert ours is not None
    assert all_of_it is not None
    assert all_of_it - ours > 0.15


@pytest.mark.parametrize(
    ("expected", "changes", "host", "scenario"),
    [
        ("foreign_load", {"foreign_cpu_s": 0.51}, {}, {}),
        ("steal", {"steal_s": 0.11}, {}, {}),
        ("quota", {"cgroup_throttled_s": 0.11}, {}, {}),
        ("throttled", {"thermal_events": 1}, {}, {}),
        ("throttled", {"min_mhz": 2700.0}, {}, {}),
        ("paging", {"major_faults": 11}, {}, {}),
        ("powersave", {}, {"governor": "powersave"}, {}),
        ("oversubscribed", {}, {}, {"threads": 2, "streams": 3}),
        ("oversubscribed", {}, {"cpu_limit": 1.5}, {"threads": 2}),
        ("gpu_slowdown", {"gpu_slowdowns": ("sw_thermal_slowdown",)}, {}, {"device": "cuda"}),
        ("gpu_shared", {"gpu_processes": 1}, {}, {"device": "cuda"}),
    ],
)
def test_each_disturbance_is_named(
    expected: str, changes: dict[str, Any], host: dict[str, Any], scenario: dict[str, Any]
) -> None:
    assert kinds(quiet(**changes), host, **scenario) == [expected]


def test_a_quiet_machine_disturbs_nothing() -> None:
    assert kinds(quiet(), {"governor": "performance", "cpu_limit": 2.0}, threads=2) == []


def test_what_a_machine_does_not_tell_is_no_disturbance() -> None:
    silent = quiet(
        load_before=None,
        foreign_cpu_s=None,
        steal_s=None,
        cgroup_throttled_s=None,
        min_mhz=None,
        max_mhz=None,
        thermal_events=None,
    )
    assert kinds(silent) == []


def test_the_rounding_of_a_tick_is_no_load_in_a_short_measurement() -> None:
    assert kinds(quiet(seconds=0.1, foreign_cpu_s=2 * TICK_S)) == []


def test_there_is_advice_for_every_kind_in_one_line() -> None:
    assert set(ADVICE) == set(get_args(WarningKind))
    assert all(text and "\n" not in text for text in ADVICE.values())


def test_cores_are_ours_and_distinct_or_none() -> None:
    allowed = os.sched_getaffinity(0)
    chosen = choose_cores(len(allowed))
    assert set(chosen) == allowed
    assert choose_cores(len(allowed) + 1) == ()
    program = (
        "import os; from reszoo.bench.affinity import choose_cores\n"
        f"os.sched_setaffinity(0, [{min(allowed)}]); print(choose_cores(1), choose_cores(2))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == f"({min(allowed)},) ()\n", done.stderr


def test_physical_cores_come_before_their_second_threads_and_fast_ones_before_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two fast cores of two threads (0 with 1, 2 with 3) and two slow ones: a machine that few tests run on."""
    siblings = ["0-1", "0-1", "2-3", "2-3", "4", "5"]
    for core, with_whom in enumerate(siblings):
        (tmp_path / f"cpu{core}/topology").mkdir(parents=True)
        (tmp_path / f"cpu{core}/topology/thread_siblings_list").write_text(with_whom)
        (tmp_path / f"cpu{core}/cpu_capacity").write_text("1024" if core < 4 else "400")
    monkeypatch.setattr(sysfs, "CPUS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    assert choose_cores(1) == (3,)
    assert choose_cores(2) == (1, 3)
    assert choose_cores(4) == (1, 3, 4, 5)
    assert choose_cores(5) == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("line", "clock", "slowdowns"),
    [
        ("1980, 0x0000000000000000\n", 1980, ()),
        ("345, 0x0000000000000001\n", 345, ()),  # idle
        ("1200, 0x0000000000000002\n", 1200, ()),  # a clock that somebody chose
        ("1350, 0x0000000000000024\n", 1350, ("sw_power_cap", "sw_thermal_slowdown")),
        ("210, 0x0000000000000048\n", 210, ("hw_slowdown", "hw_thermal_slowdown")),
        ("[N/A], [N/A]\n", None, ()),
    ],
)
def test_the_drivers_clock_and_its_reasons(line: str, clock: int | None, slowdowns: tuple[str, ...]) -> None:
    assert gpu.parse_clocks(line) == (clock, slowdowns)


def test_the_drivers_processes() -> None:
    processes = gpu.parse_processes("4242, 518\n977, [N/A]\n")
    assert processes == {4242: 518 << 20, 977: None}
    assert gpu.parse_processes("") == {}
    assert gpu.foreign(processes, [4242]) == 1
    assert gpu.foreign(processes, [4242, 977]) == 0
    assert gpu.foreign({977: None}, [12]) == 0  # ours, by the id that it has outside of the container
    assert gpu.foreign({}, [12]) == 0


def test_without_a_driver_there_is_nothing_to_see(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.look() is None
