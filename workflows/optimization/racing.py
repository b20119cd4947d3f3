"""Who is fastest: candidates in rounds of fresh processes, of which the slow ones are dropped (successive halving).

Karnin, Koren & Somekh 2013 ("Almost Optimal Exploration in Multi-Armed Bandits") halve the field after every round;
here an interval decides who leaves, as in the racing algorithms of Maron & Moore (1994, "Hoeffding Races"): whoever
cannot be faster than the leader by `MARGIN` any more. The variance of a ratio over few rounds is moderated by that of
the other candidates (Smyth 2004, "Linear Models and Empirical Bayes Methods", section 3): t over n - 1 + `PRIOR`
degrees of freedom; and by no less than `SCATTER` squared, because rounds that follow each other share the machine's
mood, and two that agree say little about the next. `core.looking` says what looking after every round costs.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...core.distributions import student_t
from ...core.estimates import Ratio
from ...core.looking import confidence_of_round
from ...core.measured import CONFIDENCE
from ...core.statistics import Interval
from .records import Round, Screened

MARGIN = 0.02  # who cannot win by this has lost
SCREEN = 1.5  # a first look that is this many times slower needs no second: processes of one model differ by 5 %
MOST_ROUNDS = 24  # a runtime whose weights fill the shared cache scatters by 10 %
PRIOR = 4  # degrees of freedom that the others' common variance is worth
SCATTER = 0.03  # of processes of one model: 1 to 2 % as a rule, 5 % beside busy neighbours (docs/benchmarking.md)
EXACT = 1e-9  # of a logarithm
UNKNOWN = Interval(0.0, math.inf)
ITSELF = Ratio(1.0, Interval(1.0, 1.0))


class Standings(NamedTuple):
    """The pool's fastest so far, and each one's latency over the leader's, after so many rounds with both."""

    leader: str
    ratios: dict[str, Ratio]
    rounds: dict[str, int]

    def could_win(self, key: str) -> bool:
        return key != self.leader and could_win(self.ratios[key])


def could_win(ratio: Ratio) -> bool:
    """Whether it may still be faster than the other by more than the margin."""
    return ratio.interval.low < 1 / (1 + MARGIN)


def screened(looks: Mapping[str, Screened], pool: Sequence[str]) -> list[str]:
    """Who is to race: those whose first look is not hopeless."""
    bar = SCREEN * min(looks[key].high_s for key in pool)
    return [key for key in pool if looks[key].low_s <= bar]


def standings(rounds: Sequence[Mapping[str, float]], pool: Sequence[str]) -> Standings:
    """Of those in the pool that have run; at least one has."""
    places = _places(rounds, pool)
    leader = min(places, key=lambda key: (places[key], key))
    shifts = _shifts(rounds, leader)
    ratios = {key: _ratio(shifts, key, SCATTER, places[key] - places[leader]) for key in places if key != leader}
    ratios[leader] = ITSELF
    return Standings(leader, ratios, {key: sum(key in logs for logs in rounds) for key in places})


def against(rounds: Sequence[Mapping[str, float]], key: str, other: str) -> Ratio:
    """The latency of one over that of another, from the rounds in which both ran."""
    if key == other:
        return ITSELF
    return _ratio({key: [], **_shifts(rounds, other)}, key, SCATTER)


def latency(rounds: Sequence[Round], key: str) -> tuple[float, Interval]:
    """Seconds of a batch: the mean over rounds of the process's median, and its interval; each process counts once."""
    every: dict[str, list[float]] = {}
    for each in rounds:
        for name, seconds in each.latencies_s.items():
            every.setdefault(name, []).append(math.log(seconds))
    found = _ratio(every, key)
    return found.value, found.interval


def _places(rounds: Sequence[Mapping[str, float]], pool: Sequence[str]) -> dict[str, float]:
    """Each one's logarithm in a model of rounds and candidates, by least squares: not all were in all rounds."""
    several = [{key: logs[key] for key in pool if key in logs} for logs in rounds]
    several = [logs for logs in several if logs]
    places = dict.fromkeys((key for logs in several for key in logs), 0.0)
    for _ in range(100):
        bases = [sum(logs[key] - places[key] for key in logs) / len(logs) for logs in several]
        sums: dict[str, list[float]] = {key: [] for key in places}
        for base, logs in zip(bases, several, strict=True):
            for key, value in logs.items():
                sums[key].append(value - base)
        before, places = places, {key: sum(its) / len(its) for key, its in sums.items()}
        if max((abs(places[key] - before[key]) for key in places), default=0.0) < EXACT:
            break
    return places


def _shifts(rounds: Sequence[Mapping[str, float]], base: str) -> dict[str, list[float]]:
    """The logarithm of each one's latency over that of `base`, in every round with both."""
    found: dict[str, list[float]] = {key: [] for logs in rounds for key in logs if key != base}
    for logs in (logs for logs in rounds if base in logs):
        for key in logs.keys() - {base}:
            found[key].append(logs[key] - logs[base])
    return found


def _ratio(samples: Mapping[str, Sequence[float]], key: str, scatter: float = 0.0, otherwise: float = 0.0) -> Ratio:
    """The exponential of the mean of one's samples, with its interval, which the others' variance moderates.

    `scatter` is the least that the others' deviation, or that of one who is alone, is taken for. Nothing is known of
    one sample, unless others were seen twice. `otherwise` is the logarithm where there is no sample.
    """
    logs, others = samples[key], [its for name, its in samples.items() if name != key]
    n, freedom = len(logs), sum(max(len(its) - 1, 0) for its in others)
    prior = min(PRIOR, freedom)
    if not n or n - 1 + prior == 0:
        return Ratio(math.exp(logs[0] if n else otherwise), UNKNOWN)
    mean, own = sum(logs) / n, _squares(logs)
    if prior:
        common = max(sum(map(_squares, others)) / freedom, scatter**2)
        variance = (own + prior * common) / (n - 1 + prior)
    else:
        variance = max(own / (n - 1), scatter**2)
    half = student_t(confidence_of_round(n, CONFIDENCE, gated=True), n - 1 + prior) * math.sqrt(variance / n)
    return Ratio(math.exp(mean), Interval(math.exp(mean - half), math.exp(mean + half)))


def _squares(values: Sequence[float]) -> float:
    """Of what each is away from their mean."""
    mean = sum(values) / max(len(values), 1)
    return sum((value - mean) ** 2 for value in values)
