"""`optimize`: a device and a budget in, the best deployable artifact out, with the evidence."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...core import executors
from ...core.errors import ReszooError, UnavailableError, UsageError
from ...core.measured import LOCAL
from ...core.missing import require
from ...core.progress import Progress, silent
from ...core.types import Artifact, Checkpoint

if TYPE_CHECKING:
    from ...bench.target import Target
    from ...core.measured import Host
    from ...reporting.search import Search
    from .live import Source
    from .log import Log
    from .records import Happened, Network, Objective, Plan, Request, Verdict

FOLDER = Path("optimized")
SHARES = (0.35, 0.5, 0.7)  # of the multiply-adds that pruned networks keep


class Optimized(NamedTuple):
    """The answer with all that it rests on, the artifact if there is one, and the folder of both."""

    search: "Search"
    artifact: Artifact | None
    folder: Path

    def __repr__(self) -> str:
        return f"Optimized({self.search!r}, in {self.folder})"


def optimize(
    *checkpoints: Checkpoint,
    max_drop: float | None = None,
    latency: float | None = None,
    throughput: float | None = None,
    size: int | None = None,
    memory: int | None = None,
    objective: "Objective | None" = None,
    threads: int | Sequence[int] = 1,
    batch: int = 1,
    runtime: str | Sequence[str] | None = None,
    target: str = LOCAL,
    data: str | None = None,
    finetune: str | None = None,
    budget: float | None = None,
    out: "str | os.PathLike[str] | None" = None,
    workers: int = 2,
    dask: str | None = None,
    executor: Executor | None = None,
    seed: int = 0,
    progress: Progress = silent,
    on_event: "Callable[[Happened], None]" = lambda event: None,
) -> Optimized:
    """Find the best artifact that keeps the limits, among all that can be made of the networks and run on the target.

    Each candidate is a network, how it is pruned, a format, its arithmetic, a runtime with its variant, and a number of
    threads. The same call goes on with a search that was interrupted.

    Args:
        *checkpoints: One network, or several to choose between.
        max_drop: The most accuracy that may be lost against a network's own float source, a fraction, as 0.005. None
            measures no accuracy: only what gives its source's answers is chosen from, unless accuracy is the objective.
        latency: Seconds that a batch may take.
        throughput: Images per second that have to be reached.
        size: Bytes that the artifact's files may have.
        memory: Bytes that the runtime and the model may take at their peak.
        objective: What is to be best: latency, throughput, size, memory or accuracy. None is accuracy where limits
            other than `max_drop` are given and that is not; else latency.
        threads: Threads, or several numbers of them to choose between.
        batch: Images at a time.
        runtime: Engines to choose between, as "openvino" or "openvino:static"; None is all that are on the target.
        target: The machine: "local", or a board, as "ssh://pi@board".
        data: The data set of the accuracies; None is the one that the first network was trained on.
        finetune: The recipe that trains pruned networks on all but `val`, as "prune-finetune"; None prunes nothing. A
            network that was trained on `val` is itself trained so first, to hold its pruned forms against.
        budget: Seconds that the search may take, in all its sittings; None is as long as it takes.
        out: The folder of the search; None is `optimized`.
        workers: Processes that export side by side on this machine.
        dask: The address of a Dask scheduler, whose workers export, evaluate and train instead.
        executor: Any other executor to use instead; it stays open.
        seed: Chooses images, and the order in which candidates run.
        progress: Is told of the stages.
        on_event: Is given everything that happened, as soon as it is kept.

    Returns:
        The answer: met, not reachable or cannot tell, with a row for every candidate. The artifact is there if the
        limits are met, and nothing of it is written if not.

    Raises:
        UsageError: A limit cannot be meant, two contradict each other, or `out` holds another search.
        UnavailableError: A data set, a runtime or the target is not there.
        ReszooError: The disk is full, or a worker ended. All that is done is kept.
    """
    require("torch", "to optimize")
    from ...bench.target import parse_target
    from ...core.locks import locked
    from .known import Known
    from .live import Live
    from .log import Log
    from .records import Request

    networks = _networks(checkpoints)
    request = Request(
        max_drop=max_drop,
        latency=latency,
        throughput=throughput,
        size=size,
        memory=memory,
        objective=objective or usual_objective(max_drop, latency, throughput, size, memory),
        threads=(threads,) if isinstance(threads, int) else tuple(threads),
        batch=batch,
        runtimes=() if runtime is None else (runtime,) if isinstance(runtime, str) else tuple(runtime),
        target=target,
        data=data or checkpoints[0].dataset,
        finetune=finetune,
        shares=SHARES if finetune else (),
        budget=budget,
        seed=seed,
    )
    check_request(request)
    folder = Path(out) if out is not None else FOLDER
    where = executors.chosen(workers, dask, executor)
    with locked(folder, wait=False), parse_target(target) as place:
        log = Log(folder.absolute())
        plan = plan_for(list(networks.values()), request, place)
        log.enter(plan)
        with _explained(), where as pool:
            live = Live(networks, log.path, pool, place, progress)
            verdict = search(plan, live, log, on_event)
            known = Known(plan, log.events)
            made = live.artifact(known.by_key[verdict.choice], known) if verdict.choice else None
        return _written(plan, verdict, log, made)


def search(
    plan: "Plan", source: "Source", log: "Log", on_event: "Callable[[Happened], None]" = lambda event: None
) -> "Verdict":
    """Step by step, until there is an answer. What has happened is kept before the next step is chosen."""
    from .known import Known
    from .records import Verdict
    from .selection import decide

    while not isinstance(action := decide(plan, log.events), Verdict):
        for event in source.perform(action, Known(plan, log.events)):
            log.add(event)
            on_event(event)
    return action


@contextmanager
def _explained() -> Iterator[None]:
    """Say what an executor means whose workers are gone."""
    try:
        yield
    except BrokenExecutor as error:
        raise ReszooError(
            "a worker ended in the middle of its work: no memory was left, or a converter died",
            "All that is done is kept: give the same again, with `workers=1`, or without that `runtime`.",
        ) from error


def usual_objective(max_drop: float | None, *limits: float | None) -> "Objective":
    """What is to be best where nobody says: the most accurate that keeps the other limits, or else the fastest."""
    return "accuracy" if max_drop is None and any(limit is not None for limit in limits) else "latency"


def check_request(request: "Request") -> None:
    """Raises UsageError for what contradicts itself, and UnavailableError where accuracies cannot be measured."""
    from ...core.limits import check_counts
    from ..training import recipe_for

    check_counts(batches=[request.batch], threads=request.threads)
    if request.finetune and request.max_drop is None and request.objective != "accuracy":
        raise UsageError(
            "`finetune`: pruned networks lose accuracy, and none is measured",
            "Give `max_drop`, as `max_drop=1%`, or leave `finetune` away.",
        )
    if request.finetune and request.objective == "accuracy":
        raise UsageError(
            "`finetune`: where accuracy is the objective, pruned networks are not tried",
            "Give `objective=latency` with `max_drop`, or leave `finetune` away.",
        )
    if request.finetune:
        recipe_for(request.finetune, {})  # says which there are
    if request.latency and request.throughput and request.throughput * request.latency < request.batch / 1e3:
        raise UsageError(
            f"a batch of {request.batch} in `latency={1e3 * request.latency:g}ms` and "
            f"`throughput={request.throughput:g}/s` differ by more than a thousand times",
            "Batches follow each other, so one of both says it all: leave the other away.",
        )


def _networks(checkpoints: Sequence[Checkpoint]) -> dict[str, Checkpoint]:
    from ..references import check_models

    if not checkpoints:
        raise UsageError("there is nothing to optimize", "Name a network: `optimize(REF)`.")
    check_models(checkpoints)
    found: dict[str, Checkpoint] = {}
    for checkpoint in checkpoints:
        if isinstance(checkpoint, Artifact):
            raise UsageError(f"{checkpoint.path} is an artifact", f"Name its source: {checkpoint.source_ref}.")
        if checkpoint.ref in found:
            raise UsageError(f"two networks are called {checkpoint.ref}", "Import one under another name.")
        found[checkpoint.ref] = checkpoint
    return found


def plan_for(checkpoints: Sequence[Checkpoint], request: "Request", target: "Target") -> "Plan":
    """Everything that can be chosen, checked before anything is made."""
    from .candidates import candidates
    from .records import Plan

    if missing := target.untimed():
        raise UnavailableError(f"nothing can be chosen by the clock of {target.name}: {missing.reason}", missing.fix)
    needs_data = request.max_drop is not None or request.objective == "accuracy"
    counts = _counts(checkpoints, request) if needs_data else {}
    found, left_out = candidates(checkpoints, request, target)
    if not found:
        reasons = "; ".join(f"{each.what}: {each.reason}" for each in left_out)
        raise UnavailableError(
            f"there is no candidate on {target.name}: {reasons}", left_out[0].fix if left_out else ""
        )
    host = target.host()
    return Plan(
        request=request,
        networks=tuple(_network(each, request) for each in checkpoints),
        machine=_machine(host) | (_images(checkpoints, request.data) if needs_data else {}),
        configurations=tuple(found),
        left_out=tuple(left_out),
        images=counts.get("val", 0),
        has_test="test" in counts,
    )


def _images(checkpoints: Sequence[Checkpoint], data: str) -> dict[str, str]:
    """The data sets that accuracies and the ranges of int8 are of, as far as they are here."""
    from ...datasets.info import info, is_installed

    names = dict.fromkeys([data, *(each.dataset for each in checkpoints)])
    here = [info(name) for name in names if is_installed(name)]
    return {f"images of {each.name}": f"{dict(each.counts)} {each.sha256[:12]}" for each in here}


def _counts(checkpoints: Sequence[Checkpoint], request: "Request") -> dict[str, int]:
    """The images of each split. Raises where the data set is not here, or is not the networks'."""
    from ...bench.evaluate import classes_of
    from ...datasets.info import info

    exact = (
        "Without `max_drop` nothing has to be measured: what gives its source's answers is then chosen by speed alone."
    )
    try:
        counts = {str(split): int(n) for split, n in info(request.data).counts.items()}
        for checkpoint in checkpoints:
            classes_of(checkpoint, request.data, "val")
    except ReszooError as error:
        raise type(error)(f"accuracies cannot be measured: {error.problem}", f"{error.fix} {exact}") from error
    return counts


def _network(checkpoint: Checkpoint, request: "Request") -> "Network":
    from .records import Network

    known = [m for m in checkpoint.metrics if m.dataset == request.data and m.split == "test"]
    best = min(known, key=lambda m: m.origin != "measured", default=None)
    if best is None and request.objective == "accuracy":
        raise UsageError(
            f"the accuracy of {checkpoint.ref} on {request.data} is not known, and networks are chosen by it",
            f"Measure it: `evaluate({checkpoint.ref})`, or choose by `objective=latency` with `max_drop`.",
        )
    return Network(
        ref=checkpoint.ref,
        sha256=checkpoint.identity,
        accuracy=best.value if best else None,
        n=best.n if best else 0,
        val=_on_val(checkpoint, request.data) if request.finetune else None,
    )


def _on_val(checkpoint: Checkpoint, data: str) -> float:
    from .tasks import answers

    found = answers(checkpoint, data, "val")
    return found.correct / found.n


def _machine(host: "Host") -> dict[str, str]:
    """All that decides what would be measured."""
    facts = {
        "processor": host.cpu,
        "cores": str(host.cores),
        "instruction sets": " ".join(host.instruction_sets),
        "operating system": host.os,
        "Python": host.python,
    }
    return facts | dict(host.versions)


def _written(plan: "Plan", verdict: "Verdict", log: "Log", made: Artifact | None) -> Optimized:
    """The answer on disk: the artifact if there is one, the record, the page and the README."""
    from ...core.documents import write_json
    from ...core.files import explained, staged_folder, write_atomic
    from ...export import artifacts
    from ...reporting.search_page import search_page
    from .log import ARTIFACT, PAGE, README, RESULT
    from .outcome import outcome
    from .readme import readme

    answer, place = outcome(plan, log.events, verdict), log.path / ARTIFACT
    artifact = None
    if made:
        with explained(place), staged_folder(place, artifacts.is_untouched) as staging:
            shutil.copytree(made.path, staging, dirs_exist_ok=True)
        artifact = artifacts.read(place)
    elif artifacts.is_artifact(place) and artifacts.is_untouched(place):
        shutil.rmtree(place)  # of an earlier sitting, which knew less
    write_json(log.path / RESULT, answer)
    write_atomic(log.path / PAGE, search_page(answer).encode())
    write_atomic(log.path / README, readme(answer, artifact).encode())
    return Optimized(answer, artifact, log.path)
