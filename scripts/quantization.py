"""Measure what int8 costs and buys: `python scripts/quantization.py --out FOLDER [PART...]`, on an idle machine.

The part `certificate` is for an x86 CPU without VNNI, where sums may saturate; all others are for any machine.

Needs CIFAR-10 (`reszoo data get cifar10`), akamaster's resnet20 to resnet56 (`reszoo download`) and the extras openvino
and nncf. Everything goes through the command line, as a user would do it. Called by `scripts/measure.py quantization`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from figures import comparison_in, known, save_comparison, write

from reszoo.core.hosts import describe

RESZOO = str(Path(sys.executable).with_name("reszoo"))
AKAMASTER = [f"resnet{depth}_v1.akamaster_cifar10" for depth in (20, 32, 44, 56)]
OURS = [f"{arch}.reszoo_cifar10" for arch in ("resnet8_v1", "resnet8_v2", "resnet20_v2")]
TIMED = [AKAMASTER[0], AKAMASTER[-1], OURS[-1]]
DEFAULT, NNCF = "mse (default)", "int8-nncf"
WAYS = {DEFAULT: (), NNCF: ("--scheme", "int8-nncf")}
UNCERTIFIED = "mse, not certified"
# of one v1 and one v2 network only
MORE_WAYS = {
    "minmax": ("--calibration", "minmax"),
    "percentile": ("--calibration", "percentile"),
    "entropy": ("--calibration", "entropy"),
    "mse, biases not corrected": ("--no-bias-correction",),
    "mse, equalised": ("--equalise",),
    UNCERTIFIED: ("--saturation", "ignore"),
}
RUNTIMES = "onnxruntime,openvino:static"
CHECKED_IMAGES = 1000
VNNI = {"avx_vnni", "avx512_vnni"}
# the latency beside an accuracy is not what is asked for here
QUICK = ("--threads", "2", "--time-limit", "0.5", "--half-width", "20%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told = f"of {', '.join(PARTS)}; without any: {', '.join(ANYWHERE)}"
    parser.add_argument("parts", nargs="*", metavar="PART", help=told)
    parser.add_argument("--out", type=Path, required=True, help="what is measured goes here")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts or ANYWHERE:
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
    made = {network: quantized(network, work / network) for network in TIMED}
    floats = {network: exported(network, work / f"{network}-float") for network in TIMED}
    for batch, network in product((1, 32), TIMED):
        compared = (str(floats[network]), str(made[network]))
        results = work / f"{network}-{batch}"
        asked = ("--runtime", RUNTIMES, "--batch", str(batch), "--time-limit", "45", "--out", str(results))
        _run(RESZOO, "compare", *compared, *asked)
        save_comparison(out / "speed" / f"{network}-{batch}.json", comparison_in(results))


def integers(work: Path, out: Path) -> None:
    """Every integer layer against the exact reference."""
    found = []
    for network in (*AKAMASTER, *OURS):
        found.append({"network": network, "check": checked(quantized(network, work / network))})
    write(out / "integers.json", found)


def certificate(work: Path, out: Path) -> None:
    """What the certificate against saturation is worth where sums do saturate: the layers, and the answers."""
    host = describe()
    if host.machine != "x86_64" or VNNI & set(host.instruction_sets):
        sys.exit("Sums saturate on x86 CPUs without VNNI alone, and this is none: take such a one.")
    found = known(out / "certificate.json")
    for network in TIMED:
        if any(figures["network"] == network for figures in found):
            continue
        ways = {DEFAULT: (), UNCERTIFIED: MORE_WAYS[UNCERTIFIED]}
        places = {way: work / f"{network}-{way}" for way in ways}
        refused = {way: refusal(network, places[way], *options) for way, options in ways.items()}
        made = {way: place for way, place in places.items() if not refused[way]}
        lost = losses(network, made, "onnxruntime", work / "results")
        found += [{**each, "check": checked(made[each["way"]])} for each in lost]
        found += [{"network": network, "way": way, "refused": why} for way, why in refused.items() if why]
        write(out / "certificate.json", found)


PARTS: dict[str, Callable[[Path, Path], None]] = {
    "accuracy": accuracy,
    "speed": speed,
    "integers": integers,
    "certificate": certificate,
}
ANYWHERE = [part for part in PARTS if part != "certificate"]


def quantized(network: str, out: Path, *options: str) -> Path:
    _run(RESZOO, "quantize", network, "--no-measure", *options, "--out", str(out))
    return out


def refusal(network: str, out: Path, *options: str) -> str:
    """How the proof of parity failed, for which `reszoo quantize` wrote nothing; empty where it did not fail."""
    command = (RESZOO, "quantize", network, "--no-measure", *options, "--out", str(out))
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode and "differs from its source" not in done.stderr:
        sys.exit(done.stderr)
    return done.stderr.partition("\n")[0] if done.returncode else ""


def exported(network: str, out: Path) -> Path:
    _run(RESZOO, "export", network, "--to", "onnx", "--out", str(out))
    return out


def checked(made: Path) -> dict[str, Any]:
    """What `reszoo doctor` says of the integer layers; it ends with 1 where some are wrong."""
    command = (RESZOO, "doctor", str(made), "--images", str(CHECKED_IMAGES), "--json")
    said = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True).stdout
    check: dict[str, Any] = json.loads(said)["check"]
    return check


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
