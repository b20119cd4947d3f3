"""How long to measure: warm up until the latency is steady, then sample until the median is known well enough.

The worker samples in short chunks, and the harness looks at them while the worker waits.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..core.estimates import is_precise, median
from ..core.measured import Scenario, Window
from .client import Worker
from .drift import is_steady
from .protocol import Sample, Sampled

CHUNK_S = 0.25
FIRST_S = 0.01  # enough to learn how long a run takes; each is timed alone, and a quick one is timed very often
# The interval is looked at again when there are this many times as many samples: few looks, so that sampling does
# not end at a lucky one.
GROWTH = 1.25
LEAST_CHUNKS = 4
# After a pause the caches are cold and the cores slow; runs in this time are not counted.
SETTLE_S = 2e-3


class WarmUp(NamedTuple):
    """`run_s` is about one run's time; `is_steady` is false if the time limit came first."""

    seconds: float
    run_s: float
    is_steady: bool


class Stop:
    """When to stop sampling: when the samples are precise, asked seldom enough not to stop at a lucky moment."""

    def __init__(self, precision: float) -> None:
        self.precision = precision
        self.next_look = 0.0

    def __call__(self, samples: Sequence[float], chunks: int) -> bool:
        """After each chunk, with all samples so far."""
        if chunks < LEAST_CHUNKS or len(samples) < self.next_look:
            return False
        self.next_look = GROWTH * len(samples)
        return is_precise(samples, self.precision)


class Samples(NamedTuple):
    samples_s: list[float]
    runs_per_sample: int
    windows: list[Window]


def warm_up(worker: Worker, limit_s: float) -> WarmUp:
    """Run until the latency is steady."""
    start = time.monotonic()
    taken: list[float] = []
    run_s = median(take(worker, FIRST_S, run_s=0.0).samples_s)
    latest = run_s  # the first runs may be many times slower
    while not (steady := is_steady(taken)) and time.monotonic() - start < limit_s:
        chunk = take(worker, CHUNK_S, run_s).samples_s
        taken += chunk
        latest = median(chunk)
    return WarmUp(time.monotonic() - start, latest, steady)


def sample_until_precise(worker: Worker, scenario: Scenario, run_s: float, look: Callable[[], None]) -> Samples:
    """Sample until the median's interval is as narrow as the scenario asks, or its time is up.

    `look` is called during every chunk.
    """
    runs = runs_per_sample(worker, run_s)
    samples: list[float] = []
    windows: list[Window] = []
    stop = Stop(scenario.precision)
    end = time.monotonic() + scenario.sampling_limit_s
    while time.monotonic() < end:
        sampled = take(worker, CHUNK_S, run_s, look)
        samples += sampled.samples_s
        windows.append(Window(runs=runs * len(sampled.samples_s), seconds=sampled.seconds))
        if stop(samples, len(windows)):
            break
    return Samples(samples, runs, windows)


def take(worker: Worker, seconds: float, run_s: float, look: Callable[[], None] = lambda: None) -> Sampled:
    """Samples for about `seconds` of runs that take about `run_s` each (0 if that is not known yet).

    `look` is called while the worker is at it.
    """
    settle = math.ceil(SETTLE_S / run_s) if 0 < run_s < 10 * SETTLE_S else 0
    worker.send(Sample(seconds=seconds, runs_per_sample=runs_per_sample(worker, run_s), settle=settle))
    look()
    return worker.receive(Sampled, seconds)


def runs_per_sample(worker: Worker, run_s: float) -> int:
    """More than one for short runs, unless each has to find the caches empty."""
    return 1 if worker.scenario.cold_cache or not run_s else max(math.ceil(worker.shortest_sample_s / run_s), 1)
