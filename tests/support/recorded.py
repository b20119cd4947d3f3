"""A search in which nothing is measured: latencies and answers are drawn around a table's, by a seed and the step."""

import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from reszoo.core.measured import LOCAL
from reszoo.workflows.optimization.known import Known
from reszoo.workflows.optimization.records import (
    Built,
    Configuration,
    Happened,
    Judged,
    Missing,
    Network,
    Plan,
    Request,
    Round,
    Screened,
    Tested,
    Trained,
)
from reszoo.workflows.optimization.selection import Action, Build, Judge, Race, Screen, Test, Train

REF = "resnet20_v1.akamaster_cifar10"


class Truth(NamedTuple):
    """What is true of a candidate: its seconds, the accuracy that it loses, its bytes and its memory."""

    latency_s: float
    drop: float = 0.0
    size_bytes: int = 1_000_000
    memory_bytes: int = 50_000_000


def configuration(name: str, **changes: object) -> Configuration:
    """ "litert int8" -> that; the runtime is called like the format."""
    format_name, precision = name.split()
    fields: dict[str, object] = {
        "network": REF,
        "format": format_name,
        "precision": precision,
        "scheme": "int8" if precision == "int8" else "",
        "runtime": format_name,
        "is_exact": precision == "fp32",
    }
    return Configuration(**fields | changes)  # type: ignore[arg-type]


def plan(configurations: list[Configuration], images: int = 5000, has_test: bool = True, **request: object) -> Plan:
    refs = dict.fromkeys(c.network for c in configurations)
    networks = tuple(
        Network(ref=ref, sha256="0" * 64, accuracy=0.9 + at / 100, n=10_000) for at, ref in enumerate(refs)
    )
    return Plan(
        request=Request(**{"data": "cifar10", "target": LOCAL, **request}),  # type: ignore[arg-type]
        networks=networks,
        machine={"processor": "a table", "cores": "2"},
        configurations=tuple(configurations),
        images=images,
        has_test=has_test,
    )


class Recorded:
    """`truths` by key; `noise` is of a process, `disagreeing` the share of images that only one of two gets right."""

    def __init__(
        self,
        truths: Mapping[str, Truth],
        noise: float = 0.01,
        seed: int = 0,
        disagreeing: float = 0.004,
        s: float = 1.0,
    ) -> None:
        self.truths, self.noise, self.seed, self.disagreeing, self.s = truths, noise, seed, disagreeing, s

    def perform(self, action: Action, known: Known) -> Iterator[Happened]:
        # drawn anew for each step, so that a step that is done again gives the same
        draw = random.Random(f"{self.seed} {action}")  # noqa: S311
        match action:
            case Build(builds):
                yield from (self._built(name, known) for name in builds)
            case Screen(c):
                truth = self.truths[c.key]
                seconds = truth.latency_s * math.exp(draw.gauss(0, 3 * self.noise))
                yield Screened(
                    key=c.key,
                    latency_s=seconds,
                    low_s=0.98 * seconds,
                    high_s=1.02 * seconds,
                    memory_bytes=truth.memory_bytes,
                    cold_start_s=0.1,
                    seconds=self.s,
                )
            case Race(several, number):
                logs = {c.key: math.log(self.truths[c.key].latency_s) + draw.gauss(0, self.noise) for c in several}
                base = logs[several[0].key]
                yield Round(
                    number=number,
                    logs={key: log - base for key, log in logs.items()},
                    latencies_s={key: math.exp(log) for key, log in logs.items()},
                    seconds=self.s,
                )
            case Judge(c, until):
                yield self._judged(c, until, known, draw)
            case Train(network, plan):
                yield Trained(network=network, plan=plan, path=Path("trained"), seconds=100 * self.s)
            case Test(c):
                lost, gained = self._differing(c, 10_000, draw)
                right = 9_100
                yield Tested(
                    key=c.key,
                    split="cifar10/test",
                    n=10_000,
                    source_correct=right,
                    correct=right - lost + gained,
                    only_reference=lost,
                    only_candidate=gained,
                    seconds=self.s,
                )

    def _built(self, name: str, known: Known) -> Happened:
        c = next(c for c in known.configurations if c.build == name)
        if c.key not in self.truths:
            return Missing(what=name, kind="failed", reason="it is not in the table", seconds=self.s)
        is_trained = not c.plan or f"{c.network}/{c.plan}" in known.trained
        size = self.truths[c.key].size_bytes
        return Built(build=name, path=Path(name), size_bytes=size, is_trained=is_trained, seconds=self.s)

    def _judged(self, c: Configuration, until: int, known: Known, draw: random.Random) -> Happened:
        before = known.judged.get(c.subject)
        done, old_lost, old_gained = (before.n, before.only_reference, before.only_candidate) if before else (0, 0, 0)
        lost, gained = self._differing(c, until - done, draw)
        lost, gained = lost + old_lost, gained + old_gained
        return Judged(
            subject=c.subject,
            n=until,
            of=known.plan.images,
            only_reference=lost,
            only_candidate=gained,
            same_answer=until - lost - gained,
            correct=max(int(0.92 * until) - lost + gained, 0),
            seconds=self.s,
        )

    def _differing(self, c: Configuration, n: int, draw: random.Random) -> tuple[int, int]:
        drop = self.truths[c.key].drop
        share = 0.0 if c.is_exact and not c.plan else max(self.disagreeing, 2 * abs(drop))
        lost = sum(draw.random() < (share + drop) / 2 for _ in range(n))
        gained = sum(draw.random() < (share - drop) / 2 for _ in range(n))
        return lost, gained
