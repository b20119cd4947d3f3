"""Recorded tables through the same selector: the choice is within 2 % of the best that keeps the limits."""

import random
from collections.abc import Iterator
from math import exp

from recorded import configuration

from reszoo.workflows.optimization.log import Log
from reszoo.workflows.optimization.optimize import search
from reszoo.workflows.optimization.records import Happened, Request, Screened
from reszoo.workflows.optimization.replay import Recorded, Replay, Table

ROUNDS = 16
NAMES = ("onnx fp32", "onnx int8", "litert fp32", "litert int8", "ncnn fp32", "openvino fp32", "openvino int8")


class InMemory(Log):
    def __init__(self) -> None:
        self.events: list[Happened] = []

    def add(self, event: Happened) -> None:
        self.events.append(event)


def tables(n: int) -> Iterator[Table]:
    """Of networks that differ: who is fast, how noisy processes are, how much int8 loses."""
    draw = random.Random(0)  # noqa: S311
    for number in range(n):
        noise = draw.uniform(0.002, 0.015)
        candidates = []
        for name in NAMES:
            c, seconds = configuration(name), draw.uniform(0.8, 2.0) * 1e-3
            lost = 0 if c.is_exact else draw.choice((12, 15, 300))
            rounds = tuple(seconds * exp(draw.gauss(0, noise)) for _ in range(ROUNDS))
            look = seconds * exp(draw.gauss(0, 2 * noise))
            candidates.append(
                Recorded(
                    configuration=c,
                    size_bytes=10**6,
                    look=Screened(
                        key=c.key,
                        latency_s=look,
                        low_s=0.99 * look,
                        high_s=1.01 * look,
                        memory_bytes=10**7,
                        cold_start_s=0.1,
                    ),
                    latencies_s=rounds,
                    n=5000,
                    lost=lost,
                    gained=0 if c.is_exact else 10,
                )
            )
        yield Table(name=f"network {number}", batch=1, threads=1, candidates=tuple(candidates))


def test_every_search_is_within_two_percent_and_none_chooses_what_does_not_keep_the_limits() -> None:
    searches = 0
    for seed, table in enumerate(tables(12)):
        median = sorted(c.truth_s for c in table.candidates)[3]
        for max_drop in (None, 0.005, 0.002):
            for latency in (None, 1.2 * median):
                request = Request(data="table", max_drop=max_drop, latency=latency)
                verdict, best = search(table.plan(request), Replay(table, seed), InMemory()), table.best(request)
                choice = next((c for c in table.candidates if c.configuration.key == verdict.choice), None)
                searches += 1
                if choice is None:
                    assert verdict.outcome != "met"
                    assert best is None or verdict.outcome == "cannot tell", (table.name, request, verdict)
                    continue
                assert best is not None
                assert table.is_feasible(choice, request)
                assert choice.truth_s <= 1.02 * best.truth_s, (table.name, request, verdict)
    assert searches == 72
