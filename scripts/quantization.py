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

RESZOO = str(Path(sys.executable).with_name("reszoo"))
AKAMASTER = [f"resnet{depth}_v1.akamaster_cifar10" for depth in (20, 32, 44, 56)]
OURS = [f"{arch}.reszoo_cifar10" for arch in ("resnet8_v1", "resnet8_v2", "resnet20_v2")]
RACED = [AKAMASTER[0], AKAMASTER[-1], OURS[-1]]
CALIBRATIONS = ("minmax", "percentile", "entropy", "mse")
RUNTIMES = "onnxruntime,openvino"
CHECKED_IMAGES = 1000
# the latency beside an accuracy is not what is asked for here
QUICK = ("--threads", "2", "--time-limit", "0.5", "--precision", "20%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--out", type=Path, required=True, help="a file PART.json for each part goes here")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            figures = PARTS[part](Path(folder))
        (options.out / f"{part}.json").write_text(json.dumps(figures, indent=1) + "\n")


def accuracy(work: Path) -> list[dict[str, Any]]:
    """Default settings against the float network, image by image, on each runtime."""
    found = []
    for network in (*AKAMASTER, *OURS):
        found += losses(network, quantized(network, work / network), RUNTIMES, work / "results")
    return found


def calibrations(work: Path) -> list[dict[str, Any]]:
    """Each way to choose a range, with and without correction of the biases; and the maker's own for OpenVINO."""
    ways = {f"{name}": ("--calibration", name) for name in CALIBRATIONS}
    ways |= {f"{name}, no bias correction": (*ways[name], "--no-bias-correction") for name in CALIBRATIONS}
    ways |= {"mse, equalised": ("--calibration", "mse", "--equalise"), "int8-nncf": ("--scheme", "int8-nncf")}
    found = []
    for network in (*AKAMASTER, *OURS):
        for way, options in ways.items():
            made = quantized(network, work / f"{network}-{way}", *options)
            found += [{"way": way, **loss} for loss in losses(network, made, "onnxruntime", work / "results")]
    return found


def speed(work: Path) -> list[dict[str, Any]]:
    """int8 against float on both runtimes, all in turn."""
    found = []
    for network in RACED:
        made, floats = quantized(network, work / network), exported(network, work / f"{network}-float")
        for batch in (1, 32):
            race = (RESZOO, "compare", str(floats), str(made), "--runtime", RUNTIMES, "--batch", str(batch))
            found.append(json.loads(_run(*race, "--time-limit", "90", "--out", str(work / "results"), "--json")))
    return found


def integers(work: Path) -> list[dict[str, Any]]:
    """Every integer layer against the exact reference."""
    found = []
    for network in (*AKAMASTER, *OURS):
        made = quantized(network, work / network)
        found.append(json.loads(_run(RESZOO, "doctor", str(made), "--images", str(CHECKED_IMAGES), "--json")))
    return found


PARTS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "accuracy": accuracy,
    "calibrations": calibrations,
    "speed": speed,
    "integers": integers,
}


def quantized(network: str, out: Path, *options: str) -> Path:
    _run(RESZOO, "quantize", network, "--no-measure", *options, "--out", str(out))
    return out


def exported(network: str, out: Path) -> Path:
    _run(RESZOO, "export", network, "--to", "onnx", "--out", str(out))
    return out


def losses(network: str, artifact: Path, runtimes: str, results: Path) -> list[dict[str, Any]]:
    """Of the artifact against its float source in PyTorch, on the 10,000 test images."""
    command = (RESZOO, "bench", str(artifact), "--runtime", runtimes, "--accuracy", "cifar10", "--reference", network)
    records = json.loads(_run(*command, *QUICK, "--out", str(results), "--json"))
    print(network, [f"{100 * r['drop']:+.2f}" for r in records if r["kind"] == "loss"], flush=True)
    return [{"network": network, **record} for record in records if record["kind"] == "loss"]


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
