"""Which of several ways to run a model is the fastest, for each number of threads and each batch."""

from collections.abc import Iterator, Sequence

from ..core.measured import Measurement, Scenario
from .rounding import milliseconds
from .statistics import median, median_interval
from .table import way


def fastest(measured: Sequence[Measurement]) -> list[str]:
    """A line for each setting in which there was a choice. Rivals whose intervals overlap the best one's are named."""
    settings: dict[str, list[Measurement]] = {}
    for m in measured:
        settings.setdefault(_setting(m.subject.scenario), []).append(m)
    return [" ".join(_told(setting, several)) for setting, several in settings.items() if len(several) > 1]


def _told(setting: str, several: list[Measurement]) -> Iterator[str]:
    best, *others = sorted(several, key=lambda m: median(m.samples_s))
    yield f"fastest with {setting}: {way(best)}, {_latency(best)}."
    limit = median_interval(best.samples_s).high
    rivals = [m for m in others if median_interval(m.samples_s).low <= limit]
    if rivals:
        named = " and ".join(f"{way(m)}, {_latency(m)}" for m in rivals)
        yield f"It cannot be told apart from {named}: `reszoo compare` measures in turn."


def _setting(scenario: Scenario) -> str:
    threads = f"{scenario.threads} thread{'s' * (scenario.threads > 1)}"
    streams = f" x {scenario.streams} streams" if scenario.streams > 1 else ""
    return f"{threads}{streams}, batch {scenario.batch}"


def _latency(m: Measurement) -> str:
    low, high = median_interval(m.samples_s)
    return f"{milliseconds(median(m.samples_s))} ms ({milliseconds(low)} to {milliseconds(high)})"
