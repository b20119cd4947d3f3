"""Images/s of our training loop against the loop that everybody writes: `python scripts/training_speed.py`.

Both train the same network on CIFAR-10 (`reszoo data get cifar10`) with the same batch, optimizer, learning rates and
number of threads; it takes some minutes of an idle machine. The plain one, `plain_loop`, sends PIL images through
torchvision's transforms in the workers of a DataLoader and computes in fp32. Ours runs three times: in the very same
arithmetic, with channels_last, and as its recipe has it. Each run is a fresh process, and their order is turned around
from round to round. On a machine with a CUDA GPU all of it is done there too.

`scripts/tables.py` makes the table of docs/training.md from the file that this writes.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice, pairwise, repeat
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import msgspec
import torch
from figures import MEASUREMENTS, save
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from reszoo import datasets, training
from reszoo.core.errors import ReszooError
from reszoo.core.hosts import describe
from reszoo.training.data import batches_for
from reszoo.training.distributed import World
from reszoo.training.loop import Loop
from reszoo.training.progress import Epoch
from reszoo.training.run import SAVE_EVERY_S, pick_precision
from reszoo.training.schedule import learning_rate
from reszoo.training.specs import preprocess_for
from reszoo.training.trainer import Trainer

OUT = MEASUREMENTS / "training" / "seconds.json"
NETWORK, DATA, RECIPE = "resnet20_v1", "cifar10", "cifar-fast"
THREADS = WORKERS = 2
WARMUP_STEPS = 5  # more than the batches that the workers keep ready
GPU_STEPS = 100  # for each one on a CPU, so that a run there takes seconds, too
PLAIN = "plain"
OURS = {
    "ours, same arithmetic": {"precision": "fp32", "channels_last": "false"},
    "ours, channels_last": {"precision": "fp32"},
    "ours": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=15, help="timed in each run")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    try:
        datasets.load(DATA, "trainval")
    except ReszooError as error:
        sys.exit(str(error))
    runs = [run for number in range(options.rounds) for run in play_round(number, options.steps)]
    setting = {"network": NETWORK, "data": DATA, "recipe": RECIPE, "threads": THREADS, "workers": WORKERS}
    document = {"host": msgspec.to_builtins(describe()), **setting, "runs": runs}
    save(options.out, document)


def play_round(number: int, steps: int) -> Iterator[dict[str, Any]]:
    """Every loop once, each in a process of its own, in which no pool of threads is left from another one."""
    loops = [PLAIN, *OURS]
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for loop in loops[:: -1 if number % 2 else 1]:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                run = process.submit(measure, loop, device, steps * (GPU_STEPS if device == "cuda" else 1)).result()
            images_per_s = run["batch"] / (sum(run["seconds"]) / len(run["seconds"]))
            print(f"round {number + 1}  {device}  {loop}  {images_per_s:,.0f} images/s", flush=True)
            yield {"round": number, "loop": loop, "device": device, **run}


def measure(loop: str, device: str, steps: int) -> dict[str, Any]:
    """Seconds of each step after the warm-up, and what the GPU said meanwhile."""
    torch.set_num_threads(THREADS)
    where = torch.device(device)
    recipe = training.override(training.load(RECIPE), OURS.get(loop, {}))
    recipe = msgspec.structs.replace(recipe, precision=pick_precision(recipe, where))
    warmup = steps if device == "cuda" else WARMUP_STEPS
    with gpu_readings(where) as readings:
        run = plain_loop if loop == PLAIN else our_loop
        arithmetic, ends = run(recipe, where, warmup + steps)
    seconds = [after - before for before, after in pairwise(ends[warmup - 1 :])]
    return {"arithmetic": arithmetic, "batch": recipe.batch, "seconds": seconds, "gpu_percent": readings}


def our_loop(recipe: training.Recipe, device: torch.device, steps: int) -> tuple[str, list[float]]:
    """As `training.fit` has it. Gives the arithmetic, and the moment at which each step was done."""
    spec = training.spec_for(NETWORK, DATA, recipe)
    dataset = datasets.load(DATA, recipe.train_on)
    batches = batches_for(dataset, preprocess_for(DATA, spec), recipe, device, World())
    trainer = Trainer(training.initialised(spec, recipe.seed), recipe, device, steps=steps, world=World())
    clock = Clock()
    with TemporaryDirectory() as folder:
        Loop(trainer, batches, Path(folder), validate=None, save_every_s=SAVE_EVERY_S, watchers=[clock]).run()
    layout = "channels_last" if trainer.layout is torch.channels_last else "contiguous"
    return f"{recipe.precision}, {layout}", clock.ends


def plain_loop(recipe: training.Recipe, device: torch.device, steps: int) -> tuple[str, list[float]]:
    """The same in plain PyTorch."""
    spec = training.spec_for(NETWORK, DATA, recipe)
    model = training.initialised(spec, recipe.seed).to(device).train()
    optimizer = torch.optim.SGD(
        model.parameters(), 1.0, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=recipe.nesterov
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(recipe, step, steps))
    loader = DataLoader(
        Pictures(cast(datasets.ArrayDataset, datasets.load(DATA, recipe.train_on)), recipe),
        batch_size=recipe.batch,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
        pin_memory=device.type == "cuda",
    )
    ends, total = [], 0.0
    for images, labels in islice(chain.from_iterable(repeat(loader)), steps):
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
        total += loss.item()
        ends.append(time.perf_counter())
    return "fp32, contiguous", ends


class Pictures(TorchDataset[tuple[Tensor, int]]):
    """As torchvision's CIFAR10: every image becomes a PIL image, every epoch anew."""

    def __init__(self, dataset: datasets.ArrayDataset, recipe: training.Recipe) -> None:
        preprocess = preprocess_for(DATA, training.spec_for(NETWORK, DATA, recipe))
        self.images, self.labels = dataset.images, dataset.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(preprocess.input[1:], recipe.padding, padding_mode=recipe.padding_mode),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(preprocess.mean, preprocess.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


class Clock:
    """Watches a run: the moment at which each step was done."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def began(self, steps: int, done: int) -> None: ...

    def stepped(self, step: int, loss: float) -> None:
        self.ends.append(time.perf_counter())

    def epoch_ended(self, row: Epoch) -> None: ...

    def ended(self) -> None: ...


@contextmanager
def gpu_readings(device: torch.device) -> Iterator[list[int]]:
    """The GPU's utilisation in percent, five times a second; the list is filled when the block ends."""
    readings: list[int] = []
    if device.type != "cuda":
        yield readings
        return
    gpu = f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}"
    query = ["nvidia-smi", gpu, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=200"]
    with subprocess.Popen(query, stdout=subprocess.PIPE, text=True) as watch:
        try:
            yield readings
        finally:
            watch.terminate()
            readings += [int(line) for line in watch.communicate()[0].splitlines() if line.strip().isdecimal()]


if __name__ == "__main__":
    main()
