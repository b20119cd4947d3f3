"""The answers in words: what was found, why, and what would have to give."""

from msgspec.structs import replace

from ...bench.accuracy import Paired, drop_verdict
from ...bench.rounding import at_least
from .known import Known
from .records import Configuration, Verdict


def won(known: Known, c: Configuration) -> Verdict:
    """The choice, and who may be better and was not told apart, or not decided."""
    better = [other for other in known.undecided if known.value(other) < known.value(c)]
    gives = tuple(f"{other.key} might be better: {_needed(known, other)}." for other in better)
    return Verdict(outcome="met", choice=c.key, reason=_facts(known, c), gives=gives)


def contradicted(known: Known, c: Configuration) -> Verdict | None:
    """Where the test split says that too much is lost, although `val` did not; or has to prove it, and does not."""
    found, most = known.tested.get(c.key), known.request.max_drop
    if found is None or most is None:
        return None
    paired = Paired(found.n, found.only_reference, found.only_candidate, 0)
    low, high = paired.drop_interval
    if low > most:
        reason = f"val says that {c.key} keeps the budget, and {found.split} that it does not: {_drop(paired)}"
        gives = ["Train the network again without val, which it may know by heart, or allow a greater `max_drop`."]
        return Verdict(outcome="cannot tell", nearest=c.key, reason=reason, gives=tuple(gives))
    if known.needs_control(c) and high > most:
        reason = f"{found.split} does not prove that {c.key} keeps the budget: {_drop(paired)}"
        gives = [
            f"`max_drop={_percent(high)}` would let it in.",
            f"{c.network} was trained on val, so that only test can prove it. A network that was not has both.",
            "Without `finetune` the best that is not pruned is chosen.",
        ]
        return Verdict(outcome="cannot tell", nearest=c.key, reason=reason, gives=tuple(gives))
    return None


def too_slow(known: Known, c: Configuration) -> Verdict:
    """The fastest of all that may keep the other limits is too slow."""
    seconds, (low, high) = known.latency(c)
    reason = f"{c.key} is the fastest of what is left, and takes {_ms(seconds)} ms ({_ms(low)} to {_ms(high)})"
    gives = [f"`latency={_enough_ms(high)}ms` could be met."] if known.request.longest_s else []
    gives += _looser_drop(known)
    return Verdict(outcome="not reachable", nearest=c.key, reason=f"{reason}, {_limit(known)}", gives=tuple(gives))


def undecided_latency(known: Known, c: Configuration) -> Verdict:
    """So near the limit that rounds do not tell."""
    seconds, (low, high) = known.latency(c)
    rounds = f"{known.rounds_of(c)} rounds do not tell"
    reason = f"{c.key} takes {_ms(seconds)} ms ({_ms(low)} to {_ms(high)}), {_limit(known)}: {rounds}"
    return Verdict(outcome="cannot tell", nearest=c.key, reason=reason, gives=(f"{_needed(known, c)}.",))


def nothing_left(known: Known) -> Verdict:
    """Every candidate was refused, or was not decided."""
    if undecided := [c for c in known.undecided if known.keeps_pace(c) is not False]:
        c = min(undecided, key=known.value)
        if known.is_near(c):
            return undecided_latency(known, c)
        reason = f"all of val does not tell whether {c.key} loses too much: {known.drop_in_words(c)}"
        return Verdict(outcome="cannot tell", nearest=c.key, reason=reason, gives=(f"{_needed(known, c)}.",))
    gives = [*_smaller(known), *_looser_drop(known), *_slower(known)]
    seen = [c for c in known.configurations if c.key in known.seen]
    nearest = min(seen, key=lambda c: _miss(known, c), default=None)
    if not gives and not seen:
        gives = sorted({missing.fix for missing in (*known.plan.left_out, *known.missing.values()) if missing.fix})[:3]
    refused = f"none of {len(known.configurations)} candidates keeps the limits"
    return Verdict(
        outcome="not reachable",
        nearest=nearest.key if nearest else None,
        reason=f"{refused}: {known.refusal(nearest)}" if nearest else refused,
        gives=tuple(gives),
    )


def out_of_time(known: Known) -> Verdict:
    """The best that is known to keep every limit; what is open stands beside it."""
    best = known.best
    open_ = [c for c in known.pool if known.may_be_better(c, best)]
    several = f"{len(open_)} candidates are" if len(open_) != 1 else "1 candidate is"
    spent = f"after {known.spent_s / 60:.1f} minutes {several} open"
    if best is not None:
        found = won(known, best)
        return (
            replace(found, gives=(f"{spent}: a longer `budget` may find a better one.", *found.gives))
            if open_
            else found
        )
    seen = [c for c in open_ if c.key in known.seen]
    nearest = min(seen, key=lambda c: known.latency(c)[0], default=None)
    gives = (f"Go on with a longer `budget`, as {_longer(known)}: what is done is kept.",)
    return Verdict(outcome="cannot tell", nearest=nearest.key if nearest else None, reason=spent, gives=gives)


def _facts(known: Known, c: Configuration) -> str:
    seconds, (low, high) = known.latency(c)
    said = f"{_ms(seconds)} ms"
    said += f" ({_ms(low)} to {_ms(high)})" if high < float("inf") else ""
    return f"{said}; {known.drop_in_words(c)}" if known.drop(c) else said


def _needed(known: Known, c: Configuration) -> str:
    """What would decide one that is undecided."""
    if known.is_near(c):
        seconds, (low, high) = known.latency(c)
        gap = max(abs(seconds / (known.request.longest_s or seconds) - 1), 1e-4)
        rounds = known.rounds_of(c)
        more = max(round(rounds * ((high - low) / 2 / seconds / gap) ** 2), 2 * rounds)
        return f"about {more:,} rounds would decide, or a quieter machine; it meets `latency={_enough_ms(high)}ms`"
    paired, most = known.paired(c), known.request.max_drop
    verdict = drop_verdict(paired, most) if paired and most is not None else None
    needed = verdict.images_needed if verdict else None
    return (
        f"about {needed:,} images would decide, at the same rates"
        if needed
        else "more images than val has would decide"
    )


def _smaller(known: Known) -> list[str]:
    """What the static limits would have to be."""
    request, built, seen = known.request, known.built.values(), known.seen.values()
    gives = []
    if request.size and built and min(b.size_bytes for b in built) > request.size:
        gives.append(f"`size={min(b.size_bytes for b in built)}` bytes is the smallest that can be made.")
    if request.memory and seen and min(s.memory_bytes for s in seen) > request.memory:
        gives.append(f"`memory={min(s.memory_bytes for s in seen)}` bytes is the least that any takes.")
    return gives


def _looser_drop(known: Known) -> list[str]:
    failed = [c for c in known.configurations if known.outcome(c) == "fail" and known.keeps_pace(c) is not False]
    if not failed:
        return []
    c = min(failed, key=lambda c: (known.drop(c) or (1.0,))[0])
    found = known.drop(c)
    return [f"`max_drop={_percent(found[1].high)}` would let {c.key} in."] if found else []


def _slower(known: Known) -> list[str]:
    if (most := known.request.longest_s) is None:
        return []
    slow = [c for c in known.configurations if c.key in known.seen and known.keeps_pace(c) is False]
    good = [c for c in slow if known.is_good(c) or (c.is_exact and not c.plan)]
    if not good:
        return []
    seconds = min(known.latency(c)[1].high for c in good)
    return [f"`latency={_enough_ms(seconds)}ms` could be met without losing accuracy, instead of {_ms(most)} ms."]


def _miss(known: Known, c: Configuration) -> tuple[float, float]:
    most = known.request.longest_s
    late = max(known.latency(c)[0] / most - 1, 0.0) if most else 0.0
    drop = known.drop(c)
    return late + (drop[0] if drop else 0.0), known.latency(c)[0]


def _limit(known: Known) -> str:
    return f"at most {_ms(known.request.longest_s or 0)} ms allowed"


def _longer(known: Known) -> str:
    return f"`budget={max(round(2 * (known.request.budget or 60) / 60), 1)}min`"


def _drop(paired: Paired) -> str:
    low, high = paired.drop_interval
    return f"{100 * paired.drop:.2f} points lost (95 %: {100 * low:.2f} to {100 * high:.2f}), n = {paired.n:,}"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"


def _enough_ms(seconds: float) -> str:
    """A limit that is no less than that."""
    return at_least(1e3 * seconds, 3)


def _percent(share: float) -> str:
    """A limit that is no less than that."""
    return f"{at_least(100 * share, 2)}%"
