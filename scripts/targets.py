"""Networks on every target: `python scripts/targets.py FILE`, on an idle machine; half an hour.

Through the command line, as a user would do it: `reszoo bench` on this machine and in a browser, with one thread, one
image at a time, and the accuracy on all test images of CIFAR-10. The rest of the table in docs/edge.md is of
`edge_mcu.py` and `arm64.py`, which take no times. It needs CIFAR-10 (`reszoo data get cifar10`), akamaster's resnet20,
Chromium and the extras litert and mnn, and goes on where an interrupted run has stopped.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge_mcu import NETWORKS
from figures import known, write

from reszoo.core.documents import read_json
from reszoo.core.measured import Measurement

RESZOO = str(Path(sys.executable).with_name("reszoo"))
RUNTIMES = {"local": "onnxruntime,openvino,litert,mnn", "browser": "onnxruntime-web,litert-web"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures = known(options.out)
    done = {(each["network"], each["target"]) for each in figures}
    for network in NETWORKS:
        for target in RUNTIMES:
            if (network, target) not in done:
                print(network, target, flush=True)
                figures += measured(network, target)
                write(options.out, figures)


def measured(network: str, target: str) -> list[dict[str, Any]]:
    """In fp32 and int8. What cannot be made (MNN has no int8) is told by the command, and is no row."""
    scenario = ("--target", target, "--runtime", RUNTIMES[target], "--precision", "fp32,int8")
    with tempfile.TemporaryDirectory() as results:
        command = (RESZOO, "bench", network, *scenario, "--accuracy", "cifar10", "--out", results)
        done = subprocess.run(command, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
        found = [read_json(path, Measurement, "Measure again.") for path in Path(results).glob("*.json")]
    return [figure(network, target, m) for m in sorted(found, key=lambda m: m.started_at)]


def figure(network: str, target: str, m: Measurement) -> dict[str, Any]:
    if m.accuracy is None:
        raise SystemExit(f"{m.subject} has no accuracy")
    low, high = m.interval_s
    return {
        "network": network,
        "target": target,
        "runtime": m.subject.scenario.runtime_name,
        "precision": m.subject.precision,
        "bytes": m.subject.artifact_bytes,
        "taken_bytes": m.memory.taken_bytes,
        "median_s": m.median_s,
        "interval_s": [low, high],
        "way": str(m.way),
        "warnings": sorted({warning.kind for warning in m.warnings}),
        "correct": m.accuracy.correct,
        "n": m.accuracy.n,
    }


if __name__ == "__main__":
    main()
