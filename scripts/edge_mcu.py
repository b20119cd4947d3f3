"""Networks on microcontrollers and NPUs: `python scripts/edge_mcu.py FILE`, which takes no times.

Of each network: the int8 file for TensorFlow Lite Micro with its proof, its arena and its size, its accuracy on test
images of CIFAR-10 with LiteRT's reference kernels, and what Vela estimates for each NPU. It needs CIFAR-10 (`reszoo
data get cifar10`), akamaster's resnet20 and the extra ethos-u, and goes on where an interrupted run has stopped.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from figures import known, write
from shipped import chosen

from reszoo import zoo
from reszoo.core.documents import to_builtins
from reszoo.export import export
from reszoo.export.contract.options import ExportOptions
from reszoo.export.contract.runtime import runtimes
from reszoo.export.feeding import feed
from reszoo.export.microcontrollers import MODEL_FILE, NAME, operators
from reszoo.export.vela import compile_for
from reszoo.models.cost import cost_of

NETWORKS = (
    "resnet8_v1.reszoo_cifar10",
    "resnet8_v2.reszoo_cifar10",
    "resnet20_v1.akamaster_cifar10",
    "resnet20_v2.reszoo_cifar10",
)
NPUS = ("ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u85-256")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="FILE")
    parser.add_argument("--images", type=int, default=10_000, metavar="N", help="of the test split")
    parser.add_argument("--network", action="append", metavar="REF", help="only this one; may be given again")
    options = parser.parse_args()
    figures = known(options.out)
    done = {each["network"] for each in figures if each["n"] >= options.images}
    for network in options.network or NETWORKS:
        if network not in done:
            print(network, flush=True)
            figures = [each for each in figures if each["network"] != network]
            figures.append({"network": network, **tried(network, options.images)})
            figures.sort(key=lambda each: NETWORKS.index(each["network"]))
            write(options.out, figures)


def tried(network: str, n: int) -> dict[str, Any]:
    checkpoint = zoo.load(network)
    images, labels = chosen(n)
    with tempfile.TemporaryDirectory() as folder:
        made = export(checkpoint, NAME, out=Path(folder) / "made", options=ExportOptions(precision="int8"))
        with runtimes()[NAME].load(made, device="cpu", threads=1, variant="reference") as session:
            best = session.predict(feed(images, made.input, made.preprocess)).argmax(1)
        content = (made.path / MODEL_FILE).read_bytes()
    return {
        "macs": cost_of(checkpoint.spec).macs,
        "file_bytes": len(content),
        "arena_bytes": int(next(figure.value for figure in made.figures if figure.name == "tensor arena")),
        "operators": operators(content),
        "ways": [[way.name, way.n, float(f"{way.max_abs_error:.2g}"), way.top1_agreement] for way in made.parity.ways],
        "n": len(labels),
        "correct": int((best == labels).sum()),
        "npus": [to_builtins(compile_for(npu, content).report) for npu in NPUS],
    }


if __name__ == "__main__":
    main()
