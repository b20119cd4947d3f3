"""Seconds of many small models in turn, in a process of its own: `python -m reszoo.bench.timer JOB`.

Each visit loads a model anew, so that no other one's threads are alive meanwhile, and each gets many memory layouts.
"""

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.documents import read_json, write_json
from ..core.errors import ReszooError
from ..core.estimates import median
from ..core.measured import Conditions, Scenario
from ..core.orphans import die_with_parent
from ..core.progress import Count, uncounted
from ..core.types import Candidate, NotNegative, Record
from ..export.contract.runtime import runtimes
from .client import LAST_LINES, PATIENCE_S, how_it_ended
from .machine import Watch, load_average
from .protocol import Sample
from .targets.local import environment
from .timing import Stream, sample

VISIT_S = 0.03
WARM_UP_RUNS, WARM_UP_S = 20, 0.02
JOB, FIX = "job.json", "Run the same command again; with fewer images at a time if memory ran out."


class Job(Record, frozen=True, kw_only=True):
    """Visit `models` in this `order`."""

    scenario: Scenario
    models: tuple[Candidate, ...]
    order: tuple[NotNegative, ...]
    visit_s: float


class Visits(NamedTuple):
    """The median run's seconds in each visit, and what the machine did meanwhile."""

    seconds: list[float]
    conditions: Conditions


def visits(
    models: Sequence[Candidate],
    order: Sequence[int],
    scenario: Scenario,
    visit_s: float = VISIT_S,
    count: Count = uncounted,
    patience_s: float = PATIENCE_S,
) -> Visits:
    """Time what `order` says, positions in `models`. A visit may take `patience_s`, which a hung runtime does not."""
    job = Job(scenario=scenario, models=tuple(models), order=tuple(order), visit_s=visit_s)
    seconds: list[float] = []
    load_before = load_average()
    with tempfile.TemporaryDirectory(prefix="reszoo-") as folder, tempfile.TemporaryFile() as noise:
        path = Path(folder) / JOB
        write_json(path, job)
        command = [sys.executable, "-P", "-m", __name__, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=noise, env=environment(scenario)) as process:
            try:
                machine = Watch([process.pid], scenario.cores, device=scenario.device, load_before=load_before)
                for line in _lines(process, patience_s):
                    seconds.append(float(line))
                    machine.look()
                    count(len(seconds), len(order))
                conditions, is_done = machine.stop(), len(seconds) == len(order)
                ended = "" if is_done else how_it_ended(process.wait(patience_s))
            except (TimeoutError, subprocess.TimeoutExpired):
                conditions, ended = machine.stop(), f"did not answer within {patience_s:g} s"
            finally:
                process.kill()
        if ended:
            noise.seek(0)
            said = noise.read().decode(errors="replace").strip().splitlines()[-LAST_LINES:]
            problem = f"timing networks on {scenario} failed: the process that times them {ended}"
            raise ReszooError("\n".join([problem, *said]), FIX)
    return Visits(seconds, conditions)


def _lines(process: "subprocess.Popen[bytes]", patience_s: float) -> Iterator[bytes]:
    """What it prints until it ends. Raises TimeoutError when it is silent for too long."""
    output = process.stdout.fileno() if process.stdout else -1
    unread = b""
    while select.select([output], [], [], patience_s)[0]:
        if not (read := os.read(output, 1 << 16)):
            return
        *lines, unread = (unread + read).split(b"\n")
        yield from lines
    raise TimeoutError


def main() -> None:
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a runtime prints is no answer
    job = read_json(Path(sys.argv[1]), Job, FIX)
    if job.scenario.cores:
        os.sched_setaffinity(0, job.scenario.cores)
    for number in job.order:
        print(_visit(job.models[number], job.scenario, job.visit_s), file=answers)


def _visit(model: Candidate, scenario: Scenario, seconds: float) -> float:
    """Noise is as good as images: a convolution takes as long for any values."""
    import numpy as np

    shape = (scenario.batch, *map(int, model.input.shape[1:]))
    noise = np.random.default_rng(scenario.seed).standard_normal(shape, np.float32)
    runtime = runtimes()[scenario.runtime]
    with runtime.load(model, device=scenario.device, threads=scenario.threads, variant=scenario.variant) as session:
        placed = session.place(noise)
        session.repeat(placed, WARM_UP_RUNS, WARM_UP_S)
        stream = Stream(session, [placed])
        return median(sample([stream], Sample(seconds=seconds, runs_per_sample=1, settle=1), None).samples_s)


if __name__ == "__main__":
    main()
