"""Measure what int8 costs and buys: `python scripts/quantization.py --out FOLDER [PART...]`, on an idle machine.

Needs CIFAR-10 (`reszoo data get cifar10`), akamaster's resnet20 to resnet56 (`reszoo download`) and the extras openvino
and nncf. Everything goes through the command line, as a user would do it. Called by `scripts/measure.py quantization`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import comparison_in, known, save_comparison, write

RESZOO = str(Path(sys.executable).with_name("reszoo"))
AKAMASTER = [f"resnet{depth}_v1.akamaster_cifar10" for depth in (20, 32, 44, 56)]
OURS = [f"{arch}.reszoo_cifar10" for arch in ("resnet8_v1", "resnet8_v2", "resnet20_v2")]
TIMED = [AKAMASTER[0], AKAMASTER[-1], OURS[-1]]
DEFAULT, NNCF = "mse (default)", "int8-nncf"
WAYS = {DEFAULT: (), NNCF: ("--scheme", "int8-nncf")}
# of one v1 and one v2 network only
MORE_WAYS = {
    "minmax": ("--calibration", "minmax"),
    "percentile": ("--calibration", "percentile"),
    "entropy": ("--calibration", "entropy"),
    "mse, biases not corrected": ("--no-bias-correction",),
    "mse, equalised": ("--equalise",),
    "mse, not certified": ("--saturation", "ignore"),
}
RUNTIMES = "onnxruntime,openvino:static"
CHECKED_IMAGES = 1000
# the latency beside an accuracy is not what is asked for here
QUICK = ("--threads", "2", "--time-limit", "0.5", "--half-width", "20%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--out", type=Path, required=True, help="what is measured goes here")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder), options.out)


def accuracy(work: Path, out: Path) -> None:
    """Every way to do it, against the float network, image by image."""
    found = known(out / "accuracy.json")  # it takes long: a run that was interrupted goes on
    for network in (*AKAMASTER, *OURS):
        if any(figures["network"] == network for figures in found):
            continue
        ways = WAYS | (MORE_WAYS if network in (AKAMASTER[0], OURS[-1]) else {})
        made = {way: quantized(network, work / f"{network}-{way}", *options) for way, options in ways.items()}
        found += losses(network, made, "onnxruntime", work / "results")
        found += losses(network, {way: made[way] for way in WAYS}, "openvino:static", work / "results")
        write(out / "accuracy.json", found)


def speed(work: Path, out: Path) -> None:
    """int8 against float on both runtimes, all in turn."""
    for network in TIMED:
        made, floats = quantized(network, work / network), exported(network, work / f"{network}-float")
        for batch in (1, 32):
            compare = (RESZOO, "compare", str(floats), str(made), "--runtime", RUNTIMES, "--batch", str(batch))
            results = work / f"{network}-{batch}"
            _run(*compare, "--time-limit", "45", "--out", str(results))
            save_comparison(out / "speed" / f"{network}-{batch}.json", comparison_in(results))


def integers(work: Path, out: Path) -> None:
    """Every integer layer against the exact reference."""
    found = []
    for network in (*AKAMASTER, *OURS):
        made = quantized(network, work / network)
        said = json.loads(_run(RESZOO, "doctor", str(made), "--images", str(CHECKED_IMAGES), "--json"))
        found.append({"network": network, "check": said["check"]})
    write(out / "integers.json", found)


PARTS: dict[str, Callable[[Path, Path], None]] = {
    "accuracy": accuracy,
    "speed": speed,
    "integers": integers,
}


def quantized(network: str, out: Path, *options: str) -> Path:
    _run(RESZOO, "quantize", network, "--no-measure", *options, "--out", str(out))
    return out


def exported(network: str, out: Path) -> Path:
    _run(RESZOO, "export", network, "--to", "onnx", "--out", str(out))
    return out


def losses(network: str, made: dict[str, Path], runtime: str, results: Path) -> list[dict[str, Any]]:
    """Of each artifact against its float source in PyTorch, on the 10,000 test images."""
    command = (RESZOO, "bench", *map(str, made.values()), "--runtime", runtime)
    options = ("--accuracy", "cifar10", "--reference", network)
    records = json.loads(_run(*command, *options, *QUICK, "--out", str(results), "--json"))
    accuracies = [record["accuracy"] for record in records if record["kind"] == "measurement"]
    found = []
    for way, loss in zip(made, [record for record in records if record["kind"] == "loss"], strict=True):
        print(network, runtime, way, f"{100 * loss['drop']:+.2f}", flush=True)
        floats = accuracies[0]
        found.append({"network": network, "runtime": runtime, "way": way, "float": floats, **loss})
    return found


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
