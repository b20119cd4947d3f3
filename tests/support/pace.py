"""The processor time of every test, its subprocesses' included: other work on the machine changes it little.

It decides what is slow: tests/slow.txt has every test function with a case that takes more than SLOW_S, or five times
as long by the clock: a browser's processes and those of a loader cannot be counted. A quick run names what has become
slow since; `--write-slow` writes the list anew.
"""

import os
from pathlib import Path

import pytest

LIST = Path(__file__).parents[1] / "slow.txt"
SLOW_S = 0.3
TOLERATED_S = 4.0  # in a quick run, where the first test of a process pays for its imports
SINCE = pytest.StashKey[float]()
taken: dict[str, float] = {}  # by every case, where the reports of all workers arrive


def used_s() -> float:
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def function(nodeid: str) -> str:
    """A test's name in the list, which is that of all its cases."""
    return nodeid.partition("[")[0].removeprefix("tests/")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-slow", action="store_true", help="write tests/slow.txt anew, from what this run takes")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[SINCE] = used_s()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    if call.when == "teardown" and SINCE in item.stash:
        item.user_properties.append(("cpu_s", used_s() - item.stash[SINCE]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    cpu_s = float(dict(report.user_properties).get("cpu_s", 0))  # type: ignore[arg-type]
    taken[report.nodeid] = max(taken.get(report.nodeid, 0), cpu_s, report.duration / 5)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.write_slow:
        LIST.write_text("".join(f"{name}\n" for name in sorted({function(n) for n, s in taken.items() if s > SLOW_S})))
    elif config.option.quick and (late := {n: s for n, s in taken.items() if s > TOLERATED_S}):
        terminalreporter.section("slow, or the first to import; not in tests/slow.txt")
        for nodeid, seconds in late.items():
            terminalreporter.write_line(f"{seconds:5.1f} s: {nodeid}")
