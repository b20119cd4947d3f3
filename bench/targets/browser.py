"""A browser on this machine: a worker is a page in one of its own, and the times are the page's."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar, Self, cast

import numpy as np

from ...core import hosts, sysfs
from ...core.errors import ReszooError
from ...core.measured import Host, Scenario
from ...core.missing import unavailable_error
from ...core.types import Artifact, Way
from ...export.browser import finding
from ...export.browser.driving import Page
from ...export.browser.processes import PROC, family
from ...export.contract.runtime import Engine, runtimes
from ...export.feeding import inputs_for
from .. import machine, protocol
from ..client import Worker, load_request
from ..target import Target, TargetKind, load_before, only

NAME, USUAL = "browser", "onnxruntime-web"  # the runtime where none is named
INPUTS, MEMORY = "inputs.npy", "memory"
FILES = {"tasks.js": Path(__file__).with_suffix(".js")}


class BrowserWorker(Worker):
    """A page of the artifact's folder, in a browser that serves nobody else.

    Its clock is `performance.now()`, which counts in steps of 5 us where a page is isolated (High Resolution Time,
    section 7), so a sample spans more of a quick model's runs than elsewhere.
    """

    shortest_sample_s: ClassVar[float] = 2.5e-3

    def __init__(self, artifact: Artifact, scenario: Scenario, patience_s: float) -> None:
        self.artifact, self.scenario, self.patience_s = artifact, scenario, patience_s
        self.load_before = machine.load_average()
        self.folder = tempfile.TemporaryDirectory(prefix="reszoo-")
        inputs = Path(self.folder.name) / INPUTS
        np.save(inputs, inputs_for(artifact, scenario))
        self.spawned_at = time.time()
        self.failure: ReszooError | None = None
        files = {**FILES, INPUTS: inputs}
        self.page = Page(
            artifact.path, {name: path.read_bytes for name, path in files.items()} | {MEMORY: self._memory}
        )

    def load_request(self, flush_bytes: int) -> protocol.Load:
        return load_request(self, flush_bytes, Path(), self.spawned_at, Path(INPUTS))

    def write(self, line: bytes) -> None:
        self.page.send(json.dumps({"method": "answer"}).encode() + b"\n" + line)

    def line(self, deadline: float) -> bytes | None:
        try:
            answer = self.page.receive(deadline)
        except ReszooError as error:
            self.failure = error
            return b""
        return None if answer is None else answer.partition(b"\n")[2] or answer

    def ending(self) -> str:
        return self.failure.problem if self.failure else "the browser has ended"

    def output(self) -> str:
        return self.page.output()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.page.close()
        self.folder.cleanup()

    def processes(self) -> list[int]:
        return family(self.page.process.pid)

    def _signal(self, number: int) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _memory(self) -> bytes:
        """The sums over all processes of the browser, as JSON: `Pages`, and their peaks.

        What processes share counts in each, as it does at every step: only differences say what a step took.
        """
        folders = [PROC / str(pid) for pid in self.processes()]
        counts = [sysfs.fields(folder / "smaps_rollup") for folder in folders]
        status = [sysfs.fields(folder / "status") for folder in folders]
        resident = _sum(counts, "Rss")
        found = {
            "resident_bytes": resident,
            "private_bytes": _sum(counts, "Private_Clean") + _sum(counts, "Private_Dirty"),
            "file_bytes": max(resident - _sum(counts, "Anonymous") - _sum(status, "RssShmem"), 0),
            "peak_bytes": max(_sum(status, "VmHWM"), resident),
        }
        return json.dumps(found).encode()


def _sum(processes: Sequence[Mapping[str, str]], name: str) -> int:
    """In bytes, of lines like "Rss: 1776 kB"; a process that has just ended has none."""
    return 1024 * sum(int(fields[name].split()[0]) for fields in processes if name in fields)


class BrowserTarget(Target):
    """The browser that `finding` finds."""

    name = NAME
    way = Way(kind="measured", by="the page's clock")

    def __enter__(self) -> Self:
        if missing := finding.unavailable(NAME):
            raise unavailable_error(missing)
        return self

    def host(self) -> Host:
        from msgspec.structs import replace

        here, program = hosts.describe(), finding.find()
        name, _, number = finding.version(program).rpartition(" ") if program else (NAME, "", "")
        return replace(here, versions=here.versions | {name: number})

    def engines(self) -> Mapping[str, Engine]:
        names = sorted(runtimes(), key=lambda name: name != USUAL)
        found = {name: runtime for name in names if (runtime := runtimes()[name]).is_in_browser}
        return cast("Mapping[str, Engine]", found)  # their facts are those of classes, not of instances

    def choose_cores(self, n: int) -> tuple[int, ...]:
        return ()  # a browser's other processes need some, too

    def worker(self, artifact: Artifact, scenario: Scenario, *, patience_s: float) -> BrowserWorker:
        return BrowserWorker(artifact, scenario, patience_s)

    def watch(self, workers: Sequence[Worker]) -> machine.Watch:
        pids = [pid for worker in workers if isinstance(worker, BrowserWorker) for pid in worker.processes()]
        return machine.Watch(pids, (), load_before=load_before(workers))


TARGET = TargetKind(NAME, NAME, partial(only, NAME, BrowserTarget))
