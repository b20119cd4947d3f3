"""Measure every runtime: `python scripts/runtimes.py --out FOLDER [PART...]`, on an idle machine.

Needs CIFAR-10 (`reszoo data get cifar10`), akamaster's resnet20 and resnet56 (`reszoo download`) and the extra all.
All but `latency` goes through the command line, as a user would do it; `latency` is what `reszoo compare` does, or
`reszoo bench` where a run takes seconds, with a choice of contestants. Called by `scripts/measure.py runtimes`. It
takes some hours, and goes on where an interrupted run has stopped: what it has is in the cache until all is done.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from figures import known, write

from reszoo.bench.comparison import Contestant, Effort, compare
from reszoo.bench.harness import measure
from reszoo.bench.plan import Planned, plan
from reszoo.core.documents import read_json
from reszoo.core.files import cache_dir
from reszoo.core.measured import AGAIN, BASELINE, Comparison, Failure, Measurement, Scenario, Subject
from reszoo.core.types import Artifact
from reszoo.export import artifacts
from reszoo.export.contract.runtime import parse_runtime

RESZOO = str(Path(sys.executable).with_name("reszoo"))
TRAINED = ["resnet20_v1.akamaster_cifar10", "resnet56_v1.akamaster_cifar10", "resnet20_v2.reszoo_cifar10"]
RANDOM = ["resnet18_v1", "resnet50_v2"]  # at 224x224: for latency and parity only
NETWORKS = [*TRAINED, *(f"{arch}.random" for arch in RANDOM)]
# What is timed on a CPU: runtime, format and precisions. Eager PyTorch in float is the first, with which the others are
# compared. OpenVINO reads ONNX files as well, and runs the same network then.
WAYS = (
    ("torch", "torch", ("fp32",)),
    ("torch:channels_last", "torch", ("fp32",)),
    ("torch:bf16", "torch", ("fp32",)),
    ("onnxruntime", "onnx", ("fp32", "int8")),
    ("onnxruntime", "ort", ("fp32", "int8")),
    ("openvino", "openvino", ("fp32", "int8")),
    ("openvino:static", "openvino", ("fp32", "int8")),
    ("openvino:throughput", "openvino", ("fp32", "int8")),
    ("openvino:bf16", "openvino", ("fp32",)),
    ("litert", "litert", ("fp32", "int8")),
    ("executorch", "executorch", ("fp32", "int8")),
    ("ncnn", "ncnn", ("fp32",)),
)
# Half as much of each process as `reszoo compare` takes, as there are many.
EFFORT = Effort(precision=0.02, limit_s=60, round_s=0.5)
ALONE_S = 10.0  # of sampling, where each is measured by itself
WORK = cache_dir() / "runtimes"  # what is made is kept for the next part
Figures = list[dict[str, Any]]
T = TypeVar("T", Measurement, Comparison)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="only this one; may be given again")
    parser.add_argument("--out", type=Path, required=True, help="what is measured goes here")
    options = parser.parse_args()
    figures = WORK / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for part in options.parts or PARTS:
        PARTS[part](figures, options.network or NETWORKS)
    shutil.copytree(figures, options.out, dirs_exist_ok=True)
    if not (options.parts or options.network):
        shutil.rmtree(WORK)  # the next run measures anew


def exports(out: Path, networks: list[str]) -> None:
    """Each network in every format, float and int8: bytes, parity, seconds, or why not."""
    for network, found in unfinished(out / "exports.json", networks):
        ref = source(network)
        shutil.rmtree(WORK / network, ignore_errors=True)
        options = ("--to", "all", "--precision", "fp32,int8", "--out", str(WORK / network), "--json")
        said = json.loads(run(RESZOO, "export", ref, *options, may_fail=True))
        kept = ("kind", "format", "precision", "seconds", "reason", "fix", "parity")
        found += [{"network": network, **{key: each[key] for key in kept if key in each}} for each in said]
        write(out / "exports.json", found)


def accuracy(out: Path, networks: list[str]) -> None:
    """Every artifact of a trained network on the 10,000 test images."""
    for network, found in unfinished(out / "accuracy.json", [each for each in networks if each in TRAINED]):
        options = ("--accuracy", "cifar10", "--threads", "2", "--batch", "1")
        quick = ("--time-limit", "0.1", "--half-width", "50%")  # the latency beside it is not what is asked for
        for m in measured(network, *options, *quick)[0]:
            if m.accuracy:
                found.append({**named(network, m.subject), "correct": m.accuracy.correct, "n": m.accuracy.n})
        write(out / "accuracy.json", found)


def latency(out: Path, networks: list[str]) -> None:
    """Every artifact on every runtime with one and two threads, at batch 1 and 32: in turn, or one after the other."""
    for network in networks:
        for threads, batch in product((1, 2), (1, 32)):
            found = known(out / "latency.json")
            if any((f["network"], f["threads"], f["batch"]) == (network, threads, batch) for f in found):
                continue
            print("latency", network, threads, batch, flush=True)
            takes_seconds = network not in TRAINED and batch > 1
            found += (alone if takes_seconds else compared)(network, threads, batch)
            write(out / "latency.json", found)


def resources(out: Path, networks: list[str]) -> None:
    """The memory that each takes, and the seconds to its first result."""
    for network, found in unfinished(out / "resources.json", networks):
        several, failures = measured(network, "--threads", "1", "--batch", "1", "--time-limit", "0.5")
        found += [{"network": network, **failure} for failure in failures]
        for m in several:
            cold = m.cold_start
            seconds = {"import_s": cold.import_s, "load_s": cold.load_s, "first_run_s": cold.first_run_s}
            taken = {"taken_bytes": m.memory.taken_bytes}
            found.append({"kind": "measurement", **named(network, m.subject), **seconds, **taken})
        write(out / "resources.json", found)


def compared(network: str, threads: int, batch: int) -> Figures:
    """Every way's latency, and how many times faster that is than eager PyTorch in float."""
    c = or_exit(compare(contestants(network, threads, batch), EFFORT))
    entries = [i for i in range(len(c.subjects)) if i != AGAIN]
    best = min(entries[1:], key=lambda i: c.ratio(i).value)
    found = []
    for i in entries:
        is_slower = i not in (BASELINE, best) and c.ratio(i, best).verdict == "slower"
        value, (low, high) = (1.0, (1.0, 1.0)) if i == BASELINE else c.ratio(i)
        found.append(
            {
                "kind": "measurement",
                **named(network, c.subjects[i]),
                "threads": threads,
                "batch": batch,
                "median_s": c.median_s(i),
                "times_faster": 1 / value,
                "interval": [1 / high, 1 / low],
                "is_fastest": i == best or (i != BASELINE and not is_slower),
                "rounds": len(c.rounds),
                "noise_floor": list(c.ratio(AGAIN).interval),
                "warnings": sorted({warning.kind for warning in c.warnings}),
            }
        )
    return found


def alone(network: str, threads: int, batch: int) -> Figures:
    """Every way's latency, one after the other: a round of so many slow processes in turn takes minutes."""
    found = []
    for artifact, scenario in contestants(network, threads, batch):
        m = or_exit(measure(artifact, msgspec.structs.replace(scenario, sampling_limit_s=ALONE_S)))
        found.append(
            {
                "kind": "measurement",
                **named(network, m.subject),
                "threads": threads,
                "batch": batch,
                "median_s": m.median_s,
                "median_interval": list(m.interval_s),
                "samples": len(m.samples_s),
                "warnings": sorted({warning.kind for warning in m.warnings}),
            }
        )
    return found


def or_exit(result: T | Failure) -> T:
    if isinstance(result, Failure):
        raise SystemExit(f"{result.what}: {result.reason}\n{result.output}")
    return result


def contestants(network: str, threads: int, batch: int) -> list[Contestant]:
    """All of `WAYS` that there are artifacts for. A runtime that is not here is an error: its row would be missing."""
    made: dict[tuple[str, str], Artifact] = {}
    for artifact in map(artifacts.read, map(Path, artifacts_of(network))):
        made[artifact.format, artifact.precision] = artifact
    found = []
    for way, file_format, precisions in WAYS:
        runtime, variant = parse_runtime(way)
        scenario = Scenario(
            runtime=runtime.name, variant=variant, device="cpu", batch=batch, threads=threads, warmup_limit_s=0.5
        )
        for precision in precisions:
            if (file_format, precision) not in made:
                continue  # `exports` has the reason
            (item,) = plan(made[file_format, precision], scenario, [threads], [batch])
            if not isinstance(item, Planned):
                raise SystemExit(f"{item.what}: {item.reason}. {item.fix}")
            found.append(Contestant(item.artifact, item.scenario))
    return found


PARTS: dict[str, Callable[[Path, list[str]], None]] = {
    "exports": exports,
    "accuracy": accuracy,
    "latency": latency,
    "resources": resources,
}


def source(network: str) -> str:
    """A checkpoint's name, or the folder of one with random weights, which is made when it is first asked for."""
    arch, _, tag = network.partition(".")
    if tag != "random":
        return network
    folder = WORK / "checkpoints" / network
    if not folder.exists():
        import random_network

        random_network.make(arch, folder)
    return str(folder)


def artifacts_of(network: str) -> list[str]:
    """The folders of those that run here."""
    here = {file_format for _, file_format, _ in WAYS}
    made = [artifacts.read(manifest.parent) for manifest in sorted((WORK / network).glob("*/artifact.json"))]
    return [str(artifact.path) for artifact in made if artifact.format in here]


def measured(network: str, *options: str) -> tuple[list[Measurement], Figures]:
    """Every artifact of the network on every runtime; and what was tried and failed."""
    with tempfile.TemporaryDirectory() as results:
        command = (RESZOO, "bench", *artifacts_of(network), "--runtime", "all", *options, "--out", results, "--json")
        said = json.loads(run(*command, may_fail=True))
        found = [read_json(path, Measurement, "Measure again.") for path in Path(results).glob("*.json")]
    failures = [each for each in said if each["kind"] == "failure"]
    return sorted(found, key=lambda m: m.started_at), failures


def named(network: str, subject: Subject) -> dict[str, Any]:
    return {
        "network": network,
        "runtime": subject.scenario.runtime_name,
        "format": subject.artifact_format,
        "precision": subject.precision,
        "bytes": subject.artifact_bytes,
    }


def unfinished(path: Path, networks: list[str]) -> Iterator[tuple[str, Figures]]:
    """Each network that has no figures yet, with the list of all that were found."""
    for network in networks:
        found = known(path)
        if not any(each["network"] == network for each in found):
            print(path.stem, network, flush=True)
            yield network, found


def run(*command: str, may_fail: bool = False) -> str:
    """What the command prints. Exit code 1 says that one of many things failed; the output has the others."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode not in ((0, 1) if may_fail else (0,)):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
