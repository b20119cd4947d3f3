"""What ships, tried in all its ways: `python scripts/shipped.py FILE`.

Every format in every precision with every input and batch: exported, which proves it by run.py and by every runtime
here that reads it, and its accuracy by run.py on test images of CIFAR-10, which it needs (`reszoo data get cifar10`).
It takes an hour or two, and goes on where an interrupted run has stopped. `--network` takes others.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from figures import known, write

from reszoo import datasets, zoo
from reszoo.core.errors import ReszooError
from reszoo.core.types import Artifact
from reszoo.export import ExportOptions, export
from reszoo.export.contract.format import formats

NETWORKS = ("resnet8_v1.reszoo_cifar10", "resnet8_v2.reszoo_cifar10")
Request = tuple[str, ExportOptions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="FILE")
    parser.add_argument(
        "--images", type=int, default=10_000, metavar="N", help="of the test split, as many of each class"
    )
    parser.add_argument("--network", action="append", metavar="REF", help="only this one; may be given again")
    parser.add_argument("--format", action="append", metavar="NAME", help="only this one; may be given again")
    options = parser.parse_args()
    images, labels = chosen(options.images)
    figures = known(options.out)
    done = {tuple(each[key] for key in ("network", "format", "precision", "input", "batch")) for each in figures}
    for network in options.network or NETWORKS:
        for name, request in requests():
            about = (network, name, request.precision, request.input, request.batch)
            if about not in done and name in (options.format or formats()):
                print(*about, flush=True)
                figures.append(dict(zip(("network", "format", "precision", "input", "batch"), about, strict=True)))
                figures[-1] |= tried(network, name, request, images, labels)
                write(options.out, figures)


def chosen(n: int, network: str = NETWORKS[0]) -> tuple[np.ndarray, np.ndarray]:
    """The first images of each class of the network's test split, at its input size, and their labels."""
    checkpoint = zoo.load(network)
    test = datasets.load(checkpoint.dataset, "test")
    places = [np.flatnonzero(test.labels == label)[: n // len(test.classes)] for label in range(len(test.classes))]
    part = test.subset(np.concatenate(places))
    return np.concatenate([images for images, _ in part.batches(checkpoint.preprocess, 1000)]), part.labels


def requests() -> Iterator[Request]:
    for plugin in formats().values():
        if plugin.unavailable() or plugin.is_for_gpus or plugin.name in ("torch", "coreml", "ethos-u"):
            continue  # there is no run.py, or nothing here that runs it
        batches = (None, 1, 3) if plugin.has_static_batch else (None,)
        for precision, fed, batch in product(plugin.precisions, plugin.inputs, batches):
            yield plugin.name, ExportOptions(precision=precision, input=fed, batch=batch)  # type: ignore[arg-type]


def tried(network: str, name: str, request: ExportOptions, images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            artifact = export(zoo.load(network), name, out=Path(folder) / "made", options=request)
        except ReszooError as error:
            return {"reason": error.problem}
        logits = shipped(artifact, images, Path(folder))
    ways = [[way.name, way.n, float(f"{way.max_abs_error:.2g}"), way.top1_agreement] for way in artifact.parity.ways]
    batches = list(artifact.parity.ways[0].batches)
    return {"batches": batches, "ways": ways, "n": len(labels), "correct": int((logits.argmax(1) == labels).sum())}


def shipped(artifact: Artifact, images: np.ndarray, folder: Path) -> np.ndarray:
    """run.py's logits, in the batches that it chooses."""
    np.save(folder / "images.npy", images)
    command = [sys.executable, str(artifact.path / "run.py"), "--npy", "images.npy", "--out", "logits.npy"]
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    found: np.ndarray = np.load(folder / "logits.npy")
    return found


if __name__ == "__main__":
    main()
