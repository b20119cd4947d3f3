"""Which tests a run has: what can share the machine, what needs it alone, or the quick ones.

Without any of these options it has them all.
"""

import os
import runpy
from pathlib import Path

import pytest
from extras import MODULES
from pace import LIST, function

BLINKERS = Path(__file__).parent / "blinkers"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--machine", choices=["shared", "alone"], help="only tests that can share it, or that cannot")
    parser.addoption("--long", choices=["without", "only"], help="without the cases that take long, or only these")
    parser.addoption("--quick", action="store_true", help="no engine of an extra, and no test of tests/slow.txt")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.quick or config.option.write_slow:
        hide_engines()


def hide_engines() -> None:
    """From this process and all that it starts, so that no quick test can come to need one."""
    os.environ.pop("RESZOO_TEST_EXTRAS", None)  # they are missing on purpose
    os.environ["HIDDEN_MODULES"] = ",".join(module for modules in MODULES.values() for module in modules)
    path = os.environ.get("PYTHONPATH", "")
    if str(BLINKERS) not in path.split(os.pathsep):  # else this is a worker, which has them on from its start
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BLINKERS), path]))
        runpy.run_path(str(BLINKERS / "sitecustomize.py"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = set(LIST.read_text().splitlines())
    wanted: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        alone = bool(item.get_closest_marker("alone") or item.get_closest_marker("gpu"))
        if config.option.quick:
            has = not alone and not is_long(item) and function(item.nodeid) not in slow
        else:
            has = config.option.machine in (None, "alone" if alone else "shared")
            has = has and config.option.long in (None, "only" if is_long(item) else "without")
        (wanted if has else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = wanted


def is_long(item: pytest.Item) -> bool:
    """Whether it is marked so, and, where the marker names cases, is one of them."""
    marker = item.get_closest_marker("long")
    if marker is None:
        return False
    case = item.nodeid.partition("[")[2].removesuffix("]")
    return not marker.args or any(case == name or name in case.split("-") for name in marker.args)
