"""Measure what new statistics of batch norms are worth, without training: `python scripts/pruning_statistics.py`.

The bundled networks are pruned by counting, to each share of their multiply-adds in each way, with statistics kept and
renewed. The loss is that on training images which nothing was computed from; val and test are not looked at. Minutes on
a CPU, and no clock decides anything. Needs CIFAR-10; `scripts/tables.py` writes the table `pruning_statistics`.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from figures import MEASUREMENTS, Figure, known, write

from reszoo import datasets, zoo
from reszoo.core.types import Checkpoint, ModelSpec
from reszoo.datasets.preprocess import normalise
from reszoo.models.cost import cost_of
from reszoo.prune import PruneConfig, UnreachableError, prune
from reszoo.prune.calibration import Batches, sample
from reszoo.prune.config import Remove, Statistics
from reszoo.prune.depth import mean_loss

OUT = MEASUREMENTS / "pruning" / "statistics.json"
NETWORKS = tuple(f"resnet8_{family}.reszoo_{data}" for data in ("digits", "cifar10") for family in ("v1", "v2"))
BUNDLED = (*NETWORKS, "resnet20_v2.reszoo_cifar10")
WAYS: tuple[Remove, ...] = ("channels", "blocks", "mixed")
STATISTICS: tuple[Statistics, ...] = ("kept", "renewed")
SHARES = (0.75, 0.5)
UNSEEN = 2000  # images, or as many as there are


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=BUNDLED, metavar="REF")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    for ref in options.networks:
        figures = list(measured(zoo.load(ref)))
        print(*figures, sep="\n", flush=True)
        others = [each for each in known(options.out) if each["network"] != ref]
        write(options.out, sorted([*others, *figures], key=lambda each: order(each["network"])))


def order(network: str) -> int:
    """In the table."""
    return BUNDLED.index(network) if network in BUNDLED else len(BUNDLED)


def measured(network: Checkpoint) -> Iterator[Figure]:
    images = unseen(network)
    for way in WAYS:
        for share in SHARES:
            try:
                losses: Figure = {name: loss(network, way, share, name, images) for name in STATISTICS}
            except UnreachableError:  # so many blocks cannot go
                continue
            n = sum(len(labels) for _, labels in images)
            yield {"network": network.ref, "way": way, "macs": share, "images": n, **losses}


def loss(network: Checkpoint, way: Remove, share: float, statistics: Statistics, images: Batches) -> float:
    def macs(spec: ModelSpec) -> float:
        return cost_of(spec).macs

    config = PruneConfig(remove=way, statistics=statistics, round_to=8 if way != "blocks" else 1)
    with tempfile.TemporaryDirectory() as folder:
        made = prune(network, config, macs, share * macs(network.spec), Path(folder) / "pruned", "pruned")
        with torch.inference_mode():
            return mean_loss(zoo.build(made), images)


def unseen(network: Checkpoint) -> Batches:
    """Training images that are not in the sample of pruning."""
    train = datasets.load(network.dataset, "train").for_network(network.ref, network.labels)
    used = sample(network, PruneConfig()).indices
    others = np.random.default_rng(0).permutation(np.flatnonzero(~np.isin(train.indices, used)))
    chosen = train.subset(others[:UNSEEN])
    return [
        (torch.from_numpy(normalise(raw, network.preprocess)), torch.from_numpy(labels))
        for raw, labels in chosen.batches(network.preprocess, 250)
    ]


if __name__ == "__main__":
    main()
