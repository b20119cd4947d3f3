"""Measure what the docs quote, as a user would run it: `python scripts/measure.py`, on an idle machine.

Needs CIFAR-10 (`reszoo data get cifar10`) and akamaster's resnet20 to resnet56 (`reszoo download`). Everything it
measures goes to docs/measurements/; `scripts/tables.py` makes the tables from there. Takes about 20 minutes.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from reszoo.core.hosts import describe

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "measurements"
RESZOO = str(Path(sys.executable).with_name("reszoo"))
NETWORKS = [f"resnet{depth}_v1.akamaster_cifar10" for depth in (20, 32, 44, 56)]
ROUNDS = 3


def main() -> None:
    with tempfile.TemporaryDirectory(dir=OUT.parent) as folder:  # the old ones go when all new ones are there
        out = Path(folder)
        measure_startup(out)
        measure_export(out)
        measure_latency(out)
        measure_accuracy(out)
        shutil.rmtree(OUT, ignore_errors=True)
        shutil.copytree(out, OUT)


def measure_startup(out: Path, rounds: int = 25) -> None:
    """Wall seconds of each command, in turn, so that a drift of the machine meets all of them."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "reszoo --help": [RESZOO, "--help"],
        "reszoo list": [RESZOO, "list"],
    }
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            samples[name].append(_seconds(command))
    _write(out, "startup", samples)


def measure_export(out: Path) -> None:
    """Whole-process seconds of an export with its parity proof."""
    samples = {}
    with tempfile.TemporaryDirectory() as folder:
        for network in (NETWORKS[0], NETWORKS[-1]):
            command = [RESZOO, "export", network, "--to", "onnx", "--out", f"{folder}/{network}"]
            samples[network] = [_seconds(command) for _ in range(ROUNDS)]
    _write(out, "export", samples)


def measure_latency(out: Path) -> None:
    """PyTorch and ONNX Runtime by turns, several times over."""
    for _ in range(ROUNDS):
        _bench(NETWORKS[0], NETWORKS[-1], "--threads", "2", "--batch", "1,32", "--out", str(out / "latency"))


def measure_accuracy(out: Path) -> None:
    options = ("--threads", "2", "--batch", "1", "--seconds", "0.2", "--accuracy", "cifar10")
    _bench(*NETWORKS, *options, "--out", str(out / "accuracy"))


def _bench(*arguments: str) -> None:
    subprocess.run([RESZOO, "bench", *arguments, "--runtime", "torch,onnxruntime"], check=True)


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _write(out: Path, name: str, samples: dict[str, list[float]]) -> None:
    document = {"host": msgspec.to_builtins(describe()), "seconds": samples}
    (out / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(name, {key: round(sorted(values)[len(values) // 2], 3) for key, values in samples.items()}, flush=True)


if __name__ == "__main__":
    main()
