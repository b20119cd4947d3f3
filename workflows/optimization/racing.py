"""Who is fastest: candidates in rounds of fresh processes, of which the slow ones are dropped (successive halving).

Karnin, Koren & Somekh 2013 ("Almost Optimal Exploration in Multi-Armed Bandits") halve the field after every round;
here an interval decides who leaves, as in the racing algorithms of Maron & Moore (1994, "Hoeffding Races"): whoever
cannot be faster than the leader by `MARGIN` any more. The variance of a ratio over few rounds is moderated by that of
all candidates (Smyth 2004, "Linear Models and Empirical Bayes Methods", section 3): t over n - 1 + `PRIOR` degrees of
freedom; and by no less than `SCATTER` squared, because rounds that follow each other share the machine's mood, and two
that agree say little about the next. `core.looking` says what looking after every round costs.
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
PRIOR = 4  # degrees of freedom that the candidates' common variance is worth
SCATTER = 0.03  # of processes of one model: 1 to 2 % as a rule, 5 % beside busy neighbours (docs/benchmarking.md)
EXACT = 1e-9  # of a logarithm
UNKNOWN = Interval(0.0, math.inf)


class Standings(NamedTuple):
    """The pool's fastest so far, and each one's latency over the leader's, after so many rounds with both."""

    leader: str
    ratios: dict[str, Ratio]
    rounds: dict[str, int]

    def could_win(self, key: str) -> bool:
        """Whether it may still be faster than the leader by more than the margin."""
        return key != self.leader and self.ratios[key].interval.low < 1 / (1 + MARGIN)


def screened(looks: Mapping[str, Screened], pool: Sequence[str]) -> list[str]:
    """Who is to race: those whose first look is not hopeless."""
    bar = SCREEN * min(looks[key].high_s for key in pool)
    return [key for key in pool if looks[key].low_s <= bar]


def standings(rounds: Sequence[Mapping[str, float]], pool: Sequence[str]) -> Standings:
    """Of those in the pool that have run; at least one has."""
    places = _places(rounds, pool)
    leader = min(places, key=lambda key: (places[key], key))
    shifts = {key: [logs[key] - logs[leader] for logs in rounds if key in logs and leader in logs] for key in places}
    common, freedom = _of_ratios([its for key, its in shifts.items() if key != leader])
    ratios = {key: _ratio(its, places[key] - places[leader], common, freedom) for key, its in shifts.items()}
    ratios[leader] = Ratio(1.0, Interval(1.0, 1.0))
    return Standings(leader, ratios, {key: sum(key in logs for logs in rounds) for key in places})


def against(
    together: Sequence[Mapping[str, float]], key: str, other: str, rounds: Sequence[Mapping[str, float]]
) -> Ratio:
    """The latency of one over that of another, from the rounds in which both ran; `rounds` are all there were."""
    keys = list(dict.fromkeys(name for logs in rounds for name in logs))
    shifts = [[logs[name] - logs[other] for logs in rounds if name in logs and other in logs] for name in keys]
    return _ratio([logs[key] - logs[other] for logs in together], 0.0, *_of_ratios(shifts))


def latency(rounds: Sequence[Round], key: str) -> tuple[float, Interval]:
    """Seconds of a batch: the mean over rounds of the process's median, and its interval; each process counts once."""
    every: dict[str, list[float]] = {}
    for each in rounds:
        for name, seconds in each.latencies_s.items():
            every.setdefault(name, []).append(math.log(seconds))
    found = _ratio(every[key], 0.0, *_common_variance(list(every.values())))
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


def _of_ratios(shifts: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The common variance of ratios, and its degrees of freedom."""
    variance, freedom = _common_variance(shifts)
    return max(variance, SCATTER**2), freedom


def _common_variance(samples: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Pooled over the candidates, and its degrees of freedom."""
    squares, freedom = 0.0, 0
    for values in samples:
        if len(values) > 1:
            mean = sum(values) / len(values)
            squares += sum((value - mean) ** 2 for value in values)
            freedom += len(values) - 1
    return (squares / freedom if freedom else 0.0), freedom


def _ratio(logs: Sequence[float], otherwise: float, common: float, freedom: int) -> Ratio:
    """The exponential of the mean, with its interval. Nothing is known of one alone, unless others were seen twice."""
    n = len(logs)
    if not n or not freedom:
        return Ratio(math.exp(sum(logs) / n if n else otherwise), UNKNOWN)
    mean = sum(logs) / n
    prior = min(PRIOR, freedom)
    variance = (sum((value - mean) ** 2 for value in logs) + prior * common) / (n - 1 + prior)
    half = student_t(confidence_of_round(n, CONFIDENCE, gated=True), n - 1 + prior) * math.sqrt(variance / n)
    return Ratio(math.exp(mean), Interval(math.exp(mean - half), math.exp(mean + half)))
