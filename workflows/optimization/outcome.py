"""A search and its answer as a report: a row for every candidate, whatever became of it."""

from collections.abc import Iterator, Sequence

from ...bench.accuracy import Paired
from ...bench.rounding import figure
from ...core.statistics import Interval, proportion_interval
from ...reporting.rows import Estimate
from ...reporting.search import OnTest, Search, SearchRound, SearchRow, Stage, Status
from . import racing
from .known import Known
from .records import Configuration, Happened, Missing, Plan, Request, Verdict


def outcome(plan: Plan, events: Sequence[Happened], verdict: Verdict) -> Search:
    """All that is to be said."""
    known = Known(plan, events)
    return Search(
        outcome=verdict.outcome,
        choice=verdict.choice,
        nearest=verdict.nearest,
        reason=verdict.reason,
        gives=verdict.gives,
        limits=tuple(limits(plan.request)),
        objective=plan.request.objective,
        rows=tuple(_rows(known, verdict)),
        rounds=tuple(SearchRound(number=r.number, latencies_s=r.latencies_s) for r in known.rounds),
        test=_test(known, verdict),
        data=plan.request.data,
        machine=plan.machine,
        minutes=known.spent_s / 60,
        max_drop=plan.request.max_drop,
        longest_s=plan.request.longest_s,
        batch=plan.request.batch,
        notes=tuple(_controls(known)),
        warnings=tuple(dict.fromkeys(warning for each in known.rounds for warning in each.warnings)),
    )


def _controls(known: Known) -> Iterator[str]:
    """Of each network that knows `val`, how its pruned forms were judged."""
    for network in known.plan.networks:
        if any(known.needs_control(c) for c in known.configurations if c.network == network.ref):
            on_val, on_test = (100 * (share or 0.0) for share in (network.val, network.accuracy))
            yield (
                f"{network.ref} was trained on val: it answers {on_val:.2f} % of it, and {on_test:.2f} % of test. What "
                "its pruned forms lose on val is against the network itself after the same fine-tuning; a pruned "
                "choice has to be proven by the test split."
            )


def limits(request: Request) -> Iterator[str]:
    """What was asked for: "at most 0.5 points lost", "at most 0.5 ms"."""
    if request.max_drop is not None:
        yield f"at most {100 * request.max_drop:.3g} points of accuracy lost"
    if request.latency:
        yield f"a batch of {request.batch} in at most {figure(1e3 * request.latency)} ms"
    if request.throughput:
        yield f"at least {figure(request.throughput)} images/s"
    if request.size:
        yield f"at most {figure(request.size / 1e6)} MB of files"
    if request.memory:
        yield f"at most {figure(request.memory / 1e6)} MB of memory"


def _rows(known: Known, verdict: Verdict) -> Iterator[SearchRow]:
    best = known.by_key.get(verdict.choice or verdict.nearest or "")
    rows = [_row(known, c, best, verdict) for c in known.configurations]
    order = {status: at for at, status in enumerate(("chosen", "nearest", "open", "beaten", "refused"))}
    yield from sorted(
        rows, key=lambda row: (order.get(row.status, 9), row.latency_s.value if row.latency_s else 9e9, row.key)
    )
    yield from map(_left_out, known.plan.left_out)


def _row(known: Known, c: Configuration, best: Configuration | None, verdict: Verdict) -> SearchRow:
    status, why = _status(known, c, best, verdict)
    built, seen, missing = known.built.get(c.build), known.seen.get(c.key), known.missing_of(c)
    accuracy, images, is_sources = _accuracy(known, c)
    drop = known.drop(c)
    return SearchRow(
        key=c.key,
        network=c.network,
        plan=c.plan,
        format=c.format,
        how=(c.scheme or c.precision) + " with layers in float" * c.kept,
        runtime=c.runtime,
        threads=c.threads,
        status=status,
        stage=_stage(known, c, status),
        why=why,
        fix=missing.fix if missing else "",
        latency_s=_estimate(*known.latency(c)) if seen else None,
        ratio=_ratio(known, c, best) if seen and best and best.key in known.seen else None,
        rounds=known.rounds_of(c),
        accuracy=accuracy,
        is_sources=is_sources,
        images=images,
        drop=_estimate(*drop) if drop else None,
        size_bytes=built.size_bytes if built else None,
        memory_bytes=seen.memory_bytes if seen else None,
        cold_start_s=seen.cold_start_s if seen else None,
    )


def _left_out(missing: Missing) -> SearchRow:
    return SearchRow(key=missing.what, status=missing.kind, why=missing.reason, fix=missing.fix)


def _status(known: Known, c: Configuration, best: Configuration | None, verdict: Verdict) -> tuple[Status, str]:
    if c.key == verdict.choice:
        return "chosen", verdict.reason
    if missing := known.missing_of(c):
        return missing.kind, missing.reason
    if c.key == verdict.nearest:
        return "nearest", known.refusal(c) or verdict.reason
    if refusal := known.refusal(c):
        return "refused", refusal
    if known.is_undecided(c):
        return "open", f"val has too few images to tell: {known.drop_in_words(c)}"
    if c.key not in known.seen:
        return "not tried", "the search ended before"
    if c in known.undecided:
        return "open", f"so near the limit that {known.rounds_of(c)} rounds do not tell"
    if best is None or best.key not in known.seen:
        return "open", "nothing is known to be better"
    if not verdict.choice and not known.is_good(best):
        return "open", "the nearest may keep less of its accuracy"
    if known.may_be_better(c, best) and (known.is_over or not verdict.choice):
        return "open", "it may be better: that was not decided before the search ended"
    return "beaten", _beaten(known, c, best, "choice" if verdict.choice else "nearest")


def _beaten(known: Known, c: Configuration, best: Configuration, its_name: str) -> str:
    match known.request.objective:
        case "size":
            return (
                f"{known.built[c.build].size_bytes:,} bytes, the {its_name} has {known.built[best.build].size_bytes:,}"
            )
        case "memory":
            mine, its = known.seen[c.key].memory_bytes, known.seen[best.key].memory_bytes
            return f"takes {figure(mine / 1e6)} MB of memory, the {its_name} {figure(its / 1e6)} MB"
        case "accuracy":
            return f"is no more accurate than the {its_name}, by its card and what it loses on val"
    ratio, rounds = _ratio(known, c, best), known.rounds_of(c)
    if not rounds:
        return f"{ratio.value:.2f} times the {its_name}'s latency at the first look, which no second could mend"
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f} times the {its_name}'s latency"
    said = (
        f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) times the {its_name}'s latency after {rounds} rounds"
    )
    could = ratio.low < 1 / (1 + racing.MARGIN)
    return said + (": not told apart" if could else f": it cannot win by {100 * racing.MARGIN:g} %")


def _ratio(known: Known, c: Configuration, best: Configuration) -> Estimate:
    """In turn where both ran together; else of what each showed by itself."""
    if any(c.key in logs and best.key in logs for logs in known.logs):
        return _estimate(*racing.against(known.logs, c.key, best.key))
    return Estimate(value=known.latency(c)[0] / known.latency(best)[0], low=None, high=None)


def _stage(known: Known, c: Configuration, status: Status) -> Stage:
    if status == "chosen":
        return "chosen"
    if c.subject in known.judged:
        return "judged"
    if known.rounds_of(c):
        return "in the race"
    if c.key in known.seen:
        return "looked at"
    return "made" if c.build in known.built else "named"


def _accuracy(known: Known, c: Configuration) -> tuple[Estimate | None, int, bool]:
    if found := known.judged.get(c.subject):
        return _share(found.correct, found.n), found.n, False
    if c.is_exact and not c.plan:
        sisters = [
            known.judged[o.subject]
            for o in known.configurations
            if o.network == c.network and o.subject in known.judged and not known.needs_control(o)
        ]
        if sisters:
            most = max(sisters, key=lambda found: found.n)
            return _share(most.correct + most.only_reference - most.only_candidate, most.n), most.n, True
    return None, 0, False


def _test(known: Known, verdict: Verdict) -> OnTest | None:
    found = known.tested.get(verdict.choice or verdict.nearest or "")
    if found is None:
        return None
    paired = Paired(found.n, found.only_reference, found.only_candidate, 0)
    return OnTest(
        split=found.split,
        n=found.n,
        accuracy=_share(found.correct, found.n),
        source_accuracy=_share(found.source_correct, found.n),
        drop=_estimate(paired.drop, paired.drop_interval),
    )


def _share(correct: int, n: int) -> Estimate:
    return _estimate(correct / n, proportion_interval(correct, n))


def _estimate(value: float, interval: Interval) -> Estimate:
    low, high = interval
    is_known = 0 < high < float("inf") or low < 0 or high == 0
    return Estimate(value=value, low=low if is_known else None, high=high if is_known else None)
