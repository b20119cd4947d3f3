"""Measure every runtime: `python scripts/runtimes.py --out FOLDER [PART...]`, on an idle machine.

Needs CIFAR-10 (`reszoo data get cifar10`), akamaster's resnet20 and resnet56 (`reszoo download`) and the extra all.
Everything goes through the command line, as a user would do it. Called by `scripts/measure.py runtimes`; it takes some
hours, and one that was interrupted goes on where it was: what it has is in the cache until all is done.
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
from typing import Any

from random_network import make as make_random

from reszoo.bench.comparison import AGAIN, BASELINE, ratio
from reszoo.bench.statistics import median, median_interval
from reszoo.core.documents import read_json, to_builtins
from reszoo.core.files import cache_dir
from reszoo.core.hosts import describe
from reszoo.core.measured import Comparison, Measurement, Subject
from reszoo.export import artifacts
from reszoo.export.contract import parse_runtime

RESZOO = str(Path(sys.executable).with_name("reszoo"))
TRAINED = ["resnet20_v1.akamaster_cifar10", "resnet56_v1.akamaster_cifar10", "resnet20_v2.reszoo_cifar10"]
RANDOM = ["resnet18_v1", "resnet50_v2"]  # at 224x224: for latency and parity only
NETWORKS = [*TRAINED, *(f"{arch}.random" for arch in RANDOM)]
# what runs on a CPU; eager PyTorch in float is the first, with which the others are compared
WAYS = (
    "torch",
    "torch:channels_last",
    "torch:bf16",
    "onnxruntime",
    "openvino",
    "openvino:throughput",
    "openvino:bf16",
    "litert",
    "executorch",
    "ncnn",
)
WORK = cache_dir() / "runtimes"  # what is made is kept for the next part
Figures = list[dict[str, Any]]


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
        wish = ("--to", "all", "--precision", "fp32,int8", "--out", str(WORK / network), "--json")
        said = json.loads(run(RESZOO, "export", ref, *wish, may_fail=True))
        kept = ("kind", "format", "precision", "seconds", "reason", "fix", "parity")
        found += [{"network": network, **{key: each[key] for key in kept if key in each}} for each in said]
        write(out / "exports.json", found)


def accuracy(out: Path, networks: list[str]) -> None:
    """Every artifact of a trained network on the 10,000 test images."""
    for network, found in unfinished(out / "accuracy.json", [each for each in networks if each in TRAINED]):
        wish = ("--accuracy", "cifar10", "--threads", "2", "--batch", "1")
        quick = ("--time-limit", "0.1", "--precision", "50%")  # the latency beside it is not what is asked for
        for m in measured(network, *wish, *quick)[0]:
            if m.accuracy:
                found.append({**named(network, m.subject), "correct": m.accuracy.correct, "n": m.accuracy.n})
        write(out / "accuracy.json", found)


def latency(out: Path, networks: list[str]) -> None:
    """Every artifact on every runtime, in turn with PyTorch, with one and two threads, at batch 1 and 32."""
    for network in networks:
        for threads, batch in product((1, 2), (1, 32)):
            found = known(out / "latency.json")
            if any((f["network"], f["threads"], f["batch"]) == (network, threads, batch) for f in found):
                continue
            print("latency", network, threads, batch, flush=True)
            in_turn = network in TRAINED or batch == 1  # a round of large batches at 224x224 would take an hour
            found += (compared if in_turn else alone)(network, threads, batch)
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
    """Each artifact's latency on each runtime, and how many times faster that is than eager PyTorch in float."""
    setting = {"threads": threads, "batch": batch}
    options = [text for name, value in setting.items() for text in (f"--{name}", str(value))]
    wish = ("--runtime", ",".join(WAYS), "--time-limit", "240", "--precision", "2%")
    with tempfile.TemporaryDirectory() as results:
        run(RESZOO, "compare", *artifacts_of(network), *wish, *options, "--out", results)
        (path,) = Path(results).glob("compare.*.json")
        c = read_json(path, Comparison, "Measure again.")
    entries = [i for i in range(len(c.subjects)) if i != AGAIN]
    best = min(entries[1:], key=lambda i: ratio(c, i).value)
    found = []
    for i in entries:
        is_slower = i not in (BASELINE, best) and ratio(c, i, best).verdict == "slower"
        value, (low, high) = (1.0, (1.0, 1.0)) if i == BASELINE else ratio(c, i)
        found.append(
            {
                "kind": "measurement",
                **named(network, c.subjects[i]),
                **setting,
                "median_s": median(
                    [s for blocks in c.rounds for b in blocks if b.contestant == i for s in b.samples_s]
                ),
                "times_faster": 1 / value,
                "interval": [1 / high, 1 / low],
                "is_fastest": i == best or (i != BASELINE and not is_slower),
                "rounds": len(c.rounds),
                "noise_floor": list(ratio(c, AGAIN).interval),
                "warnings": sorted({warning.kind for warning in c.warnings}),
            }
        )
    return found


def alone(network: str, threads: int, batch: int) -> Figures:
    """Each artifact's latency on each runtime, of one process."""
    setting = {"threads": threads, "batch": batch}
    options = [text for name, value in setting.items() for text in (f"--{name}", str(value))]
    several, failures = measured(network, *options, "--time-limit", "10")
    found = [{"network": network, **setting, **failure} for failure in failures]
    for m in several:
        figures = {"median_s": median(m.samples_s), "interval_s": list(median_interval(m.samples_s))}
        warnings = sorted({warning.kind for warning in m.warnings})
        found.append({"kind": "measurement", **named(network, m.subject), **setting, **figures, "warnings": warnings})
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
        make_random(arch, folder)
    return str(folder)


def artifacts_of(network: str) -> list[str]:
    """The folders of those that a runtime of `WAYS` runs; first PyTorch's."""
    here = {name for way in WAYS for name in parse_runtime(way)[0].formats}
    made = [artifacts.read(manifest.parent) for manifest in (WORK / network).glob("*/artifact.json")]
    made.sort(key=lambda artifact: (artifact.format != "torch", artifact.format, artifact.precision))
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


def is_of(figures: dict[str, Any], network: str, kind: str) -> bool:
    return figures["network"] == network and figures["kind"] == kind


def unfinished(path: Path, networks: list[str]) -> Iterator[tuple[str, Figures]]:
    """Each network that has no figures yet, with the list of all that were found."""
    for network in networks:
        found = known(path)
        if not any(each["network"] == network for each in found):
            print(path.stem, network, flush=True)
            yield network, found


def known(path: Path) -> Figures:
    found: Figures = json.loads(path.read_text())["figures"] if path.exists() else []
    return found


def write(path: Path, figures: Figures) -> None:
    document = {"host": to_builtins(describe()), "figures": figures}
    path.write_text(json.dumps(document, indent=1) + "\n")


def run(*command: str, may_fail: bool = False) -> str:
    """What the command prints. Exit code 1 says that one of many things failed; the output has the others."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode not in ((0, 1) if may_fail else (0,)):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
