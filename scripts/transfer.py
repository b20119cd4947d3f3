"""What a trained network is worth on other data: `python scripts/transfer.py`, some minutes of an idle machine.

A network that was trained on CIFAR-10 goes on with other data for two epochs, by the recipe `finetune`; the same
architecture is trained from scratch for as many steps on the same batches, by the recipe `cifar-fast`, which is made
for few epochs. Both are done with the same seeds, so that the differences are paired. The data sets:

    digits     scikit-learn's handwritten digits, enlarged to 32x32 and in colour
    cifar100   where it is on this machine (`reszoo data get cifar100`)
    renamed    some images of five of CIFAR-10's classes, under other names. The network was trained on these very
               images with their labels, so this shows no more than that a new head finds what it knows

What was measured is kept after each run, and not measured again. `scripts/tables.py` makes the table `transfer` of the
file that this writes.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from figures import MEASUREMENTS, Figure, known, save
from numpy.typing import NDArray
from PIL import Image

import reszoo
from reszoo import datasets
from reszoo.core.documents import to_builtins
from reszoo.core.hosts import describe

OUT = MEASUREMENTS / "transfer" / "accuracy.json"
NETWORK = "resnet20_v2.reszoo_cifar10"
ARCHITECTURE = NETWORK.partition(".")[0]
SCRATCH, FINETUNED, FROZEN = "scratch", "finetuned", "finetuned, stem and two of three stages frozen"
WAYS: dict[str, dict[str, Any]] = {
    SCRATCH: {"arch": ARCHITECTURE, "recipe": "cifar-fast"},
    FINETUNED: {"recipe": "finetune"},
    FROZEN: {"recipe": "finetune", "freeze": ["stem.*", "stages.[01].*"]},
}
COMMON = {"epochs": 2, "batch": 64, "flip": False, "threads": 1}  # a mirrored digit is none
RENAMED = {"airplane": "a", "bird": "b", "cat": "c", "frog": "d", "truck": "e"}
RENAMED_TRAIN, RENAMED_TEST = 200, 500  # images of each class
Picture = tuple[str, NDArray[np.uint8]]  # split and class, as a folder, and pixels (H, W, C)


class Source(NamedTuple):
    """A data set that is made of another one."""

    of: str
    pictures: Callable[[], Iterator[Picture]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="*", default=list(SOURCES), choices=SOURCES)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    figures = known(options.out)
    for data in options.data:
        if not datasets.is_installed(SOURCES[data].of):
            print(f"{data}: {SOURCES[data].of} is not on this machine")
            continue
        with tempfile.TemporaryDirectory() as folder:
            install(data, Path(folder))
            for seed in range(options.seeds):
                for way in WAYS:
                    if not any((f["data"], f["seed"], f["way"]) == (data, seed, way) for f in figures):
                        figures.append(measure(data, seed, way, Path(folder)))
                        write(options.out, figures)


def stored(data: str, split: datasets.Split) -> datasets.ArrayDataset:
    return cast(datasets.ArrayDataset, datasets.load(data, split))


def everything(data: str) -> Iterator[Picture]:
    splits: tuple[datasets.Split, ...] = ("train", "val", "test")
    for split in splits:
        part = stored(data, split)
        for pixels, label in zip(part.images, part.labels, strict=True):
            yield f"{split}/{part.classes[label]}", pixels


def digits() -> Iterator[Picture]:
    for place, pixels in everything("digits"):
        large = Image.fromarray(pixels[..., 0]).resize((32, 32), Image.Resampling.BILINEAR)
        yield place, np.asarray(large.convert("RGB"))


def renamed() -> Iterator[Picture]:
    counts: dict[datasets.Split, int] = {"train": RENAMED_TRAIN, "test": RENAMED_TEST}
    for split, count in counts.items():
        part = stored("cifar10", split)
        for name, other in RENAMED.items():
            for index in np.flatnonzero(part.labels == part.classes.index(name))[:count]:
                yield f"{split}/{other}", part.images[index]


SOURCES = {
    "digits": Source("digits", digits),
    "cifar100": Source("cifar100", partial(everything, "cifar100")),
    "renamed": Source("cifar10", renamed),
}


def install(data: str, folder: Path) -> None:
    """Write the pictures, and add them in a cache of their own: the user's data sets stay as they are."""
    for number, (place, pixels) in enumerate(SOURCES[data].pictures()):
        path = folder / "pictures" / place / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    with own_cache(folder):
        datasets.add(f"transfer-{data}", [folder / "pictures"])


def measure(data: str, seed: int, way: str, folder: Path) -> Figure:
    given = dict(WAYS[way])
    init = None if "arch" in given else reszoo.load(NETWORK)
    with own_cache(folder):
        made = reszoo.train(
            given.pop("arch", None),
            data=f"transfer-{data}",
            init=init,
            changes=COMMON | {"seed": seed},
            out=folder / f"{seed}-{way.replace(', ', '-')}",
            **given,
        )
        info = datasets.info.info(f"transfer-{data}")
    (metric,) = made.metrics
    print(f"{data}  seed {seed}  {way}  {metric.value:.4f}", flush=True)
    counts = {"images": info.counts["trainval"], "classes": len(info.classes)}
    return {"data": data, "seed": seed, "way": way, **counts, "correct": round(metric.value * metric.n), "n": metric.n}


def write(path: Path, figures: list[Figure]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    setting = {"network": NETWORK, "ways": WAYS, "common": COMMON}
    save(path, {"host": to_builtins(describe()), **setting, "figures": figures})


@contextmanager
def own_cache(folder: Path) -> Iterator[None]:
    """`RESZOO_CACHE` lies in this folder, for the length of the block."""
    before = os.environ.get("RESZOO_CACHE")
    os.environ["RESZOO_CACHE"] = str(folder / "cache")
    try:
        yield
    finally:
        del os.environ["RESZOO_CACHE"]
        if before is not None:
            os.environ["RESZOO_CACHE"] = before


if __name__ == "__main__":
    main()
