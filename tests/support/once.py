"""What is made once a run, however many processes run the tests."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The path `name` that the first process to come has made, in the folder that all of this run share.

    Nobody may change it. `make` is given a path at which nothing is.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, done = shared / "once" / name, shared / "once" / f"{name}.done"
    made.parent.mkdir(exist_ok=True)
    with FileLock(f"{made}.lock"):
        if not done.exists():
            shutil.rmtree(made, ignore_errors=True)  # of one that failed
            make(made)
            done.touch()
    return made
