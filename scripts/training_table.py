"""What each change of a recipe is worth: `python scripts/training_table.py FOLDER`, many hours of an idle machine.

Every variant is one change of the plain recipe. All are trained with the same seeds on the images of train, for as
many epochs, and compared by their accuracy on val at the end: the differences are paired. The plain recipe is also
trained for fewer and for more epochs. A line through its accuracies over the logarithm of the images says how many
images it needs for the accuracy of a variant: so a variant is worth so many times its images. What an image costs is
measured as well; that counts only where nothing else was at work.

Each run is a folder in FOLDER. One that was stopped or killed goes on when the script is started again, and a finished
one is not repeated. With `--part 1/2` and `--part 2/2`, two processes share the runs. What is finished goes to --out;
`scripts/tables.py` makes the table `training_worth` of it. Every run ends with its test accuracy, which is not looked
at here.

By default there are, for each network and each of 3 seeds, 75 epochs of the plain recipe and 20 of each variant, with
45,000 images each.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from figures import MEASUREMENTS, Figure, save

from reszoo import datasets, training, zoo
from reszoo.core.documents import to_builtins
from reszoo.core.hosts import describe
from reszoo.core.types import Artifact, Checkpoint
from reszoo.training import result
from reszoo.training.progress import Lines
from reszoo.workflows.references import resolve
from reszoo.workflows.training import answers_of

OUT = MEASUREMENTS / "training" / "worth.json"
NETWORKS = ("resnet8_v1", "resnet20_v2")
DATA, RECIPE = "cifar10", "cifar-fast"
COMMON = {"train_on": "train", "threads": "1"}
PLAIN = "plain"
LENGTHS = (0.25, 0.5, 1.0, 2.0)  # of the plain recipe, in epochs of the variants
VARIANTS: dict[str, dict[str, str]] = {
    PLAIN: {},
    "fp32": {"precision": "fp32"},
    "not channels_last": {"channels_last": "false"},
    "batches of 64, half the rate": {"batch": "64", "lr": "0.1"},
    "batches of 256, twice the rate": {"batch": "256", "lr": "0.4"},
    "half the rate": {"lr": "0.1"},
    "cosine": {"schedule": "cosine"},
    "label smoothing 0.1": {"label_smoothing": "0.1"},
    "moving average 0.99": {"ema_decay": "0.99"},
    "look-ahead": {"lookahead": "5"},
    "alternating flip": {"flip": "true", "alternating_flip": "true"},
    "cutout 8": {"cutout": "8"},
    "images from half the size": {"initial_scale": "0.5"},
}
TAUGHT: dict[str, dict[str, str]] = {  # with --teacher; an artifact cannot answer in every step
    "teacher in every step": {},
    "teacher, 4 views": {"teacher_views": "4"},
    "teacher, 16 views": {"teacher_views": "16"},
}


class Trial(NamedTuple):
    network: str
    variant: str
    epochs: int
    seed: int

    @property
    def folder(self) -> str:
        words = "".join(letter if letter.isalnum() or letter == "." else "-" for letter in self.variant)
        return f"{self.network}-{words}-{self.epochs}-{self.seed}"


def main() -> None:
    options = parse()
    teacher = resolve(options.teacher) if options.teacher else None
    taught = [name for name, changes in TAUGHT.items() if teacher and (changes or isinstance(teacher, Checkpoint))]
    chosen = list(trials(options, options.variants or [*VARIANTS, *taught]))
    number, of = options.part
    for trial in chosen[number - 1 :: of]:
        if not is_finished(trial, options):
            print(*trial, file=sys.stderr, flush=True)
            train(trial, options, teacher if trial.variant in TAUGHT else None)
    write(options, [figure(trial, options) for trial in chosen if is_finished(trial, options)])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the runs")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="ARCH")
    parser.add_argument("--variants", nargs="+", default=None, choices=[*VARIANTS, *TAUGHT], metavar="NAME")
    parser.add_argument("--epochs", type=int, default=20, help="of the variants")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--recipe", default=RECIPE, help="the plain one")
    parser.add_argument("--teacher", metavar="REF", help="adds the variants with a teacher")
    parser.add_argument("--part", type=part, default=(1, 1), metavar="NUMBER/OF", help="of the runs")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


def part(text: str) -> tuple[int, int]:
    number, of = map(int, text.split("/"))
    if not 1 <= number <= of:
        raise ValueError(text)
    return number, of


def trials(options: argparse.Namespace, variants: Sequence[str]) -> Iterator[Trial]:
    """Seed after seed, so that what is done by then can be compared."""
    lengths = sorted({max(round(length * options.epochs), 1) for length in LENGTHS})
    for seed in range(options.seeds):
        for network in options.networks:
            for epochs in lengths:
                yield Trial(network, PLAIN, epochs, seed)
            for variant in variants:
                if variant != PLAIN:
                    yield Trial(network, variant, options.epochs, seed)


def is_finished(trial: Trial, options: argparse.Namespace) -> bool:
    return (options.folder / trial.folder / result.DOCUMENT).exists()


def train(trial: Trial, options: argparse.Namespace, teacher: Checkpoint | Artifact | None) -> None:
    changes = {**COMMON, **(VARIANTS | TAUGHT)[trial.variant], "epochs": str(trial.epochs), "seed": str(trial.seed)}
    recipe = training.override(training.load(options.recipe), changes)
    spec = training.spec_for(trial.network, options.data, recipe)
    training.fit(
        training.initialised(spec, recipe.seed),
        spec,
        options.data,
        recipe,
        options.folder / trial.folder,
        ref=f"{trial.network}.trial",
        teacher=teacher,
        ask=answers_of(teacher, recipe.threads) if isinstance(teacher, Artifact) else None,
        resume=True,
        watchers=[Lines()],
    )


def figure(trial: Trial, options: argparse.Namespace) -> Figure:
    folder = options.folder / trial.folder
    card, n = result.describe(folder), len(datasets.load(options.data, "val"))
    rows = (folder / result.CURVE).read_bytes().splitlines()
    images = len(rows) * (len(datasets.load(options.data, "train")) // card.run.recipe.batch) * card.run.recipe.batch
    accuracy = result.val_accuracy(zoo.read(folder))
    if accuracy is None:
        raise ValueError(f"{folder} has no accuracy on val")
    counted = {"images": images, "correct": round(accuracy * n), "n": n, "seconds": card.seconds}
    return {**trial._asdict(), **counted}


def write(options: argparse.Namespace, figures: list[Figure]) -> None:
    options.out.parent.mkdir(parents=True, exist_ok=True)
    setting = {"data": options.data, "recipe": options.recipe, "common": COMMON, "teacher": options.teacher or ""}
    save(options.out, {"host": to_builtins(describe()), **setting, "figures": figures})


if __name__ == "__main__":
    main()
