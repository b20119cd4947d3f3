"""What is known of each candidate so far: the log, read. Pure, so that a search can be replayed and resumed."""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

from msgspec.structs import replace

from ...bench import looks
from ...bench.accuracy import Paired
from ...core.statistics import Interval, proportion_interval
from . import racing
from .records import (
    CONTROL,
    Built,
    Configuration,
    Happened,
    Judged,
    Missing,
    Network,
    Plan,
    Round,
    Screened,
    Tested,
    Trained,
)

FASTEST = ("latency", "throughput")  # objectives
ENOUGH = 2  # rounds before a latency is held against a limit
MOST_ALONE = 24  # rounds of one whose latency is as long as the limit


class Known:
    """The plan and everything that has happened."""

    def __init__(self, plan: Plan, events: Sequence[Happened]) -> None:
        self.plan, self.request = plan, plan.request
        self.built: dict[str, Built] = {}
        self.missing: dict[str, Missing] = {}
        self.seen: dict[str, Screened] = {}
        self.rounds: list[Round] = []
        self.judged: dict[str, Judged] = {}
        self.trained: dict[str, Trained] = {}
        self.tested: dict[str, Tested] = {}
        self.spent_s = sum(event.seconds for event in events)
        for event in events:
            match event:
                case Built():
                    self.built[event.build] = event
                case Missing():
                    self.missing[event.what] = event
                case Screened():
                    self.seen[event.key] = event
                case Round():
                    self.rounds.append(event)
                case Judged():
                    self.judged[event.subject] = event
                case Trained():
                    self.trained[place(event.network, event.plan)] = event
                    self.missing.pop(place(event.network, event.plan), None)  # it was missing for want of time
                case Tested():
                    self.tested[event.key] = event

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """Those of the plan, and int8 with layers in float, where int8 alone has lost too much."""
        return (*self.plan.configurations, *self._repairs())

    def _repairs(self) -> Iterator[Configuration]:
        floats = {(c.network, c.format) for c in self.plan.configurations if c.precision == "fp32"}
        for c in self.plan.configurations:
            is_plain = c.precision == "int8" and not c.plan and (c.network, c.format) in floats
            if is_plain and self.request.max_drop is not None and self.outcome(c) == "fail":
                yield replace(c, kept=True)

    @cached_property
    def by_key(self) -> dict[str, Configuration]:
        return {c.key: c for c in self.configurations}

    @cached_property
    def logs(self) -> list[dict[str, float]]:
        return [each.logs for each in self.rounds]

    def network(self, c: Configuration) -> Network:
        return next(network for network in self.plan.networks if network.ref == c.network)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.left_s <= 0

    @property
    def left_s(self) -> float:
        """Seconds of the budget."""
        return math.inf if self.request.budget is None else self.request.budget - self.spent_s

    # what is left to choose from

    @cached_property
    def pool(self) -> list[Configuration]:
        """Everything that may still be chosen. Whose latency is the limit stays where all others are slower."""
        is_out = self.is_undecided if self.request.objective in FASTEST else self._is_open_to_the_end
        return [c for c in self._left if not is_out(c)]

    @cached_property
    def undecided(self) -> list[Configuration]:
        """What was looked at to the end, and is neither refused nor good."""
        return [c for c in self._left if c.key in self.seen and self._is_open_to_the_end(c)]

    def _is_open_to_the_end(self, c: Configuration) -> bool:
        return self.is_undecided(c) or self.is_near(c)

    @cached_property
    def _left(self) -> list[Configuration]:
        return [c for c in self.configurations if self.refusal(c) is None]

    def refusal(self, c: Configuration) -> str | None:
        """Why it cannot be chosen, or None: that is not known so far."""
        if missing := self.missing_of(c):
            return f"{missing.kind}: {missing.reason}"
        built, seen, most_s = self.built.get(c.build), self.seen.get(c.key), self.request.longest_s
        if built and self.request.size and built.size_bytes > self.request.size:
            return f"too large: {built.size_bytes:,} bytes"
        if seen and self.request.memory and seen.memory_bytes > self.request.memory:
            return f"takes too much memory: {seen.memory_bytes / 1e6:.1f} MB"
        if self.request.objective not in FASTEST and most_s and self.keeps_pace(c) is False:
            return f"too slow: {1e3 * self.latency(c)[0]:.3g} ms"
        if self.outcome(c) == "fail":
            return f"loses too much: {self.drop_in_words(c)}"
        if milder := self._milder_that_failed(c):
            return f"less pruned, {milder} loses too much already"
        if c.plan and (reason := self._hopeless_unpruned(c)):
            return reason
        return None

    def _hopeless_unpruned(self, c: Configuration) -> str | None:
        """A pruned network is run in no way that is hopeless for the whole one: shapes differ, kernels do not."""
        whole = replace(c, plan="", is_exact=c.is_exact)
        if missing := self.missing_of(whole):
            return f"{missing.kind}: {missing.reason}"
        if self.request.objective not in FASTEST or whole.key not in self.seen:
            return None
        others = [o for o in self.plan.configurations if (o.network, o.plan) == (c.network, "")]
        bar = racing.SCREEN * min(self.seen[o.key].high_s for o in others if o.key in self.seen)
        if self.seen[whole.key].low_s > bar:
            return "its way of running is too slow for the whole network already"
        return None

    def missing_of(self, c: Configuration) -> Missing | None:
        names = [c.key, c.build]
        if c.plan:
            names += [place(c.network, c.plan), place(c.network, CONTROL)]
        return next((found for name in names if (found := self.missing.get(name)) and self._holds(found)), None)

    def _holds(self, missing: Missing) -> bool:
        """Whether what there was no time for cannot be done in the time left either."""
        return not missing.needs_s or missing.needs_s > self.left_s

    def _milder_that_failed(self, c: Configuration) -> str | None:
        """A plan that removes no more and lost too much, in full precision or in the same way as this one."""
        if not c.plan:
            return None
        kind, share = c.plan.split()
        for other in self.plan.configurations:
            is_kin = other.network == c.network and other.plan.startswith(kind)
            is_alike = other.is_exact or replace(other, plan=c.plan) == c
            if is_kin and is_alike and float(other.plan.split()[1]) >= float(share) and self.outcome(other) == "fail":
                return other.plan
        return None

    # accuracy

    def needs_control(self, c: Configuration) -> bool:
        """Whether `val` cannot tell what it loses against its source.

        It is fine-tuned without `val`. Where its source was trained on these images, it loses what the source knows by
        heart, too, which no other image shows. Then it is held against the source after the same fine-tuning.
        """
        return bool(c.plan) and self.knows_val(self.network(c))

    def knows_val(self, network: Network) -> bool:
        """Whether it answers `val` better than the test split by more than both intervals."""
        if network.accuracy is None or network.val is None:
            return False
        on_val = proportion_interval(round(network.val * self.plan.images), self.plan.images)
        on_test = proportion_interval(round(network.accuracy * network.n), network.n)
        return on_val.low > on_test.high

    def paired(self, c: Configuration) -> Paired | None:
        found = self.judged.get(c.subject)
        if found is None:
            return None
        return Paired(found.n, found.only_reference, found.only_candidate, found.same_answer)

    def outcome(self, c: Configuration) -> str:
        """pass, fail, undecided with the images that were seen, or "" before any."""
        paired, most = self.paired(c), self.request.max_drop
        if paired is None or most is None:
            return ""
        return looks.outcome(paired, self.judged[c.subject].of, most)

    def drop(self, c: Configuration) -> tuple[float, Interval] | None:
        """What it loses on `val`, with the interval that decides."""
        paired = self.paired(c)
        return None if paired is None else (paired.drop, looks.interval(paired, self.judged[c.subject].of))

    def drop_in_words(self, c: Configuration) -> str:
        found = self.drop(c)
        if found is None:
            return "not measured"
        drop, (low, high) = found
        n = self.judged[c.subject].n
        return f"{100 * drop:.2f} points ({100 * low:.2f} to {100 * high:.2f}) lost on {n:,} images"

    def next_look(self, c: Configuration) -> int | None:
        """After how many images to look next; None where all are seen."""
        done = self.judged[c.subject].n if c.subject in self.judged else 0
        early = self.request.max_drop is not None and self.request.objective != "accuracy"
        stops = looks.looks(self.plan.images) if early else [self.plan.images]
        return next((stop for stop in stops if stop > done), None)

    def is_judged(self, c: Configuration) -> bool:
        """Whether no more images are asked for."""
        return c.subject in self.judged and (self.outcome(c) != "undecided" or self.next_look(c) is None)

    def is_undecided(self, c: Configuration) -> bool:
        """Whether all images were not enough."""
        return self.outcome(c) == "undecided" and self.next_look(c) is None

    def is_good(self, c: Configuration) -> bool:
        """Whether its accuracy is known to keep the limit. Without one, what is exact is as good as its source."""
        if self.request.max_drop is None:
            is_scored = self.request.objective == "accuracy" and c.subject in self.judged
            return (c.is_exact and not c.plan) or (is_scored and self.next_look(c) is None)
        return self.outcome(c) == "pass"

    # latency

    def rounds_of(self, c: Configuration) -> int:
        return sum(c.key in logs for logs in self.logs)

    def latency(self, c: Configuration) -> tuple[float, Interval]:
        """Seconds of a batch: over rounds, or as it was seen first."""
        if self.rounds_of(c):
            return racing.latency(self.rounds, c.key)
        seen = self.seen[c.key]
        return seen.latency_s, Interval(seen.low_s, seen.high_s)

    def keeps_pace(self, c: Configuration) -> bool | None:
        """Whether its latency is within the limit; None: that is not decided."""
        most = self.request.longest_s
        if most is None:
            return True
        if (seen := self.seen.get(c.key)) is None:
            return None
        if seen.low_s > racing.SCREEN * most:
            return False
        if self.rounds_of(c) < ENOUGH:
            return None
        low, high = self.latency(c)[1]
        return True if high <= most else False if low > most else None

    def is_near(self, c: Configuration) -> bool:
        """Whether all rounds were not enough to tell whether it keeps pace."""
        return self.rounds_of(c) >= MOST_ALONE and self.keeps_pace(c) is None

    # the objective

    def keeps_all(self, c: Configuration) -> bool:
        """Whether one of the pool is known to keep every limit."""
        is_good = self.is_good(c) or (self.request.objective == "accuracy" and c.is_exact and not c.plan)
        return c.key in self.seen and is_good and self.keeps_pace(c) is True

    def value(self, c: Configuration) -> tuple[float, float]:
        """What is to be least, and then the latency. It has been looked at."""
        latency_s = self.latency(c)[0]
        match self.request.objective:
            case "size":
                return self.built[c.build].size_bytes, latency_s
            case "memory":
                return self.seen[c.key].memory_bytes, latency_s
            case "accuracy":
                return -self.score(c), latency_s
        return latency_s, latency_s

    def score(self, c: Configuration) -> float:
        """The accuracy on the network's card, less what the candidate loses on `val`."""
        drop = self.drop(c)
        return self.promise(c) - (drop[0] if drop and not (c.is_exact and not c.plan) else 0.0)

    def promise(self, c: Configuration) -> float:
        """The accuracy of its network; 1 where nobody knows it."""
        known = self.network(c).accuracy
        return 1.0 if known is None else known

    @cached_property
    def best(self) -> Configuration | None:
        """Of those that are known to keep every limit."""
        return min((c for c in self.pool if self.keeps_all(c)), key=lambda c: (self.value(c), c.key), default=None)

    def may_be_better(self, c: Configuration, best: Configuration | None) -> bool:
        """Whether more rounds or images could show that one of the pool is better than what is best so far."""
        if best is None or c.key not in self.seen:
            return c != best
        if self.request.objective in FASTEST:
            return c != best and self._may_be_faster(c, best)
        if self.request.objective == "accuracy":
            return not self.keeps_all(c) and self.promise(c) > self.score(best)
        return self.value(c) < self.value(best)

    def _may_be_faster(self, c: Configuration, other: Configuration) -> bool:
        is_hopeless = self.seen[c.key].low_s > racing.SCREEN * self.seen[other.key].high_s
        if is_hopeless or self.keeps_pace(c) is False or self.rounds_of(c) >= racing.MOST_ROUNDS:
            return False
        return racing.could_win(racing.against(self.logs, c.key, other.key))


def place(network: str, plan: str) -> str:
    """What a pruned network is called."""
    return f"{network}/{plan}"
