"""Kill reszoo at random moments, again and again: `python scripts/kills.py --kills 100 --seed 0 --log kills.jsonl`.

Each kill is a verb with a small network, in a process that has imported PyTorch and more beforehand, and SIGKILL,
SIGTERM or SIGHUP at a moment drawn from the time that the verb takes. Then: its target is the old or the new one,
whole, every file of the user's is as it was; after SIGTERM and SIGHUP no staging folder is left; the same command,
run again, works; and after that no staging folder, partial file, lock or unfinished run is left. At the beginning,
every verb is shown to refuse a target with a file of the user's in it. A line is printed for every kill; the log
takes them too, and a run that is started again with the same log goes on after its last line. The first thing that is
wrong ends it with an error.

`--out` takes the summary: docs/measurements/kills.json is one.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import campaign
import numpy as np
from PIL import Image

from reszoo import datasets, zoo
from reszoo.core.files import sha256_of
from reszoo.core.hosts import versions
from reszoo.datasets.info import info
from reszoo.export import artifacts

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import shelf
import webserver

CHECKPOINT = "resnet8_v1.reszoo_digits"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
# It was done before, the signal came before the verb had begun, or the verb cleaned up (train: and saved its run).
ENDS: dict[signal.Signals, tuple[int, ...]] = {signal.SIGKILL: (0, -signal.SIGKILL)}
ENDS |= {number: (0, -number, 128 + number, 130) for number in SIGNALS[1:]}
LITTER = (".staging-*", "*.reszoo-part", "*.reszoo-part.json", "*.reszoo-lock", "*.unfinished")
PAUSE_S = 0.02  # of the server, after every 16 KiB
LIMIT_S = 3600.0  # however busy the machine is
PROCESSES = get_context("forkserver")
BEFOREHAND = ["torch", "torchvision", "torch_pruning", "onnx", "onnxscript"]
BEFOREHAND += ["reszoo.cli.main", "reszoo.export", "reszoo.training.run"]

Tree = dict[str, str]  # the files of a folder, and their hashes


class WrongError(Exception):
    """Something is not as it has to be after a kill."""


@dataclass(frozen=True)
class Verb:
    """A command, the folder that it makes, and how one sees that it is complete.

    again    what is added to the command where it goes on with what a killed one has left
    removed  the target is taken away before each kill; elsewhere the command replaces it, turn by turn by another one
    """

    name: str
    commands: tuple[list[str], list[str]]
    target: Path
    whole: Callable[[Path], object]
    again: tuple[str, ...] = ()
    removed: bool = False


def verbs(work: Path) -> list[Verb]:
    out = {name: work / "made" / name for name in ("train", "prune", "quantize", "export")}
    pictures = [str(photographs(work / name, seed)) for seed, name in enumerate(("pictures", "others"))]
    train = ["train", "resnet8_v1", "--data", "digits", "--recipe", "digits", "--epochs", "1"]
    train += ["--checkpoint-every", "0", "--out", str(out["train"])]
    prune = ["prune", CHECKPOINT, "--macs", "0.5", "--no-measure", "--out", str(out["prune"])]
    quantize = ["quantize", CHECKPOINT, "--images", "32", "--no-measure", "--out", str(out["quantize"])]
    export = ["export", CHECKPOINT, "--to", "onnx", "--out", str(out["export"])]
    data, cached = ["data", "add", "pictures", "--replace"], work / "cache"
    download = ["download", shelf.REF]
    return [
        Verb("download", (download, download), cached / "checkpoints" / shelf.REF, zoo.read, removed=True),
        Verb("data add", ([*data, pictures[0]], [*data, pictures[1]]), cached / "data" / "pictures", whole_data_set),
        Verb("train", (train, train), out["train"], zoo.read, ("--resume",), removed=True),
        Verb("prune", (prune, prune), out["prune"], zoo.read, removed=True),
        Verb("quantize", (quantize, [*quantize, "--input", "uint8"]), out["quantize"], whole_artifact),
        Verb("export", (export, [*export, "--input", "uint8"]), out["export"], whole_artifact),
    ]


def photographs(folder: Path, seed: int) -> Path:
    """Images of noise, in two classes."""
    draw = np.random.default_rng(seed)
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for number in range(400):
            pixels = draw.integers(256, size=(48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def check(holds: object, problem: str) -> None:
    if not holds:
        raise WrongError(problem)


def whole_data_set(folder: Path) -> None:
    counts = info(folder.name).counts
    check(all(len(datasets.load(folder.name, split)) == n for split, n in counts.items()), f"{folder} is not whole")


def whole_artifact(folder: Path) -> None:
    artifacts.read(folder)
    check(artifacts.is_untouched(folder), f"{folder} is not whole")


def tree(folder: Path) -> Tree:
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def users_files(work: Path) -> Tree:
    """Beside every target, and in the cache's own folder, under names that look like reszoo's."""
    for name in ("notes.txt", "poetry.lock", "cut.part", ".staging-mine"):
        for folder in (work / "made", work / "cache"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(f"mine, {name}")
    return kept(work)


def kept(work: Path) -> Tree:
    return {str(path): sha256_of(path) for path in work.glob("*/*") if path.is_file() and path.suffix != ".log"}


def child(arguments: list[str], cards: Path, log: Path) -> None:
    """reszoo with these arguments, in a process that has imported what it needs."""
    from reszoo.cli.main import main
    from reszoo.zoo import catalogue

    with log.open("ab", buffering=0) as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    catalogue.CARDS = cards
    sys.argv = ["reszoo", *arguments]
    main()


class Bench:
    """A place where verbs run, one after the other."""

    def __init__(self, work: Path) -> None:
        self.work, self.cards = work, work / "cards"

    def run(self, arguments: list[str], number: signal.Signals | None = None, after_s: float = 0.0) -> int:
        """The exit code; with a signal's `number`, it is sent after so many seconds."""
        process = PROCESSES.Process(target=child, args=(arguments, self.cards, self.work / "said.log"))
        process.start()
        if number is not None and process.pid:
            process.join(after_s)
            if process.exitcode is None:
                os.kill(process.pid, number)
        process.join(LIMIT_S)
        if process.exitcode is None:
            process.kill()
            raise WrongError(f"{arguments} does not end")
        return process.exitcode

    def works(self, arguments: list[str]) -> float:
        """Run it to its end; gives the seconds."""
        began = time.monotonic()
        code = self.run(arguments)
        check(code == 0, f"{arguments} ended with {code}: {self.said()}")
        return time.monotonic() - began

    def said(self) -> str:
        return (self.work / "said.log").read_text()[-1000:]

    def litter(self) -> list[Path]:
        mine = set(kept(self.work))
        return [path for pattern in LITTER for path in self.work.rglob(pattern) if str(path) not in mine]


def refuses(bench: Bench, verb: Verb) -> None:
    """What holds a file of the user's is left alone."""
    verb.target.mkdir(parents=True, exist_ok=True)
    (verb.target / "notes.txt").write_text("mine")
    before = tree(verb.target)
    code, said = bench.run(verb.commands[1]), bench.said()
    check(code == 2 and str(verb.target) in said.splitlines()[-2], f"{verb.name} ended with {code}: {said}")
    check(tree(verb.target) == before, f"{verb.name} has changed {verb.target}")
    shutil.rmtree(verb.target)


def kill(bench: Bench, verb: Verb, number: signal.Signals, after_s: float, turn: int) -> dict[str, object]:
    """One of them, and all that is checked after it."""
    if verb.removed:
        shutil.rmtree(verb.target, ignore_errors=True)
    command, old = verb.commands[turn % 2], tree(verb.target)
    code = bench.run(command, number, after_s)
    check(code in ENDS[number], f"{command} ended with {code} after {number.name}")
    now = tree(verb.target)
    if now or old:
        verb.whole(verb.target)
    if code > 0:
        check(not list(bench.work.rglob(".staging-*/*")), f"{command} left a staging folder after {number.name}")
    left = bench.litter()
    if verb.removed:
        shutil.rmtree(verb.target, ignore_errors=True)
    bench.works([*command, *verb.again])
    verb.whole(verb.target)
    check(not bench.litter(), f"{command}, run again, left {bench.litter()}")
    end = "done before" if code == 0 else "new" if now != old else "old" if now else "none"
    return {"code": code, "target": end, "left": len(left)}


def summary(rows: list[dict[str, object]], seed: int) -> dict[str, object]:
    """How many kills of each kind, and in what state they left the target. Something wrong ends a run without one."""
    counts = Counter(f"{row['verb']} {row['signal']}" for row in rows)
    return {
        "schema": 1,
        "kills": len(rows),
        "seed": seed,
        "by_verb_and_signal": dict(sorted(counts.items())),
        "target_after_the_kill": dict(sorted(Counter(str(row["target"]) for row in rows).items())),
        "something_left_for_the_next_run": sum(row["left"] != 0 for row in rows),
        "versions": versions(("reszoo", "torch", "onnx", "onnxruntime", "filelock")),
    }


def trials(first: int, chosen: argparse.Namespace) -> Iterator[campaign.Row]:
    with TemporaryDirectory() as name, webserver.serving() as web:
        work = Path(name)
        os.environ |= {"RESZOO_CACHE": str(work / "cache"), "OMP_NUM_THREADS": "1"}
        content = shelf.weights()
        shelf.write_card(work / "cards", web.add("/w.pth", webserver.Resource(content, pause_s=PAUSE_S)), content)
        PROCESSES.set_forkserver_preload(BEFOREHAND)
        bench, mine, known = Bench(work), users_files(work), verbs(work)
        takes: dict[str, float] = {}
        for number in range(first, chosen.times):
            verb, sent = known[number % len(known)], SIGNALS[number // len(known) % len(SIGNALS)]
            if verb.name not in takes:
                refuses(bench, verb)
                takes[verb.name] = bench.works(verb.commands[0])
            after_s = random.Random(f"{chosen.seed}/{number}").random() * takes[verb.name]  # noqa: S311
            found = kill(bench, verb, sent, after_s, number)
            check(kept(work) == mine, "a file of the user's has changed")
            yield {"number": number, "verb": verb.name, "signal": sent.name, **found}


def main() -> None:
    chosen = campaign.options(__doc__, "kills")
    campaign.run(chosen, trials(len(campaign.rows_of(chosen.log)), chosen), summary)


if __name__ == "__main__":
    main()
