"""Cut the line to a device at random moments, again and again: `python scripts/cuts.py --cuts 100 --log cuts.jsonl`.

Each time a bundled network is measured over ssh, on a real sshd on 127.0.0.1, and the line is cut at a moment drawn
from the time that it takes: our ssh is killed, the device's end of the connection is, or all that is sent is lost while
nobody closes anything. Then: the row has failed with its reason, or it was complete before; within a bounded time no
process of ours is left here or there; nothing half sent lies on the device, and what lies there has the content that it
is called by. A line is printed for every cut; the log takes them too, and a run that is started again with the same log
goes on after its last line. The first thing that is wrong ends it with an error.

`--out` takes the summary: docs/measurements/cuts.json is one.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import campaign
from msgspec.structs import replace

from reszoo import zoo
from reszoo.bench.harness import measure
from reszoo.bench.targets.ssh import SshTarget
from reszoo.core.errors import UnavailableError
from reszoo.core.hosts import versions
from reszoo.core.measured import Failure, Measurement, Scenario
from reszoo.export import artifacts, export

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import sshd
from processes import state

REF = "resnet8_v1.reszoo_digits"
QUICK = Scenario(
    runtime="onnxruntime",
    variant="",
    device="cpu",
    batch=1,
    threads=1,
    precision=0.9,
    warmup_limit_s=0.2,
    sampling_limit_s=0.5,
)
WAYS = (*("ours", "theirs") * 5, "silence")  # silence takes a minute each time
GONE_S = 150.0  # ssh notices a dead line after 15 s, the device after 60; the rest is for a busy machine


class WrongError(Exception):
    """Something is not as it has to be after a cut."""


def cut(board: sshd.Board, way: str, is_over: threading.Event) -> None:
    """Whatever of the line there is, as soon as there is any."""
    while not (pids := clients(board) if way == "ours" else board.sessions()) and not is_over.is_set():
        time.sleep(0.005)
    stop = signal.SIGSTOP if way == "silence" else signal.SIGKILL
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, stop)


def clients(board: sshd.Board) -> list[int]:
    return listed(f"ssh -F {board.config}")


def listed(pattern: str) -> list[int]:
    done = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)  # noqa: S607
    return [pid for pid in map(int, done.stdout.split()) if state(pid) not in ("", "Z")]


def one(board: sshd.Board, folder: Path, way: str, after_s: float) -> dict[str, object]:
    artifact, stages = artifacts.read(folder), ["connecting"]
    is_over = threading.Event()
    timer = threading.Timer(after_s, cut, [board, way, is_over])
    began = time.monotonic()
    timer.start()
    try:
        with SshTarget(board.target) as target:
            stages.append("sending")
            outcome = measure(
                artifact,
                replace(QUICK, target=target.name),
                target=target,
                progress=lambda stage, *_: stages.append(stage),
            )
        said = outcome.reason if isinstance(outcome, Failure) else ""
    except UnavailableError as error:
        outcome, said = None, error.problem
    seconds = time.monotonic() - began
    is_over.set()
    timer.join()  # a cut that came too late cuts nothing
    if isinstance(outcome, Measurement) and not (outcome.samples_s and min(outcome.samples_s) > 0 and outcome.memory):
        raise WrongError("a row is neither complete nor failed")
    if not isinstance(outcome, Measurement) and not said:
        raise WrongError("a row has failed without a reason")
    gone_s = wait_until_gone(board)
    check_store(board.store)
    return {
        "outcome": "measured" if isinstance(outcome, Measurement) else f"failed while {stages[-1]}",
        "after_s": round(after_s, 3),
        "seconds": round(seconds, 3),
        "gone_s": round(gone_s, 3),
        "said": said,
    }


def wait_until_gone(board: sshd.Board) -> float:
    """Seconds until no process of ours is left. Connections that were stopped in silence end with their device."""
    began = time.monotonic()
    while left := [*listed(f"{board.device_folder}/worker-"), *clients(board)]:
        if time.monotonic() - began > GONE_S:
            raise WrongError(f"processes are left: {left}")
        time.sleep(0.1)
    for pid in board.sessions():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return time.monotonic() - began


def check_store(store: Path) -> None:
    """Nothing half sent lies there, and what does has the content that it is called by."""
    for folder in store.iterdir() if store.exists() else ():
        if folder.name.startswith("."):
            raise WrongError(f"{folder.name} was left on the device")
        inputs, manifest = folder / "inputs.npy", folder / "artifact.json"
        if inputs.exists():
            is_whole = hashlib.sha256(inputs.read_bytes()).hexdigest() == folder.name
        else:
            is_whole = manifest.exists() and artifacts.read(folder).sha256 == folder.name
        if not is_whole:
            raise WrongError(f"{folder.name} on the device is not what it is called")


def summary(rows: list[dict[str, object]], seed: int) -> dict[str, object]:
    """How many cuts of each kind, and what became of the rows. Nothing was wrong, or there would be no summary."""
    counts = Counter(f"{row['way']}: {row['outcome']}" for row in rows)
    return {
        "schema": 1,
        "cuts": len(rows),
        "seed": seed,
        "by_way_and_outcome": dict(sorted(counts.items())),
        "longest_until_all_was_gone_s": max((float(str(row["gone_s"])) for row in rows), default=0.0),
        "versions": versions(("reszoo", "onnxruntime")),
        "ssh": subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.strip(),  # noqa: S607
    }


def trials(first: int, chosen: argparse.Namespace) -> Iterator[campaign.Row]:
    with TemporaryDirectory() as name:
        work = Path(name)
        folder = export(zoo.load(REF), "onnx", out=work / "onnx").path
        (work / "board").mkdir()
        with sshd.board(work / "board") as board:
            os.environ |= board.environment
            began = time.monotonic()
            with SshTarget(board.target) as target:
                uncut = measure(artifacts.read(folder), replace(QUICK, target=target.name), target=target)
            takes_s = time.monotonic() - began
            if not isinstance(uncut, Measurement):
                raise WrongError(f"without a cut, nothing is measured: {uncut}")
            for number in range(first, chosen.times):
                with SshTarget(board.target) as target:
                    target.clean()  # so that sending is cut as well
                drawn = random.Random(f"{chosen.seed}/{number}")  # noqa: S311 - not for security
                way = WAYS[number % len(WAYS)]
                found = one(board, folder, way, drawn.random() * takes_s)
                if found["outcome"] == "measured":  # a busy machine took longer at first
                    takes_s = min(takes_s, float(str(found["seconds"])))
                yield {"number": number, "way": way, **found}


def main() -> None:
    chosen = campaign.options(__doc__, "cuts")
    campaign.run(chosen, trials(len(campaign.rows_of(chosen.log)), chosen), summary)


if __name__ == "__main__":
    main()
