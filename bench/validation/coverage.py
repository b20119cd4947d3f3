"""How often the median's 95 % interval holds the truth: `python -m reszoo.bench.validation.coverage [--out FILE.json]`

On simulated latencies: of series of a fixed length, and of series that end when the harness would stop sampling.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from ...core.estimates import median_interval
from ...core.files import write_atomic
from ..sampling import Stop
from .streams import STREAMS, Stream

FIXED_N = 2000
CHUNK = 200
MOST_CHUNKS = 50
PRECISION = 0.01


class Coverage(msgspec.Struct, frozen=True):
    """In `covered` of `trials` the interval held the truth; `n` samples were taken, on the average."""

    n: float
    trials: int
    covered: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--trials", type=int, default=1000, help="of each stream (default: 1000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found: dict[str, dict[str, Coverage]] = {}
    print(f"{'':20}{f'{FIXED_N} samples':>15}{f'until {PRECISION:.0%}':>15}{'samples':>10}")
    for name, stream in STREAMS.items():
        fixed = coverage(stream, fixed_length, options.trials, options.seed)
        until = coverage(stream, until_precise, options.trials, options.seed)
        found[name] = {"fixed": fixed, "until_precise": until}
        shares = "".join(f"{each.covered / each.trials:>15.1%}" for each in (fixed, until))
        print(f"{name:20}{shares}{until.n:>10,.0f}", flush=True)
    if options.out:
        document = {"seed": options.seed, "precision": PRECISION, "streams": found}
        write_atomic(options.out, msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def coverage(
    stream: Stream, take: Callable[[Stream, np.random.Generator], Sequence[float]], trials: int, seed: int
) -> Coverage:
    rng = np.random.default_rng(seed)
    covered = samples = 0
    for _ in range(trials):
        taken = take(stream, rng)
        low, high = median_interval(taken)
        covered += low <= stream.median_s <= high
        samples += len(taken)
    return Coverage(samples / trials, trials, covered)


def fixed_length(stream: Stream, rng: np.random.Generator) -> list[float]:
    samples: list[float] = stream.draw(rng, FIXED_N).tolist()
    return samples


def until_precise(stream: Stream, rng: np.random.Generator) -> list[float]:
    """As much of a series as the harness would take: chunk by chunk, until it is precise or the time is up."""
    series: list[float] = stream.draw(rng, CHUNK * MOST_CHUNKS).tolist()
    stop = Stop(PRECISION)
    for chunks in range(1, MOST_CHUNKS):
        if stop(series[: chunks * CHUNK], chunks):
            return series[: chunks * CHUNK]
    return series


if __name__ == "__main__":
    main()
