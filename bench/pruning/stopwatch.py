"""Seconds of many small models in turn, in a process of its own: `python -m reszoo.bench.pruning.stopwatch JOB`.

Each visit loads a model anew, so that no other one's threads are alive meanwhile, and each gets many memory layouts.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ...core.documents import read_json, write_json
from ...core.errors import ReszooError
from ...core.measured import Scenario
from ...core.types import Candidate, NotNegative, Noun
from ...export.contract import runtimes
from ..client import LAST_LINES
from ..protocol import Sample
from ..statistics import median
from ..timing import Stream, sample

VISIT_S = 0.03
WARM_UP_RUNS, WARM_UP_S = 20, 0.02
JOB, FIX = "job.json", "Run the same command again."


class Job(Noun, frozen=True, kw_only=True):
    """Visit `models` in this `order`."""

    scenario: Scenario
    models: tuple[Candidate, ...]
    order: tuple[NotNegative, ...]
    visit_s: float


def visits(
    models: Sequence[Candidate],
    order: Sequence[int],
    scenario: Scenario,
    visit_s: float = VISIT_S,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> list[float]:
    """The median run's seconds in each visit of `order`, which holds positions in `models`."""
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="reszoo-") as folder, tempfile.TemporaryFile() as noise:
        job = Path(folder) / JOB
        write_json(job, Job(scenario=scenario, models=tuple(models), order=tuple(order), visit_s=visit_s))
        command = [sys.executable, "-P", "-m", __name__, str(job)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=noise, text=True) as process:
            try:
                for line in process.stdout or ():
                    seconds.append(float(line))
                    watch(len(seconds), len(order))
            except BaseException:
                process.kill()
                raise
        if len(seconds) < len(order):
            noise.seek(0)
            said = noise.read().decode(errors="replace").strip().splitlines()[-LAST_LINES:]
            raise ReszooError(f"timing parts of the network on {scenario} failed: {' '.join(said)}", FIX)
    return seconds


def main() -> None:
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
