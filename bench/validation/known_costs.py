"""Does the harness measure what is known? `python -m reszoo.bench.validation.known_costs`

A runtime that does nothing (what is left is the harness), runtimes that take a known time, runtimes that hold a known
amount of memory, and the time it takes to know a small model's median to 1 %.
"""

import time
from typing import Any

from ...core.estimates import median, relative_half_width
from .subjects import arguments, artifact, finish, measured, scenario

WAITS_US = (100, 1_000, 10_000)
HOLDS_MB = (10, 100, 500)


def main() -> None:
    options = arguments(__doc__, rounds=3)
    finish(
        options.out,
        {
            "overhead_s": [overhead() for _ in range(options.rounds)],
            "waits": [wait(us) for us in WAITS_US for _ in range(options.rounds)],
            "holds": [hold(mb) for mb in HOLDS_MB],
            "precision": [time_to_precision() for _ in range(options.rounds)],
        },
    )


def overhead() -> float:
    """Seconds per run that the loop adds: what a runtime seems to take that does nothing."""
    m = measured(artifact(), scenario("nothing", precision=0.05))
    seconds = median(m.samples_s)
    print(f"overhead {1e9 * seconds:.0f} ns a run, in samples of {m.runs_per_sample}")
    return seconds


def wait(us: int) -> dict[str, float]:
    m = measured(artifact(), scenario("wait", str(us)))
    seconds = median(m.samples_s)
    print(f"{us} us measured as {1e6 * seconds:.2f} us")
    return {"known_s": us / 1e6, "measured_s": seconds}


def hold(mb: int) -> dict[str, float]:
    m = measured(artifact(), scenario("hold", str(mb), precision=0.5))
    seen = m.memory.loaded.resident_bytes - m.memory.imported.resident_bytes
    print(f"{mb} MB seen as {seen / 1e6:.1f} MB, {m.memory.taken_bytes / 1e6:.1f} MB at the peak")
    return {"known_bytes": mb * 1e6, "loaded_bytes": seen, "peak_bytes": m.memory.taken_bytes}


def time_to_precision() -> dict[str, Any]:
    """From asking for a measurement of a small model to having it."""
    start = time.monotonic()
    m = measured(artifact(), scenario("onnxruntime"))
    seconds, reached = time.monotonic() - start, relative_half_width(m.samples_s)
    print(f"{100 * reached:.2f} % after {seconds:.1f} s")
    return {"seconds": seconds, "reached": reached, "warnings": [warning.kind for warning in m.warnings]}


if __name__ == "__main__":
    main()
