"""Measure what docs/optimize.md says: `python scripts/optimize.py PART... [--network NAME]`, on an idle machine.

Needs CIFAR-10 (`reszoo data get cifar10`), akamaster's networks (`reszoo download 'resnet*_v1.akamaster_cifar10'`) and
the extra all. Every part goes on where it was interrupted; what is unfinished is in the cache, in optimize/.

    tables    every candidate of 12 networks with one and two threads, 16 rounds each: about 4 hours on two cores, less
              those that live has made
    replay    searches among these tables, and their regrets: a minute, and needs no idle machine
    live      4 searches from an empty cache, each against 16 rounds of all its candidates: about 1.5 hours
    peers     resnet56_v1 optimized for 0.3 points, in turn with every peer's fp32: about 20 minutes
    pruned    the same for 1 point with two hours of fine-tuning: about 2.5 hours
    networks  the most accurate network for three latencies: about half an hour
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
from figures import MEASUREMENTS, Figure, known, save, save_comparison, write

from reszoo.bench.comparison import Contestant, Effort, compare
from reszoo.bench.targets.local import HERE
from reszoo.core import executors
from reszoo.core.documents import read_json, to_builtins
from reszoo.core.errors import ReszooError
from reszoo.core.estimates import mean_interval
from reszoo.core.files import cache_dir
from reszoo.core.hosts import describe
from reszoo.core.measured import Failure, Scenario
from reszoo.core.types import Artifact, Checkpoint
from reszoo.export import artifacts
from reszoo.export.contract.runtime import runtimes
from reszoo.export.exporting import exported
from reszoo.reporting.search import Search
from reszoo.workflows.optimization import racing
from reszoo.workflows.optimization.known import Known
from reszoo.workflows.optimization.live import Live
from reszoo.workflows.optimization.log import Log
from reszoo.workflows.optimization.optimize import plan_for, search
from reszoo.workflows.optimization.records import Built, Configuration, Entry, Happened, Plan, Request, Round, Screened
from reszoo.workflows.optimization.replay import Recorded, Replay, Table
from reszoo.workflows.optimization.selection import Build, Judge, Race, Screen
from reszoo.workflows.references import checkpoints

RESZOO = str(Path(sys.executable).with_name("reszoo"))
NETWORKS = (
    *(f"resnet{depth}_v1.akamaster_cifar10" for depth in (20, 32, 44, 56)),
    "resnet8_v1.reszoo_cifar10",
    "resnet8_v2.reszoo_cifar10",
    "resnet20_v2.reszoo_cifar10",
    "resnet8_v1.reszoo_digits",
    "resnet8_v2.reszoo_digits",
    # as they would race: pruned, and not trained
    "resnet20_v1.akamaster_cifar10/channels 0.5",
    "resnet56_v1.akamaster_cifar10/channels 0.5",
    "resnet56_v1.akamaster_cifar10/blocks 0.5",
)
ON_CIFAR10 = [name for name in NETWORKS if name.endswith("cifar10")]
THREADS = (1, 2)
ROUNDS = 16
SLOW = 2.5  # times the fastest at the first look: such a candidate is in the table, and runs no rounds
MAX_DROPS = (None, 0.005, 0.001)  # of the searches in each table
LIVE = (  # network, threads
    ("resnet20_v1.akamaster_cifar10", 1),
    ("resnet56_v1.akamaster_cifar10", 1),
    ("resnet20_v2.reszoo_cifar10", 2),
    ("resnet8_v1.reszoo_digits", 1),
)
DROPS = {"cifar10": "0.5%", "digits": "3%"}
PEERS = ("onnxruntime", "openvino", "litert", "ncnn", "executorch", "mnn")
WORK = cache_dir() / "optimize"
OUT = MEASUREMENTS / "optimize"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS, metavar="PART")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="only this one; may be given again")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="fewer are for trying it out")
    parser.add_argument("--runtime", action="append", help="only this one; for trying it out")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        PARTS[part](options)


def tables(options: argparse.Namespace) -> None:
    for threads, name in product(THREADS, options.network or NETWORKS):
        if not table_path(name, threads, options).exists():
            save_table(table(name, threads, options), options)


def table_path(name: str, threads: int, options: argparse.Namespace) -> Path:
    folder: Path = options.out / "tables"
    return folder / f"{name.replace('/', '-').replace(' ', '')}-t{threads}.json"


def table(name: str, threads: int, options: argparse.Namespace) -> Table:
    """Every candidate, in rounds of fresh processes in turn."""
    ref, _, its_plan = name.partition("/")
    (checkpoint,) = checkpoints([ref])
    request = Request(
        max_drop=0.5,  # so that all take part
        threads=(threads,),
        runtimes=tuple(options.runtime or ()),
        data=checkpoint.dataset,
        finetune="prune-finetune" if its_plan else None,
        shares=(float(its_plan.split()[1]),) if its_plan else (),
    )
    plan = plan_for([checkpoint], request, HERE)
    chosen = [c for c in plan.configurations if c.plan == its_plan]
    log = Log(WORK / "tables" / table_path(name, threads, options).stem)
    log.enter(plan)
    with executors.local(2) as pool:
        live = Live({ref: checkpoint}, log.path, pool)
        return exhaustive(name, threads, plan, chosen, live, log, options.rounds, SLOW)


def exhaustive(
    name: str,
    threads: int,
    plan: Plan,
    chosen: Sequence[Configuration],
    live: Live,
    log: Log,
    rounds: int,
    slow: float = math.inf,
) -> Table:
    """What a search would not do: every candidate built, looked at, run in every round, and judged on all images.

    One that is ``slow`` times slower than the fastest at the first look runs no rounds.
    """

    def do(action: Any) -> None:
        for event in live.perform(action, Known(plan, log.events)):
            log.add(event)
            print(f"{name} t{threads}: {type(event).__name__} {len(log.events)}", flush=True)

    def so_far() -> Known:
        return Known(plan, log.events)

    def there(c: Configuration) -> bool:
        return c.build in so_far().built and c.key not in so_far().missing

    unbuilt = [c.build for c in chosen if not (c.build in so_far().built or so_far().missing_of(c))]
    if unbuilt:
        do(Build(tuple(dict.fromkeys(unbuilt))))
    for c in chosen:
        if there(c) and c.key not in so_far().seen:
            do(Screen(c))
    alive = [c for c in chosen if c.key in so_far().seen and there(c)]
    looks = {c.key: so_far().seen[c.key].latency_s for c in alive}
    fastest = min(looks.values())
    of_exact = min((looks[c.key] for c in alive if c.is_exact), default=fastest)  # for searches among these alone
    field = [c for c in alive if looks[c.key] <= slow * (of_exact if c.is_exact else fastest)]
    while len(so_far().rounds) < rounds:
        do(Race(tuple(field), len(so_far().rounds) + 1))
    for c in alive:
        if not c.plan and not c.is_exact and c.subject not in so_far().judged:
            do(Judge(c, plan.images))
    final = so_far()
    return Table(
        name=name,
        batch=plan.request.batch,
        threads=threads,
        candidates=tuple(_recorded(c, final) for c in alive),
        round_s=tuple(r.seconds for r in final.rounds),
    )


def _recorded(c: Configuration, known: Known) -> Recorded:
    judged, built = known.judged.get(c.subject), known.built[c.build]
    # a pruned network is one of its own here: nothing is trained in a replay
    its = msgspec.structs.replace(c, network=f"{c.network}/{c.plan}", plan="") if c.plan else c
    return Recorded(
        configuration=its,
        size_bytes=built.size_bytes,
        look=msgspec.structs.replace(known.seen[c.key], key=its.key),
        latencies_s=tuple(r.latencies_s[c.key] for r in known.rounds if c.key in r.latencies_s),
        n=known.plan.images,
        lost=judged.only_reference if judged else 0,
        gained=judged.only_candidate if judged else 0,
        seconds=built.seconds,
    )


def save_table(made: Table, options: argparse.Namespace) -> None:
    path = table_path(made.name, made.threads, options)
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {name: getattr(made, name) for name in ("name", "batch", "threads")}
    seconds = [float(f"{each:.4g}") for each in made.round_s]
    candidates = [in_file(c) for c in made.candidates]
    save(path, {"host": to_builtins(describe()), **fields, "round_s": seconds, "candidates": candidates})
    print("written", path, flush=True)


def in_file(c: Recorded) -> Figure:
    """Without what goes without saying; latencies in nanoseconds."""
    look = {name: float(f"{getattr(c.look, name):.6g}") for name in ("latency_s", "low_s", "high_s", "cold_start_s")}
    return {
        "configuration": slim(c.configuration),
        "size_bytes": c.size_bytes,
        "look": look | {"memory_bytes": c.look.memory_bytes, "seconds": round(c.look.seconds, 2)},
        "latencies_ns": [round(1e9 * seconds) for seconds in c.latencies_s],
        "n": c.n,
        "lost": c.lost,
        "gained": c.gained,
        "seconds": round(c.seconds, 2),
    }


def slim(configuration: Configuration) -> Figure:
    """Without the fields that are as they are by default."""
    fields = msgspec.structs.fields(configuration)
    return {f.name: value for f in fields if (value := getattr(configuration, f.name)) != f.default}


def read_tables(folder: Path) -> Iterator[Table]:
    for path in sorted(folder.glob("*.json")):
        fields = json.loads(path.read_text())
        del fields["host"]
        candidates, seconds = (from_file(c) for c in fields.pop("candidates")), fields.pop("round_s")
        yield Table(candidates=tuple(candidates), round_s=tuple(seconds), **fields)


def from_file(c: Figure) -> Recorded:
    configuration = msgspec.convert(c["configuration"], Configuration)
    look = msgspec.convert(c["look"] | {"key": configuration.key}, Screened)
    latencies = tuple(1e-9 * ns for ns in c["latencies_ns"])
    rest = {name: c[name] for name in ("size_bytes", "n", "lost", "gained", "seconds")}
    return Recorded(configuration=configuration, look=look, latencies_s=latencies, **rest)


def replay(options: argparse.Namespace) -> None:
    """Three limits of each table, and of each a latency limit that a third of its candidates meet."""
    found = [row for its in read_tables(options.out / "tables") for row in searches(its)]
    write(options.out / "replay.json", found)
    told = [row for row in found if row["regret"] is not None]
    worst = max((row["regret"] for row in told), default=0.0)
    failed = sum(row["regret"] > racing.MARGIN for row in told)
    surely = sum(row["regret_interval"][0] > racing.MARGIN for row in told)
    infeasible = sum(row["infeasible"] for row in found)
    print(
        f"{len(found)} searches: worst regret {100 * worst:.2f} %, {failed} above 2 %, "
        f"{surely} of these surely, {infeasible} infeasible"
    )


def searches(its: Table) -> Iterator[dict[str, Any]]:
    """Every search of a table, and how its choice compares with the best by all that was measured."""
    by_truth = sorted(c.truth_s for c in its.candidates)
    for seed, max_drop in enumerate(MAX_DROPS):
        for latency in (None, 1.1 * by_truth[len(by_truth) // 3]):
            request = Request(data="table", threads=(its.threads,), latency=latency, max_drop=max_drop)
            yield replayed(its, request, seed)


def replayed(its: Table, request: Request, seed: int) -> dict[str, Any]:
    log = Memory()
    plan, best = its.plan(request), its.best(request)
    verdict = search(plan, Replay(its, seed), log)
    by_key = {c.configuration.key: c for c in its.candidates}
    choice = by_key[verdict.choice] if verdict.choice else None
    return {
        "network": its.name,
        "threads": its.threads,
        "max_drop": request.max_drop,
        "latency": request.latency,
        "outcome": verdict.outcome,
        "choice": verdict.choice,
        "best": best.configuration.key if best else None,
        "regret": choice.truth_s / best.truth_s - 1 if choice and best else None,
        "regret_interval": interval_of(choice, best) if choice and best else None,
        "missed": best is not None and verdict.outcome == "not reachable",
        "infeasible": choice is not None and not its.is_feasible(choice, request),
        "rounds": sum(isinstance(event, Round) for event in log.events),
        "candidates": len(plan.configurations),
    }


def interval_of(choice: Recorded, best: Recorded) -> tuple[float, float]:
    """What the table's own rounds know of the regret (95 %): both ran in each of them."""
    if choice is best:
        return 0.0, 0.0
    logs = [math.log(mine / its) for mine, its in zip(choice.latencies_s, best.latencies_s, strict=True)]
    _, (low, high) = mean_interval(logs)
    return math.expm1(low), math.expm1(high)


class Memory(Log):
    """Events that nobody needs afterwards."""

    def __init__(self) -> None:
        self.events: list[Happened] = []

    def add(self, event: Happened) -> None:
        self.events.append(event)


def live(options: argparse.Namespace) -> None:
    """Searches as they are typed first, each followed by an exhaustive measurement of all its candidates."""
    path = options.out / "live.json"
    found = known(path)
    for ref, threads in LIVE:
        if any((row["network"], row["threads"]) == (ref, threads) for row in found):
            continue
        if options.network and ref not in options.network:
            continue
        found.append(compared(ref, threads, options))
        write(path, found)


def compared(ref: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """A search, and what all of its candidates would have cost and given."""
    name = f"{ref}-t{threads}"
    began = time.monotonic()
    out = first_search(name, [ref, "--threads", str(threads), "--max-drop", DROPS[ref.split("_")[-1]]], options)
    search_s = time.monotonic() - began
    verdict = read_json(out / "result.json", Search, "Search again.")
    plan = read_json(out / "search.json", Plan, "Search again.")
    (checkpoint,) = checkpoints([ref])
    whole = Log(WORK / "live" / f"{name}-all")
    whole.enter(plan)
    with executors.local(2) as pool:
        source = Live({ref: checkpoint}, whole.path, pool)
        its = exhaustive(ref, threads, plan, plan.configurations, source, whole, options.rounds)
    save_table(its, options)  # as the part tables would
    by_key, best = {c.configuration.key: c for c in its.candidates}, its.best(plan.request)
    choice = by_key.get(verdict.choice or "")
    # exports may be in the cache by now; who measures all of them makes them as the search did
    exports_s = sum(event.seconds for event in events_of(out) if isinstance(event, Built))
    return {
        "network": ref,
        "threads": threads,
        "outcome": verdict.outcome,
        "candidates": len(plan.configurations),
        "choice": verdict.choice,
        "best": best.configuration.key if best else None,
        "regret": choice.truth_s / best.truth_s - 1 if choice and best else None,
        "exports_s": exports_s,
        "search_s": search_s,
        "exhaustive_s": exports_s + sum(event.seconds for event in whole.events if not isinstance(event, Built)),
    }


def first_search(name: str, arguments: list[str], options: argparse.Namespace) -> Path:
    """With a cache that holds what was downloaded, and nothing that was made from it."""
    home, out = WORK / "first" / name, WORK / "live" / name
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    home.mkdir(parents=True)
    for each in cache_dir().iterdir():
        if each.name not in ("artifacts", "answers", "latency", "timing", "optimize"):
            (home / each.name).symlink_to(each)
    only = ["--runtime", ",".join(options.runtime)] if options.runtime else []
    command = [RESZOO, "optimize", *arguments, *only, "--out", str(out)]
    subprocess.run(command, check=False, env=os.environ | {"RESZOO_CACHE": str(home)})  # no choice ends it with 1
    return out


def events_of(folder: Path) -> list[Happened]:
    return [read_json(path, Entry, "Search again.").event for path in sorted((folder / "events").glob("*.json"))]


def peers(options: argparse.Namespace) -> None:
    _against_peers(options, "peers", ["--max-drop", "0.3%"])


def pruned(options: argparse.Namespace) -> None:
    _against_peers(options, "pruned", ["--max-drop", "1%", "--finetune", "prune-finetune", "--budget", "150min"])


def _against_peers(options: argparse.Namespace, name: str, limits: list[str]) -> None:
    """The choice in turn with each peer's fp32 artifact, one thread, batch 1."""
    ref, out = "resnet56_v1.akamaster_cifar10", WORK / name
    subprocess.run([RESZOO, "optimize", ref, *limits, "--out", str(out)], check=True)
    (checkpoint,) = checkpoints([ref])
    by_key = {c.key: c for c in read_json(out / "search.json", Plan, "Search again.").configurations}
    found = read_json(out / "result.json", Search, "Search again.")
    choice = by_key[found.choice or ""]
    contestants = [Contestant(artifacts.read(out / "artifact"), scenario_of(choice.runtime))]
    for peer in PEERS:
        try:
            made = float_for(checkpoint, peer)
        except ReszooError as error:
            print(error, flush=True)
            continue
        contestants.append(Contestant(made, scenario_of(peer)))
    outcome = compare(contestants, Effort(limit_s=600))
    if isinstance(outcome, Failure):
        sys.exit(f"{outcome.what}: {outcome.reason}")
    save_comparison(options.out / f"{name}.json", outcome)
    for at in range(2, len(outcome.subjects)):
        print(outcome.subjects[at], outcome.ratio(at), flush=True)


def float_for(checkpoint: Checkpoint, peer: str) -> Artifact:
    return exported(checkpoint, runtimes()[peer].formats[0])


def scenario_of(runtime: str) -> Scenario:
    name, _, variant = runtime.partition(":")
    return Scenario(
        runtime=name, variant=variant, device="cpu", batch=1, threads=1, cores=HERE.choose_cores(1), warmup_limit_s=1.0
    )


def networks(options: argparse.Namespace) -> None:
    """The most accurate of the catalogue's networks for CIFAR-10 that are on the machine, for three latencies."""
    found = []
    for latency in ("0.2ms", "0.5ms", "1ms"):
        out = WORK / f"networks-{latency}"
        command = [RESZOO, "optimize", *ON_CIFAR10, "--latency", latency, "--objective", "accuracy", "--out", str(out)]
        subprocess.run(command, check=False)  # an answer that is no choice ends with 1
        search_ = read_json(out / "result.json", Search, "Search again.")
        row = next((row for row in search_.rows if row.key == search_.choice), None)
        chosen = {} if row is None else {"network": row.network, "how": row.how, "runtime": row.runtime}
        figures: dict[str, Any] = {}
        if row and row.latency_s and search_.test:
            figures = {"ms": 1e3 * row.latency_s.value, "top_1": search_.test.accuracy.value}
        found.append({"latency": latency, "outcome": search_.outcome, **chosen, **figures, "minutes": search_.minutes})
        write(options.out / "networks.json", found)


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "tables": tables,
    "replay": replay,
    "live": live,
    "peers": peers,
    "pruned": pruned,
    "networks": networks,
}

if __name__ == "__main__":
    main()
