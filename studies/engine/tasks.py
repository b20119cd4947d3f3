"""One run as a task for any executor: a function that can be pickled, of arguments that can."""

import math
import os
import time
from typing import NamedTuple

from ...core import hosts
from ...core.errors import ReszooError
from ...core.threads import torch_threads
from .records import Condition, Measured, RunResult, Settings, name_of
from .registry import study_named


class Task(NamedTuple):
    """A run that is to be done, wherever: the study goes by its name, and is found again there."""

    study: str
    condition: Condition
    seed: int
    settings: Settings

    @property
    def name(self) -> str:
        """Of the run, and of its file."""
        return f"{name_of(self.condition)}.{self.seed}"


def perform(task: Task) -> RunResult:
    """Do one run, on one thread: two runs side by side are faster than one on two."""
    study = study_named(task.study)
    with torch_threads(1):
        start = _core_s()
        measured = study.measure(task.condition, task.seed, task.settings)
        core_s = _core_s() - start
    _check_finite(task, measured)
    return RunResult(
        version=study.version(task.settings),
        condition=task.condition,
        seed=task.seed,
        measured=measured,
        core_s=core_s,
        host=_host(),
    )


def _core_s() -> float:
    """Processor time so far, with that of the processes that were started from here and have ended: some measure."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def _check_finite(task: Task, measured: Measured) -> None:
    """A document cannot hold what is not a number, and no mean survives it."""
    series = ((name, value) for name, values in measured.series.items() for value in values)
    for name, value in (*measured.values.items(), *series):
        if not math.isfinite(value):
            raise ReszooError(f"the run {task.name} of {task.study} gave {name} = {value}", "This is a defect.")


def _host() -> str:
    """What may change a result: "AMD EPYC, 2 cores, avx2 fma; reszoo 0.1.0 (3f2a), torch 2.13.0"."""
    host = hosts.describe()
    commit = f" ({host.commit})" if host.commit else ""
    versions = f"reszoo {host.versions.get('reszoo', 'unknown')}{commit}, torch {host.versions.get('torch', 'unknown')}"
    gpu = f", {host.gpu}" if host.gpu else ""
    sets = f", {' '.join(host.instruction_sets)}" if host.instruction_sets else ""
    return f"{host.cpu}, {host.cores} cores{sets}{gpu}; {versions}"
