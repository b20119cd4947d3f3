"""This machine, or the target, at work: every step is done for real."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from pathlib import Path
from typing import Any, Protocol

from ...bench.comparison import Contestant, Effort, compare
from ...bench.harness import measure
from ...bench.target import Target
from ...bench.targets.local import HERE
from ...core.errors import ReszooError
from ...core.estimates import log_ratio
from ...core.files import cache_dir
from ...core.locks import locked
from ...core.measured import AGAIN, BASELINE, LOCAL, Comparison, Failure, Scenario
from ...core.progress import Progress, silent
from ...core.types import Artifact, Checkpoint
from ...datasets.info import Split
from ...datasets.splits import shuffled
from ...export import artifacts
from ...export.contract.runtime import parse_engine
from . import tasks
from .known import Known, place
from .records import CONTROL, Built, Configuration, Happened, Judged, Missing, Round, Screened, Tested
from .selection import Action, Build, Judge, Race, Screen, Test, Train

SCREEN_S, SCREEN_WARM_UP_S = 0.25, 0.3
ROUND_S, WARM_UP_S = 0.3, 0.3
PRUNED = "networks"  # folder of those that the search has made


class Source(Protocol):
    """Where figures come from: the machine, or a recorded table."""

    def perform(self, action: Action, known: Known) -> Iterator[Happened]:
        """Do it. What has happened is given as soon as it is known."""
        ...


class Live:
    """Builds, evaluates and trains through an executor, and times on the target, one search at a time."""

    def __init__(
        self,
        checkpoints: Mapping[str, Checkpoint],
        folder: Path,
        executor: Executor,
        target: Target = HERE,
        progress: Progress = silent,
    ) -> None:
        self.checkpoints, self.folder, self.executor = checkpoints, folder, executor
        self.target, self.progress = target, progress

    def perform(self, action: Action, known: Known) -> Iterator[Happened]:
        match action:
            case Build(builds):
                yield from self._build(builds, known)
            case Screen(c):
                done, total = len(known.seen), sum(c.key in known.seen for c in known.pool)
                self.progress("first looks", done, max(len(known.pool) - total, 0) + done)
                yield self._screen(c, known)
            case Race(several, number):
                others = "" if len(several) == 1 else f", {len(several)} left"
                self.progress(f"round {number}{others}")
                yield from self._race(several, number, known)
            case Judge(c, until):
                self.progress(f"accuracy of {c.subject}", until, known.plan.images)
                yield self._judge(c, until, known)
            case Train(network, plan):
                self.progress(f"fine-tuning {network}, {plan or 'whole, as it knows val'}")
                yield self._train(network, plan, known)
            case Test(c):
                self.progress(f"test split, {c.subject}")
                yield self._test(c, known)

    def _build(self, builds: Sequence[str], known: Known) -> Iterator[Happened]:
        first = {c.build: c for c in reversed(known.configurations)}
        futures: list[Future[Built | Missing]] = []
        for name in builds:
            c = first[name]
            is_trained = not c.plan or place(c.network, c.plan) in known.trained
            try:
                futures.append(self._submitted(c, is_trained, known))
            except ReszooError as error:  # nothing to prune, or too much
                what = place(c.network, c.plan)
                yield Missing(what=what, kind="unavailable", reason=error.problem, fix=error.fix)
        began = time.monotonic()
        self.progress("exporting", 0, len(futures))
        for done, future in enumerate(as_completed(futures), 1):
            event = future.result()
            self.progress("exporting", done, len(futures))
            taken, began = time.monotonic() - began, time.monotonic()
            yield _taking(event, taken)  # side by side, each second counts once

    def _submitted(self, c: Configuration, is_trained: bool, known: Known) -> "Future[Built | Missing]":
        place_ = self._place_of(c)
        shapes = None if is_trained else place_.with_name(f"{place_.name}-{c.format}-{c.scheme or c.precision}")
        return self.executor.submit(tasks.build, self._network(c), c, known.request.max_drop, shapes)

    def artifact(self, c: Configuration, known: Known) -> Artifact:
        """What was built for it; made again if it is damaged or gone, as the cache may be emptied at any time."""
        built = known.built[c.build]
        try:
            return artifacts.read(built.path)
        except ReszooError as error:
            again = self._submitted(c, built.is_trained, known).result()
            if isinstance(again, Missing):
                raise ReszooError(f"{error.problem}, and it cannot be made again: {again.reason}", again.fix) from error
            return artifacts.read(again.path)

    def _screen(self, c: Configuration, known: Known) -> Happened:
        began = time.monotonic()
        scenario = self._scenario(c, known, SCREEN_WARM_UP_S)
        artifact = self.artifact(c, known)
        with self._alone():
            m = measure(artifact, scenario, target=self.target)
        seconds = time.monotonic() - began
        if isinstance(m, Failure):
            return Missing(what=c.key, kind="failed", reason=m.reason, fix=m.fix, seconds=seconds)
        start = m.cold_start
        return Screened(
            key=c.key,
            latency_s=m.median_s,
            low_s=m.interval_s.low,
            high_s=m.interval_s.high,
            memory_bytes=m.memory.taken_bytes,
            cold_start_s=start.start_s + start.import_s + start.load_s + start.first_run_s,
            seconds=seconds,
        )

    def _race(self, several: Sequence[Configuration], number: int, known: Known) -> Iterator[Happened]:
        began = time.monotonic()
        contestants = [Contestant(self.artifact(c, known), self._scenario(c, known, WARM_UP_S)) for c in several]
        effort = Effort(limit_s=0, seed=known.request.seed + number, round_s=ROUND_S, least_rounds=1)
        with self._alone():
            outcome = compare(contestants, effort, target=self.target)
        seconds = time.monotonic() - began
        if isinstance(outcome, Failure):
            which = (outcome.artifact_sha256, outcome.scenario)
            failed = [(each.artifact.sha256, each.scenario) == which for each in contestants].index(True)
            yield Missing(
                what=several[failed].key, kind="failed", reason=outcome.reason, fix=outcome.fix, seconds=seconds
            )
            return
        yield round_of(outcome, [c.key for c in several], number, seconds)

    def _judge(self, c: Configuration, until: int, known: Known) -> Happened:
        began = time.monotonic()
        before = known.judged.get(c.subject)
        positions = shuffled(known.plan.images, known.request.seed)[before.n if before else 0 : until]
        found = self._answered(c, known, self._reference(c, known), "val", positions)
        paired, old = found.paired, before
        return Judged(
            subject=c.subject,
            n=until,
            of=known.plan.images,
            only_reference=paired.only_reference + (old.only_reference if old else 0),
            only_candidate=paired.only_candidate + (old.only_candidate if old else 0),
            same_answer=paired.same_answer + (old.same_answer if old else 0),
            correct=found.correct + (old.correct if old else 0),
            seconds=time.monotonic() - began,
        )

    def _train(self, network: str, plan: str, known: Known) -> Happened:
        left = None if known.request.budget is None else known.left_s
        recipe = known.request.finetune or ""
        folder = self._folder_of(network, plan)
        event: Happened = self._done(tasks.train, self.checkpoints[network], plan, folder, recipe, left)
        return event

    def _test(self, c: Configuration, known: Known) -> Happened:
        began, data = time.monotonic(), known.request.data
        found = self._answered(c, known, self.checkpoints[c.network], "test", None)
        return Tested(
            key=c.key,
            split=f"{data}/test",
            n=found.paired.n,
            source_correct=found.source_correct,
            correct=found.correct,
            only_reference=found.paired.only_reference,
            only_candidate=found.paired.only_candidate,
            seconds=time.monotonic() - began,
        )

    def _reference(self, c: Configuration, known: Known) -> Checkpoint:
        """What it is held against on `val`."""
        from ... import zoo

        if known.needs_control(c):
            return zoo.read(known.trained[place(c.network, CONTROL)].path)
        return self.checkpoints[c.network]

    def _answered(
        self, c: Configuration, known: Known, reference: Checkpoint, split: Split, positions: Any
    ) -> tasks.Judgement:
        """By whoever works; on a board by this process, which has the one connection to it."""
        path, data = self.artifact(c, known).path, known.request.data
        if self.target.name != LOCAL:
            return tasks.judge(reference, path, c.runtime, data, split, positions, self.target)
        found: tasks.Judgement = self._done(tasks.judge, reference, path, c.runtime, data, split, positions)
        return found

    def _done(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return self.executor.submit(work, *arguments).result()

    def _network(self, c: Configuration) -> Checkpoint:
        """What it is exported from."""
        from ... import zoo

        source = self.checkpoints[c.network]
        if not c.plan:
            return source
        trained = tasks.trained_folder(self._place_of(c))
        return zoo.read(trained) if trained.exists() else self._done(tasks.pruned, source, c.plan, self._place_of(c))

    def _place_of(self, c: Configuration) -> Path:
        return self._folder_of(c.network, c.plan)

    def _folder_of(self, network: str, plan: str) -> Path:
        return self.folder / PRUNED / f"{network}-{plan.replace(' ', '-') or 'whole'}"

    def _scenario(self, c: Configuration, known: Known, warm_up_s: float) -> Scenario:
        engine, variant = parse_engine(c.runtime, self.target.engines())
        return Scenario(
            runtime=engine.name,
            variant=variant,
            device=engine.devices[0],
            batch=known.request.batch,
            threads=c.threads,
            cores=self.target.choose_cores(c.threads),
            seed=known.request.seed,
            warmup_limit_s=warm_up_s,
            sampling_limit_s=SCREEN_S,
            target=self.target.name,
        )

    def _alone(self) -> Any:
        """Timings of one target never share it: searches wait for each other, whatever process they are in."""
        name = "local" if self.target.name == LOCAL else "".join(x if x.isalnum() else "-" for x in self.target.name)
        return locked(cache_dir() / "timing" / name)


def round_of(c: Comparison, keys: Sequence[str], number: int, seconds: float) -> Round:
    """What one round of a comparison says of each contestant."""
    places = [BASELINE, *range(AGAIN + 1, len(c.subjects))]
    logs = {key: log_ratio(c.pairs(at)[0]) if at else 0.0 for key, at in zip(keys, places, strict=True)}
    base = c.median_s(BASELINE)
    return Round(
        number=number,
        logs=logs,
        # the ratios of neighbouring blocks are less disturbed than each median by itself
        latencies_s={key: base * math.exp(log) for key, log in logs.items()},
        warnings=tuple(warning.detail for warning in c.warnings),
        seconds=seconds,
    )


def _taking(event: Built | Missing, seconds: float) -> Built | Missing:
    from msgspec.structs import replace

    return replace(event, seconds=seconds)
