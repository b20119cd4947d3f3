"""This machine: a worker is a process of our own Python."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, cast

from ...core import hosts
from ...core.errors import UsageError
from ...core.measured import Host, Scenario
from ...core.types import Artifact
from ...export.contract.runtime import Engine, runtimes
from .. import affinity, gpu, machine, protocol
from ..client import Worker, load_request, thread_settings
from ..memory import ControlGroup
from ..piped import PipedWorker
from ..target import LOCAL, Target, TargetKind, bound, load_before, only

WORKER = "reszoo.bench.worker"


def environment(scenario: Scenario) -> dict[str, str]:
    """A measuring process's."""
    return os.environ | thread_settings(scenario)


class LocalWorker(PipedWorker):
    """A process in a control group of its own, where this one may make them."""

    is_on_its_own_data: ClassVar[bool] = True

    def __init__(self, artifact: Artifact, scenario: Scenario, patience_s: float, module: str) -> None:
        self.artifact, self.scenario, self.patience_s = artifact, scenario, patience_s
        self.load_before = machine.load_average()
        self.group = ControlGroup.create()
        self.spawned_at = time.monotonic()
        # -P: the user's folder, with a datasets/ or a statistics.py in it, is none of the worker's business
        self.start([sys.executable, "-P", "-m", module], environment(scenario))
        if self.group and not self.group.add(self.pid):
            self.group.close()
            self.group = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def load_request(self, flush_bytes: int) -> protocol.Load:
        return load_request(self, flush_bytes, self.artifact.path, self.spawned_at)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cgroup_peak_bytes(self) -> int | None:
        return self.group.peak_bytes() if self.group else None

    def driver_bytes(self) -> int | None:
        seen = gpu.look()
        return seen.processes.get(self.pid) if seen else None

    def ending(self) -> str:
        said = super().ending()
        if self.group and self.group.killed():
            return "the worker was killed because it ran out of memory"
        return said

    def close(self) -> None:
        super().close()
        if self.group:
            self.group.close()


class LocalTarget(Target):
    """`module` is what its workers run."""

    name = LOCAL

    def __init__(self, module: str = WORKER) -> None:
        self.module = module

    def host(self) -> Host:
        return hosts.describe()

    def engines(self) -> Mapping[str, Engine]:
        found = {name: runtime for name, runtime in runtimes().items() if not runtime.is_in_browser}
        return cast("Mapping[str, Engine]", found)  # their facts are those of classes, not of instances

    def choose_cores(self, n: int) -> tuple[int, ...]:
        return affinity.choose_cores(n)

    def worker(self, artifact: Artifact, scenario: Scenario, *, patience_s: float) -> LocalWorker:
        runtime = runtimes().get(scenario.runtime)
        if runtime and runtime.is_in_browser:
            raise UsageError(
                f"{scenario.runtime} computes in a browser, whose time is taken there", "Use `target=browser`."
            )
        return LocalWorker(artifact, scenario, patience_s, self.module)

    def watch(self, workers: Sequence[Worker]) -> machine.Watch:
        on_gpu = any(worker.scenario.device == "cuda" for worker in workers)
        return machine.Watch(
            [worker.pid for worker in workers if isinstance(worker, LocalWorker)],
            bound(workers),
            device="cuda" if on_gpu else "cpu",
            load_before=load_before(workers),
        )


HERE = LocalTarget()
TARGET = TargetKind(LOCAL, LOCAL, partial(only, LOCAL, LocalTarget))
