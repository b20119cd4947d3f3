"""A recorded table in the machine's place: the same selector, with rounds that were measured before."""

import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...bench import looks
from ...bench.accuracy import Paired
from ...core.types import NotNegative, Positive, Record
from .known import Known
from .records import Built, Configuration, Happened, Judged, Missing, Network, Plan, Request, Round, Screened
from .selection import Action, Build, Judge, Race, Screen


class Recorded(Record, frozen=True, kw_only=True):
    """One candidate: what was seen at first, then its median latency in each round, all candidates in turn.

    Without rounds its first look was hopeless. `lost` and `gained` of `n` images of `val` tell it from its source.
    """

    configuration: Configuration
    size_bytes: Positive
    look: Screened
    latencies_s: tuple[float, ...] = ()
    n: NotNegative = 0
    lost: NotNegative = 0
    gained: NotNegative = 0
    seconds: float = 0.0

    @property
    def truth_s(self) -> float:
        """The geometric mean over all rounds."""
        logs = [math.log(seconds) for seconds in self.latencies_s] or [math.log(self.look.latency_s)]
        return math.exp(sum(logs) / len(logs))

    @property
    def drop(self) -> float:
        return (self.lost - self.gained) / self.n if self.n else 0.0

    def is_told(self, max_drop: float | None) -> bool:
        """Whether all images say that it loses no more."""
        paired = Paired(self.n, self.lost, self.gained, self.n - self.lost - self.gained)
        return max_drop is None or looks.outcome(paired, self.n, max_drop) == "pass"


class Table(Record, frozen=True, kw_only=True):
    """All candidates of one network in one setting, on one machine. `round_s` are the seconds that each round took."""

    name: str
    batch: Positive
    threads: Positive
    candidates: tuple[Recorded, ...]
    round_s: tuple[float, ...] = ()

    def plan(self, request: Request) -> Plan:
        """What a search among these candidates is for. Without a limit of accuracy, only the exact take part."""
        chosen = [c.configuration for c in self.candidates if request.max_drop is not None or c.configuration.is_exact]
        refs = dict.fromkeys(c.network for c in chosen)
        return Plan(
            request=request,
            networks=tuple(Network(ref=ref, sha256="0" * 64) for ref in refs),
            machine={"table": self.name},
            configurations=tuple(chosen),
            images=max((c.n for c in self.candidates), default=0),
        )

    def best(self, request: Request) -> Recorded | None:
        """The fastest that keeps the limits, by all that was measured; of a drop, if all images are enough to tell."""
        good = [c for c in self.candidates if self.is_feasible(c, request) and c.is_told(request.max_drop)]
        return min(good, key=lambda c: c.truth_s, default=None)

    @staticmethod
    def is_feasible(c: Recorded, request: Request) -> bool:
        keeps = c.configuration.is_exact if request.max_drop is None else c.drop <= request.max_drop
        fits = request.size is None or c.size_bytes <= request.size
        return keeps and fits and (request.longest_s is None or c.truth_s <= request.longest_s)


class Replay:
    """Each round of the search is one of the table's, drawn by the seed; images come in an order that it draws, too."""

    def __init__(self, table: Table, seed: int = 0) -> None:
        self.by_key = {c.configuration.key: c for c in table.candidates}
        self.by_build = {c.configuration.build: c for c in reversed(table.candidates)}
        self.table, self.seed = table, seed
        self.rounds = max(len(c.latencies_s) for c in table.candidates)

    def perform(self, action: Action, known: Known) -> Iterator[Happened]:
        match action:
            case Build(builds):
                yield from map(self._built, builds)
            case Screen(c):
                yield self.by_key[c.key].look
            case Race(several, number):
                yield self._raced(several, number)
            case Judge(c, until):
                yield self._judged(c, until, known)
            case _:
                raise TypeError(f"a table knows nothing of {action}")

    def _built(self, name: str) -> Happened:
        if name not in self.by_build:
            return Missing(what=name, kind="not tried", reason="it is not in the table")
        found = self.by_build[name]
        return Built(build=name, path=Path(name), size_bytes=found.size_bytes, seconds=found.seconds)

    def _raced(self, several: Sequence[Configuration], number: int) -> Round:
        """All of one recorded round, because what disturbed it met all of them; each in a process of its own."""
        at = random.Random(f"{self.seed} {number}").randrange(self.rounds)  # noqa: S311 - a draw, not a secret
        seen = {c.key: self.by_key[c.key] for c in several}
        latencies = {key: its.latencies_s[at] if its.latencies_s else its.look.latency_s for key, its in seen.items()}
        base = latencies[several[0].key]
        logs = {key: math.log(latency / base) for key, latency in latencies.items()}
        share = len(several) / max(len([c for c in self.table.candidates if c.latencies_s]), 1)
        seconds = self.table.round_s[at] * share if self.table.round_s else 0.0
        return Round(number=number, logs=logs, latencies_s=latencies, seconds=seconds)

    def _judged(self, c: Configuration, until: int, known: Known) -> Judged:
        its = self.by_key[c.key]
        order = [1] * its.lost + [-1] * its.gained + [0] * (its.n - its.lost - its.gained)
        random.Random(f"{self.seed} {c.subject}").shuffle(order)  # noqa: S311
        seen = order[:until]
        lost, gained = seen.count(1), seen.count(-1)
        return Judged(
            subject=c.subject,
            n=until,
            of=known.plan.images,
            only_reference=lost,
            only_candidate=gained,
            same_answer=until - lost - gained,
            correct=until - lost,
        )
