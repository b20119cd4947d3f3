"""Measure what the docs quote, as a user would run it: `python scripts/measure.py [PART...]`, on an idle machine.

Needs CIFAR-10 (`reszoo data get cifar10`), akamaster's resnet20 to resnet56 (`reszoo download`), and the extra
all. What it measures goes to docs/measurements/, each part for itself; `scripts/tables.py` makes the
tables from there. All of it takes some hours, most of it the many comparisons that measure the instrument.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figures import MEASUREMENTS, comparison_in, save, save_comparison, summary, write

from reszoo.core.documents import read_json
from reszoo.core.measured import Measurement

ROOT = Path(__file__).resolve().parent.parent
RESZOO = str(Path(sys.executable).with_name("reszoo"))
NETWORKS = [f"resnet{depth}_v1.akamaster_cifar10" for depth in (20, 32, 44, 56)]
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when left out")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    for part in chosen:
        with tempfile.TemporaryDirectory() as folder:  # the old figures go when the new ones are there
            made = Path(folder) / part
            made.mkdir()
            PARTS[part](made)
            shutil.rmtree(MEASUREMENTS / part, ignore_errors=True)
            shutil.copytree(made, MEASUREMENTS / part)


def startup(out: Path, rounds: int = 25) -> None:
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
    _write(out, samples)


def export(out: Path) -> None:
    """Whole-process seconds of an export with its parity proof."""
    samples = {}
    with tempfile.TemporaryDirectory() as folder:
        for network in (NETWORKS[0], NETWORKS[-1]):
            command = [RESZOO, "export", network, "--to", "onnx", "--out", f"{folder}/{network}"]
            samples[network] = [_seconds(command) for _ in range(ROUNDS)]
    _write(out, samples)


def speed(out: Path) -> None:
    """PyTorch, ONNX Runtime and OpenVINO in turn."""
    for network, batch in ((NETWORKS[0], 1), (NETWORKS[0], 32), (NETWORKS[-1], 1)):
        compare = [RESZOO, "compare", network, "--runtime", "torch,onnxruntime,openvino:static"]
        with tempfile.TemporaryDirectory() as folder:
            _run(*compare, "--threads", "2", "--batch", str(batch), "--time-limit", "40", "--out", folder)
            save_comparison(out / f"{network}-{batch}.json", comparison_in(Path(folder)))


def accuracy(out: Path) -> None:
    options = ("--threads", "2", "--batch", "1", "--time-limit", "0.5", "--half-width", "20%", "--accuracy", "cifar10")
    with tempfile.TemporaryDirectory() as folder:
        _run(RESZOO, "bench", *NETWORKS, "--runtime", "torch,onnxruntime", *options, "--out", folder)
        measured = [read_json(path, Measurement, "Measure again.") for path in Path(folder).glob("*.json")]
    measured.sort(key=lambda m: m.started_at)
    write(out / "figures.json", [summary(m) for m in measured])


def instrument(out: Path) -> None:
    """The harness itself."""
    for check in ("coverage", "stopping", "known_costs", "agreement", "comparisons"):
        path = out / f"{check}.json"
        _run(sys.executable, "-m", f"reszoo.bench.validation.{check}", "--out", str(path))
        save(path, json.loads(path.read_text()))


def training(out: Path) -> None:
    """Our training loop against the plain one."""
    _run(sys.executable, str(ROOT / "scripts" / "training_speed.py"), "--out", str(out / "seconds.json"))


def quantization(out: Path) -> None:
    """What int8 costs and buys."""
    _run(sys.executable, str(ROOT / "scripts" / "quantization.py"), "--out", str(out))


def pruning(out: Path) -> None:
    """What pruning costs and buys. Its training takes most of the hours; what is trained is kept in runs/pruning."""
    _run(sys.executable, str(ROOT / "scripts" / "pruning.py"), "--out", str(out))


def runtimes(out: Path) -> None:
    """Every format on every runtime."""
    _run(sys.executable, str(ROOT / "scripts" / "runtimes.py"), "--out", str(out))


PARTS: dict[str, Callable[[Path], None]] = {
    "startup": startup,
    "export": export,
    "training": training,
    "speed": speed,
    "accuracy": accuracy,
    "quantization": quantization,
    "pruning": pruning,
    "runtimes": runtimes,
    "instrument": instrument,
}


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _write(out: Path, samples: dict[str, list[float]]) -> None:
    write(out / "seconds.json", samples)
    print(out.name, {key: round(sorted(values)[len(values) // 2], 3) for key, values in samples.items()}, flush=True)


if __name__ == "__main__":
    main()
