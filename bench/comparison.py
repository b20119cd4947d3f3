"""`compare`: contestants measured in turn, so that whatever the machine does meets all of them alike.

A round starts a fresh process for each contestant, and one more for the baseline. All are alive at once, and all but
the one that runs are stopped. They run in short blocks, in a random order that is then reversed (ABBA), again and
again. Two blocks side by side share the machine's mood, so it is their ratio that counts. Rounds follow until the
ratios are known well enough: a process keeps for life the memory layout that it happened to get, so that many samples
of one process cannot replace several processes (Kalibera & Jones 2013, "Rigorous Benchmarking in Reasonable Time").
`core.looking` says why the intervals hold although they are looked at after every round.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from ..core.estimates import log_ratio, mean_interval
from ..core.looking import LEAST_ROUNDS
from ..core.measured import (
    AGAIN,
    CONFIDENCE,
    Block,
    Comparison,
    Conditions,
    Failure,
    Host,
    MeasurementWarning,
    Scenario,
    WarningKind,
)
from ..core.types import Artifact
from . import protocol
from .client import PATIENCE_S, Worker, WorkerError
from .harness import load_request, now, subject
from .machine import warnings_of
from .sampling import WarmUp, take, warm_up
from .target import Target
from .targets.local import HERE

# Shorter blocks follow the machine's mood more closely; longer ones lose less to the first runs after a switch.
BLOCK_S = 0.02
ROUND_S = 1.0  # of blocks, for each contestant
LEAST_VISITS = 10
UNSTEADY = 0.01  # of the ratio, from the first half of a round to the second
T = TypeVar("T")


class Contestant(NamedTuple):
    artifact: Artifact
    scenario: Scenario


class Effort(NamedTuple):
    """How long to go on: until each ratio's interval is at most `precision` to either side, or `limit_s` is over.

    With `gate`, also until it is decided whether each ratio is at most that. A round has blocks of `round_s` seconds
    for each contestant, at least `LEAST_VISITS` of them, and at least `least_rounds` rounds are run: fewer than
    `LEAST_ROUNDS` are for trying things out, as the intervals do not hold what they say then.
    """

    precision: float = 0.01
    limit_s: float = 120.0
    gate: float | None = None
    seed: int = 0
    patience_s: float = PATIENCE_S
    round_s: float = ROUND_S
    least_rounds: int = LEAST_ROUNDS


EFFORT = Effort()


def compare(
    contestants: Sequence[Contestant],
    effort: Effort = EFFORT,
    on_round: Callable[[Comparison], None] = lambda _: None,
    target: Target = HERE,
) -> Comparison | Failure:
    """Measure all of them against the first, on `target`.

    `on_round` gets all that is known so far, from the second round on.
    """
    entries = [contestants[0], *contestants]  # the baseline once more, for the noise floor
    host, end = target.host(), time.monotonic() + effort.limit_s
    known = Comparison(
        subjects=tuple(subject(entry.artifact, entry.scenario) for entry in entries),
        host=host,
        started_at=now(),
        rounds=(),
        conditions=(),
        warnings=(),
        gate=effort.gate,
    )
    shuffled = random.Random(effort.seed)  # noqa: S311 - an order, not a secret
    while not is_enough(known, effort) and (len(known.rounds) < effort.least_rounds or time.monotonic() < end):
        try:
            blocks, seen = _round(entries, host, effort, shuffled, target)
        except WorkerError as error:
            failed = error.worker
            name = f"{failed.artifact.source_ref} on {failed.scenario}"
            return Failure(
                what=name,
                scenario=failed.scenario,
                reason=error.reason,
                output=error.output,
                artifact_sha256=failed.artifact.sha256,
            )
        conditions = (*known.conditions, seen)
        known = replace(known, rounds=(*known.rounds, blocks), conditions=conditions)
        known = replace(known, warnings=(*_warnings(known), *_unsteady(known)))
        if len(known.rounds) > 1:
            on_round(known)
    return known


def is_enough(comparison: Comparison, effort: Effort) -> bool:
    if len(comparison.rounds) < effort.least_rounds:
        return False
    found, gate = comparison.ratios, comparison.gate
    is_decided = gate is None or all(ratio.against(gate) != "cannot tell" for ratio in found[AGAIN:])
    return is_decided and all(ratio.half_width <= effort.precision for ratio in found)


def _round(
    entries: Sequence[Contestant], host: Host, effort: Effort, shuffled: random.Random, target: Target
) -> tuple[tuple[Block, ...], Conditions]:
    """One round: fresh processes, warmed up one after the other, then block by block."""
    with ExitStack() as stack:
        workers = [stack.enter_context(target.worker(*entry, patience_s=effort.patience_s)) for entry in entries]
        for worker in workers:  # all load at the same time
            worker.send(load_request(worker, host))
        for worker in workers:
            worker.receive(protocol.Loaded)
            worker.pause()
        warm = [_alone(worker, _warm_up) for worker in workers]
        watch = target.watch(workers)
        blocks = []
        for contestant in _order(len(workers), _visits(warm, effort), shuffled):
            take_block = partial(take, seconds=BLOCK_S, run_s=warm[contestant].run_s, look=watch.look)
            samples = _alone(workers[contestant], take_block).samples_s
            blocks.append(Block(contestant=contestant, samples_s=samples))
        return tuple(blocks), watch.stop()


def _warm_up(worker: Worker) -> WarmUp:
    return warm_up(worker, worker.scenario.warmup_limit_s)


def _alone(worker: Worker, action: Callable[[Worker], T]) -> T:
    """Let one worker go on, and stop it again."""
    worker.resume()
    result = action(worker)
    worker.pause()
    return result


def _visits(warm: Sequence[WarmUp], effort: Effort) -> int:
    """How many blocks each contestant gets in a round; slow ones do not get more than they need."""
    slowest = max(w.run_s for w in warm)
    return max(math.ceil(effort.round_s / max(BLOCK_S, slowest)), LEAST_VISITS)


def _order(contestants: int, visits: int, shuffled: random.Random) -> list[int]:
    """Each contestant `visits` times (made even): a random order and its reverse, again and again."""
    order: list[int] = []
    for _ in range(math.ceil(visits / 2)):
        there = list(range(contestants))
        shuffled.shuffle(there)
        order += there + there[::-1]
    return order


def _warnings(known: Comparison) -> Iterator[MeasurementWarning]:
    """Of all contestants, each kind once, as it was first seen, with the number of rounds that it was seen in."""
    seen: dict[WarningKind, list[str]] = {}
    for condition in known.conditions:
        of_all = [each for subject in known.subjects for each in warnings_of(known.host, subject.scenario, condition)]
        first: dict[WarningKind, str] = {each.kind: each.detail for each in reversed(of_all)}
        for kind, detail in first.items():
            seen.setdefault(kind, []).append(detail)
    for kind, details in seen.items():
        yield MeasurementWarning(kind=kind, detail=f"{details[0]} (in {len(details)} of {len(known.rounds)} rounds)")


def _unsteady(known: Comparison) -> Iterator[MeasurementWarning]:
    """Contestants that get faster or slower against the baseline within a round: one of the two was not warm yet."""
    for contestant in range(AGAIN + 1, len(known.subjects)):
        shifts = [log_ratio(p[len(p) // 2 :]) - log_ratio(p[: len(p) // 2]) for p in known.pairs(contestant)]
        shift, (low, high) = mean_interval(shifts, CONFIDENCE)
        if low > UNSTEADY or high < -UNSTEADY:
            name = f"{known.subjects[contestant].source_ref} on {known.subjects[contestant].scenario}"
            detail = f"{name}: its ratio to the first moved by {100 * shift:+.1f} % within a round"
            yield MeasurementWarning(kind="not_steady", detail=detail)
