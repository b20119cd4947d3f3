"""Which of several ways to run a model is the fastest, for each number of threads and each batch."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ..core.measured import LOCAL, MEASURED, Measurement
from .rounding import milliseconds
from .table import way

# What a process keeps for life, such as its memory layout, is in no interval of one process. The same model in two
# processes, in turn, was this far apart at most (docs/benchmarking.md, `agreement`, against a bare loop).
PROCESS_NOISE = 0.05


def fastest(measured: Sequence[Measurement]) -> list[str]:
    """A line for each setting in which there was a choice, of each target and way of measuring.

    Rivals that one process each cannot tell apart are named.
    Of an artifact that was measured twice in one way, the first counts.
    """
    settings: dict[str, dict[tuple[str, str], Measurement]] = {}
    for m in measured:
        scenario = m.subject.scenario
        ways = settings.setdefault(_setting(m), {})
        ways.setdefault((m.subject.artifact_sha256, scenario.runtime_name), m)
    return [" ".join(_sentences(setting, [*ways.values()])) for setting, ways in settings.items() if len(ways) > 1]


def _sentences(setting: str, several: list[Measurement]) -> Iterator[str]:
    alike = Counter(map(way, several))
    best, *others = sorted(several, key=lambda m: m.median_s)
    yield f"fastest with {setting}: {_named(best, alike)}."
    limit = (1 + PROCESS_NOISE) * best.interval_s.high
    if rivals := [m for m in others if m.interval_s.low <= limit]:
        named = " and ".join(_named(m, alike) for m in rivals)
        yield (
            f"It cannot be told apart from {named}, as processes of one model differ by up to "
            f"{100 * PROCESS_NOISE:.0f} %: `reszoo compare` measures in turn."
        )


def _setting(m: Measurement) -> str:
    scenario = m.subject.scenario
    threads = f"{scenario.threads} thread{'s' * (scenario.threads > 1)}"
    streams = f" x {scenario.streams} streams" if scenario.streams > 1 else ""
    target = f", at {scenario.target}" if scenario.target != LOCAL else ""
    way = f", {m.way}" if m.way != MEASURED else ""
    return f"{threads}{streams}, batch {scenario.batch}{target}{way}"


def _named(m: Measurement, alike: Counter[str]) -> str:
    """Its latency, and "!" where there is reason to doubt it. A hash tells two artifacts of one kind apart."""
    low, high = m.interval_s
    which = f" {m.subject.artifact_sha256[:8]}" if alike[way(m)] > 1 else ""
    latency = f"{milliseconds(m.median_s)} ms ({milliseconds(low)} to {milliseconds(high)})"
    return f"{way(m)}{which}, {latency}{' !' * bool(m.warnings)}"
