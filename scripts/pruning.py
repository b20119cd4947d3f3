"""Measure what pruning costs and buys: `python scripts/pruning.py`, or its parts one by one.

latency    prunes the networks and times them in turn: minutes, on an idle machine; a latency depends on the plan alone
networks   fine-tunes those: hours on a CPU. What it times along the way is not kept
steps      quantizes one of each parent's, and times them in turn: minutes, on an idle machine

Without a part: all. Each goes on where an interrupted run has stopped: figures go to --out as soon as they are known,
checkpoints to --work. Needs CIFAR-10 (`reszoo data get cifar10`), resnet56_v1.akamaster_cifar10 and the extra openvino.
Everything goes through the command line, as a user would do it.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from figures import MEASUREMENTS, comparison_in, save_comparison, write

from reszoo import zoo
from reszoo.core.documents import to_builtins
from reszoo.core.types import Checkpoint
from reszoo.models.cost import cost_of

RESZOO = str(Path(sys.executable).with_name("reszoo"))
PARENTS = ("resnet56_v1.akamaster_cifar10", "resnet20_v2.reszoo_cifar10")
DATA = "cifar10"
# where latency is pruned for, and the fastest here for networks in float (docs/runtimes.md)
RUNTIMES, BATCHES = ("onnxruntime", "openvino:bf16"), (1, 32)
# ways to prune, and the options of `reszoo prune`; 1/2 and 1/3 of the multiply-adds
COUNTED = {
    "channels, half the macs": ("--macs", "0.5"),
    "channels, a third of the macs": ("--macs", "0.333"),
    "blocks, half the macs, 30 epochs": ("--macs", "0.5", "--blocks"),
    "blocks, a third of the macs": ("--macs", "0.333", "--blocks"),
}
TIMED = {
    "channels, half the latency": ("--latency", "0.5"),
    "blocks, half the latency": ("--latency", "0.5", "--blocks"),
}
EQUAL = "channels by macs, half the latency"  # a search finds how many macs that is
WAYS = (*COUNTED, *TIMED, EQUAL)
LONGER = {"blocks, half the macs, 30 epochs": ("--set", "epochs=30")}
STEPS = "channels, half the macs"  # is quantized too
WHERE = ("--runtime", "onnxruntime", "--threads", "1", "--batch", "32")
TARGET, NEAR, TRIES = 0.5, 0.03, 5
# the latency beside an accuracy is not what is asked for here
QUICK = ("--threads", "2", "--time-limit", "0.5", "--half-width", "20%")


class Options(NamedTuple):
    parents: list[str]
    out: Path
    work: Path
    recipe: str
    round_to: str
    ways: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--network", action="append", choices=PARENTS, help="only this one; may be given again")
    parser.add_argument("--way", action="append", choices=WAYS, help="fine-tune only this one; may be given again")
    parser.add_argument("--out", type=Path, default=MEASUREMENTS / "pruning")
    parser.add_argument("--work", type=Path, default=Path("runs") / "pruning", help="checkpoints go here, and stay")
    parser.add_argument("--recipe", default="prune-finetune", help="of the fine-tuning")
    parser.add_argument("--round-to", default="8", help="multiples of channels, where no latency is measured")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    options = Options(
        given.network or list(PARENTS), given.out, given.work, given.recipe, given.round_to, given.way or list(WAYS)
    )
    for part in given.parts or PARTS:
        PARTS[part](options)


def latency(options: Options) -> None:
    for parent in options.parents:
        if not equal_record(parent, options).exists():
            find_equal(parent, options)
        for way, arguments in ways(parent, options).items():
            if not (folder := pruned_folder(parent, way, options)).exists():
                attempt(parent, way, *arguments, "--out", str(folder))
        pruned = [folder for way in WAYS if (folder := pruned_folder(parent, way, options)).exists()]
        plans = [plan_of(folder) for folder in pruned]
        first = [i for i, plan in enumerate(plans) if plan not in plans[:i]]  # two ways may lead to the same network
        contestants = [parent, *(str(pruned[i]) for i in first)]
        for runtime in RUNTIMES:
            for batch in BATCHES:
                out = options.out / "speed" / f"{slug(parent, runtime, str(batch))}.json"
                compare(contestants, [plans[i] for i in first], runtime, batch, out)


def networks(options: Options) -> None:
    for parent in options.parents:
        for way, arguments in ways(parent, options).items():
            if pruned_folder(parent, way, options).exists():
                finetune(parent, way, arguments, options)


def steps(options: Options) -> None:
    for parent in options.parents:
        finetuned, int8 = finetuned_folder(parent, STEPS, options), int8_folder(parent, options)
        if not finetuned.exists():
            raise SystemExit(f"{finetuned} is not there: run the part networks first")
        if not int8.exists():
            reszoo("quantize", str(finetuned), "--no-measure", "--out", str(int8))
        if not (record := options.out / "quantized" / f"{slug(parent)}.json").exists():
            write(record, {"network": parent, **losses(parent, [finetuned, int8], options)})
        for batch in BATCHES:
            out = options.out / "steps" / f"{slug(parent, str(batch))}.json"
            compare([parent, str(finetuned), str(int8)], [plan_of(finetuned), "int8"], RUNTIMES[0], batch, out)


PARTS: dict[str, Callable[[Options], None]] = {"latency": latency, "networks": networks, "steps": steps}


def ways(parent: str, options: Options) -> dict[str, tuple[str, ...]]:
    """The options of `reszoo prune` for each way."""
    options_of: dict[str, tuple[str, ...]] = {}
    for way, arguments in COUNTED.items():
        multiple = () if "--blocks" in arguments else ("--round-to", options.round_to)
        options_of[way] = (*arguments, *multiple, "--no-measure")
    options_of |= {way: (*arguments, *WHERE) for way, arguments in TIMED.items()}
    if (record := equal_record(parent, options)).exists():
        macs = json.loads(record.read_text())["figures"]["macs"]
        options_of[EQUAL] = ("--macs", macs, "--round-to", "1", *WHERE)
    return options_of


def finetune(parent: str, way: str, arguments: tuple[str, ...], options: Options) -> None:
    """Prune and train; a run that was interrupted is resumed."""
    record, finetuned = options.out / "networks" / f"{slug(parent, way)}.json", finetuned_folder(parent, way, options)
    plan = plan_of(pruned_folder(parent, way, options))
    if way not in options.ways or (record.exists() and json.loads(record.read_text())["figures"]["plan"] == plan):
        return
    print(parent, way, flush=True)
    command = (*arguments, "--finetune", options.recipe, *LONGER.get(way, ()))
    if not finetuned.exists():
        reszoo("prune", parent, *command, "--resume", "--out", str(finetuned))
    tuned, training = zoo.read(finetuned), json.loads((finetuned / "training.json").read_text())
    figures = {"way": way, "network": parent, "command": command, "recipe": training["run"]["recipe"]}
    sizes = {"parent": size(zoo.load(parent)), "pruned": size(tuned), "plan": plan_of(finetuned)}
    write(record, {**figures, **sizes, "seconds": training["seconds"], **losses(parent, [finetuned], options)})


def size(checkpoint: Checkpoint) -> dict[str, int]:
    cost = cost_of(checkpoint.spec)
    return {"macs": cost.macs, "params": cost.params}


def losses(parent: str, folders: list[Path], options: Options) -> dict[str, Any]:
    """The accuracies of the parent and of each, and what each has lost, image by image, on the test images."""
    command = ("bench", *map(str, folders), "--runtime", RUNTIMES[0], "--accuracy", DATA, "--reference", parent)
    records = json.loads(reszoo(*command, *QUICK, "--out", str(options.work / "results"), "--json"))
    return {
        "accuracies": [record["accuracy"] for record in records if record["kind"] == "measurement"],
        "losses": [record for record in records if record["kind"] == "loss"],
    }


def find_equal(parent: str, options: Options) -> None:
    """How many macs a network that is pruned by them alone may have, to take TARGET of its parent's latency."""
    folder, share, tried = pruned_folder(parent, EQUAL, options), TARGET, []
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        macs = f"{share:.3f}"
        printed = attempt(parent, EQUAL, "--macs", macs, "--round-to", "1", *WHERE, "--out", str(folder), "--json")
        ratio = {key: json.loads(printed)["speed_check"][key] for key in ("value", "interval")} if printed else None
        tried.append({"macs": macs, "latency": ratio})
        measured = ratio["value"] if ratio else 1.0  # a network that is refused is no faster
        if abs(measured / TARGET - 1) <= NEAR:
            break
        share = min(share * TARGET / measured, 0.95)
    if folder.exists():
        write(equal_record(parent, options), {"macs": macs, "tried": tried})


def compare(contestants: list[str], plans: list[Any], runtime: str, batch: int, out: Path) -> None:
    """All in turn, the parent first, where that was not done with these very plans (of all but the parent)."""
    if out.exists() and json.loads(out.read_text())["plans"] == plans:
        return
    command = ("compare", *contestants, "--runtime", runtime, "--threads", "1", "--batch", str(batch))
    with tempfile.TemporaryDirectory() as folder:
        reszoo(*command, "--time-limit", "120", "--out", folder)
        save_comparison(out, comparison_in(Path(folder)), plans)


def plan_of(folder: Path) -> dict[str, Any]:
    plan: dict[str, Any] = to_builtins(zoo.read(folder).spec)["plan"]
    return plan


def slug(*words: str) -> str:
    return "-".join(re.sub(r"[^\w.]+", "-", word) for word in words)


def finetuned_folder(parent: str, way: str, options: Options) -> Path:
    return options.work / slug(parent, way)


def pruned_folder(parent: str, way: str, options: Options) -> Path:
    """Where `reszoo prune --finetune` keeps the network before fine-tuning, and looks for it with --resume."""
    return options.work / f"{slug(parent, way)}.pruned"


def int8_folder(parent: str, options: Options) -> Path:
    return options.work / f"{slug(parent, STEPS)}-int8"


def equal_record(parent: str, options: Options) -> Path:
    return options.out / "equal" / f"{slug(parent)}.json"


def attempt(parent: str, way: str, *options: str) -> str | None:
    """`reszoo prune`; None where there is no such network: refused, or out of reach. Anything else ends the script."""
    done = subprocess.run([RESZOO, "prune", parent, *options], capture_output=True, text=True)
    print(done.stderr, end="", file=sys.stderr, flush=True)
    if done.returncode == 0:
        return done.stdout
    if done.returncode == 1 and any(words in done.stderr for words in ("is refused: ", "cannot be reached: ")):
        print(f"{parent} has no network for: {way}", flush=True)
        return None
    raise SystemExit(f"reszoo prune {parent} {' '.join(options)} ended with {done.returncode}")


def reszoo(*arguments: str) -> str:
    """What it says on standard output. Its progress is seen."""
    return subprocess.run([RESZOO, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
