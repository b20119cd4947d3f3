"""What to do next: a function of the plan and of what has happened, and of nothing else.

Everything is built and looked at once, for static limits and memory. Then, with latency as the objective, candidates
race until no other can be faster than the leader by 2 %; the leader has to keep the limits; and its accuracy is looked
at until that is decided. A leader that fails leaves the pool, and whoever lost to it alone is in the race again.
Where size or memory is the objective, candidates are tried in its order; where accuracy is, in that of their networks'.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import racing
from .known import Known, place
from .records import CONTROL, Configuration, Happened, Objective, Plan, Verdict
from .wording import contradicted, nothing_left, out_of_time, too_slow, undecided_latency, won

MOST_TOGETHER = 10  # candidates alive at once


class Build(NamedTuple):
    """Make these artifacts; each is a build of at least one configuration."""

    builds: tuple[str, ...]


class Screen(NamedTuple):
    """Run it once for a moment."""

    configuration: Configuration


class Race(NamedTuple):
    """One round of fresh processes in turn; the first is what the others are compared with."""

    configurations: tuple[Configuration, ...]
    number: int


class Judge(NamedTuple):
    """Let it answer images of `val` until it has answered so many of them."""

    configuration: Configuration
    until: int


class Train(NamedTuple):
    """Fine-tune a pruned network."""

    network: str
    plan: str


class Test(NamedTuple):
    """The choice and its source on the test split."""

    configuration: Configuration


Action = Build | Screen | Race | Judge | Train | Test


def decide(plan: Plan, events: Sequence[Happened]) -> Action | Verdict:
    """The next step, or the answer."""
    known = Known(plan, events)
    wanted = [c for c in known.pool if c.key not in known.seen]
    for several in ([c for c in wanted if not c.plan], wanted):  # what is hopeless for the whole is never pruned
        if several and known.is_over:
            return _stop(known)
        if builds := tuple(dict.fromkeys(c.build for c in several if c.build not in known.built)):
            return Build(builds)
        if several:
            return Screen(several[0])
    if not known.pool:
        return nothing_left(known)
    return ORDERS[plan.request.objective](known)


def _by_speed(known: Known) -> Action | Verdict:
    field = racing.screened(known.seen, [c.key for c in known.pool])
    quickest = min(field, key=lambda key: known.seen[key].latency_s)
    ran = [key for key in field if known.rounds_of(known.by_key[key])]
    if not ran:
        return _stop(known) if known.is_over else _race(known, quickest, field)
    table = racing.standings(known.logs, ran)
    leader = known.by_key[table.leader]
    if known.is_over:
        return _stop(known)
    rivals = [key for key in ran if table.could_win(key) and table.rounds[key] < racing.MOST_ROUNDS]
    rivals += [key for key in field if key not in ran]
    if rivals or known.rounds_of(leader) < 2:
        return _race(known, leader.key, rivals)
    match known.keeps_pace(leader):
        case False:
            return too_slow(known, leader)
        case None:
            if not known.is_near(leader):
                return _race(known, leader.key, [])
            return _finish(known, known.best) if known.best else undecided_latency(known, leader)
    return _finish(known, leader) if known.is_good(leader) else _prove(known, leader)


def _by_value(known: Known) -> Action | Verdict:
    """In the order of what is known after the first look: the first that keeps the limits is the best."""
    if known.is_over:
        return _stop(known)
    first = min(known.pool, key=lambda c: (known.value(c), c.key))
    if known.keeps_pace(first) is None:
        return _race(known, first.key, [])
    return _finish(known, first) if known.is_good(first) else _prove(known, first)


def _by_accuracy(known: Known) -> Action | Verdict:
    """Networks by what their cards say; a candidate's accuracy is that, less what it loses on `val`."""
    if known.is_over:
        return _stop(known)
    hopeful = [c for c in known.pool if not known.keeps_all(c) and known.may_be_better(c, known.best)]
    if not hopeful:
        return _finish(known, known.best) if known.best else nothing_left(known)
    first = min(hopeful, key=lambda c: (-known.promise(c), not c.is_exact, known.latency(c)[0], c.key))
    if known.keeps_pace(first) is None:
        beside = [c.key for c in hopeful if c.network == first.network and known.keeps_pace(c) is None]
        return _race(known, first.key, beside)
    return _prove(known, first)


def _race(known: Known, baseline: str, others: Sequence[str]) -> Race:
    """The next round; of more than can be alive at once, those that have had the fewest."""
    waiting = sorted((key for key in others if key != baseline), key=lambda key: known.rounds_of(known.by_key[key]))
    keys = [baseline, *waiting[: MOST_TOGETHER - 1]]
    return Race(tuple(known.by_key[key] for key in keys), len(known.rounds) + 1)


def _prove(known: Known, c: Configuration) -> Action | Verdict:
    """Its accuracy; of a pruned network, after training."""
    if c.plan:
        if known.needs_control(c) and place(c.network, CONTROL) not in known.trained:
            return Train(c.network, CONTROL)
        c = _of_trained(known, c) or c
        if place(c.network, c.plan) not in known.trained:
            return Train(c.network, _plan_to_train(known, c))
        if not known.built[c.build].is_trained:
            return Build((c.build,))
    until = known.next_look(c)
    if until is None:
        raise AssertionError(f"{c.key} was judged, and is in the pool")
    return Judge(c, until)


def _of_trained(known: Known, c: Configuration) -> Configuration | None:
    """Of a plan that was trained and not judged since, the fastest in full precision, or the fastest of all."""
    judged = {(its.network, its.plan) for its in known.configurations if known.is_judged(its)}
    waiting = [
        other
        for other in known.pool
        if place(other.network, other.plan) in known.trained and (other.network, other.plan) not in judged
    ]
    return min(waiting, key=lambda other: (not other.is_exact, known.latency(other)[0], other.key), default=None)


def _plan_to_train(known: Known, c: Configuration) -> str:
    """The middle one of the same kind that removes more than any that is good, so that each training rules out half."""
    kind = c.plan.split()[0]
    pool = [other for other in known.pool if other.network == c.network and other.plan.startswith(kind)]
    good = min((share(other) for other in pool if known.is_good(other)), default=1.0)
    untrained = [o for o in pool if place(o.network, o.plan) not in known.trained and share(o) < good]
    plans = sorted({other.plan for other in untrained} | {c.plan})
    return plans[len(plans) // 2]


def share(c: Configuration) -> float:
    """Of the multiply-adds that a pruned network keeps."""
    return float(c.plan.split()[1])


def _stop(known: Known) -> Action | Verdict:
    """When the time is up."""
    return (known.best and _last_word(known, known.best)) or out_of_time(known)


def _finish(known: Known, c: Configuration) -> Action | Verdict:
    return _last_word(known, c) or won(known, c)


def _last_word(known: Known, c: Configuration) -> Action | Verdict | None:
    """The test split has it, once: it cannot be used to choose another."""
    if known.plan.has_test and c.key not in known.tested:
        return Test(c)
    return contradicted(known, c)


ORDERS: dict[Objective, Callable[[Known], Action | Verdict]] = {
    "latency": _by_speed,
    "throughput": _by_speed,
    "size": _by_value,
    "memory": _by_value,
    "accuracy": _by_accuracy,
}
