"""What each change of a recipe is worth: `python scripts/training_table.py FOLDER`, many hours of an idle machine.

Every variant is one change of the plain recipe. All are trained with the same seeds on the images of train, for as
many epochs, and compared by their accuracy on val at the end: the differences are paired. The plain recipe is also
trained for fewer and for more epochs. A line through its accuracies over the logarithm of the images says how many
images it needs for the accuracy of a variant: so a variant is worth so many times its images. What an image costs is
measured as well; that counts only where nothing else was at work.

Each run is a folder in FOLDER, whose name has a hash of all that decides it. One that was stopped or killed goes on
when the script is started again, and a finished one is not repeated; one that diverges is named, and stops no other.
With `--part 1/2` and `--part 2/2`, two processes share the runs. Each goes to --out as soon as it is finished, beside
those of other variants, networks and seeds that are there; `scripts/tables.py` makes the table `training_worth` of it.
Every run ends with its test accuracy, which is not looked at here. Teachers answer to each run anew, so that what they
cost is seen. All runs have to be on processors that train in the same precision, bf16 or fp32, and where both take part
costs are compared on one kind of processor only.

By default there are, for each of 3 seeds, 37 epochs of the plain recipe and 10 of each variant, with 45,000 images
each. In so few, 16 views of an image are as good as new ones in every epoch; 2 views show what repeating them does.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from figures import MEASUREMENTS, Figure, save
from msgspec.structs import replace

from reszoo import datasets, training, zoo
from reszoo.core.documents import to_builtins
from reszoo.core.hosts import describe
from reszoo.core.locks import locked
from reszoo.core.types import Artifact, Checkpoint
from reszoo.training import result
from reszoo.training.distributed import current
from reszoo.training.health import DivergedError
from reszoo.training.progress import Lines
from reszoo.training.run import pick_device, pick_precision
from reszoo.workflows.references import resolve
from reszoo.workflows.training import answers_of

OUT = MEASUREMENTS / "training" / "worth.json"
NETWORKS = ("resnet8_v1",)
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
    "teacher, 2 views": {"teacher_views": "2"},
    "teacher, 16 views": {"teacher_views": "16"},
    "teacher at temperature 10, 16 views": {"teacher_views": "16", "temperature": "10"},
}


class Trial(NamedTuple):
    network: str
    variant: str
    epochs: int
    seed: int

    @property
    def changes(self) -> dict[str, str]:
        """Of the plain recipe."""
        common = {**COMMON, "epochs": str(self.epochs), "seed": str(self.seed)}
        return common | (VARIANTS | TAUGHT)[self.variant]


def main() -> int:
    options = parse()
    teacher = resolve(options.teacher) if options.teacher else None
    taught = [name for name, changes in TAUGHT.items() if teacher and (changes or isinstance(teacher, Checkpoint))]
    chosen = list(trials(options, options.variants or [*VARIANTS, *taught]))
    of_others(options)  # says at once what cannot be added to
    number, of = options.part
    failed = 0
    for trial in chosen[number - 1 :: of]:
        who = teacher if trial.variant in TAUGHT else None
        try:
            add(figure(trial, trained(trial, options, who), options, who), options)
        except DivergedError as error:
            failed += 1
            print(*trial, error.problem, sep=": ", file=sys.stderr, flush=True)
    return int(failed > 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the runs")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="ARCH")
    parser.add_argument("--variants", nargs="+", default=None, choices=[*VARIANTS, *TAUGHT], metavar="NAME")
    parser.add_argument("--epochs", type=int, default=10, help="of the variants")
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
            plain = recipe_of(Trial(network, PLAIN, options.epochs, seed), options)
            for trial in (Trial(network, variant, options.epochs, seed) for variant in variants):
                # in fp32 is no change where the processor has no bf16
                if trial.variant in TAUGHT or recipe_of(trial, options) != plain:
                    yield trial


def recipe_of(trial: Trial, options: argparse.Namespace) -> training.Recipe:
    """As it is on this machine."""
    recipe = training.override(training.load(options.recipe), trial.changes)
    return replace(recipe, precision=pick_precision(recipe, pick_device("auto", current())))


def name_of(trial: Trial, options: argparse.Namespace, teacher: Checkpoint | Artifact | None) -> str:
    words = "".join(letter if letter.isalnum() or letter == "." else "-" for letter in trial.variant)
    return f"{trial.network}-{words}-{trial.epochs}-{trial.seed}-{decided_by(trial, options, teacher)}"


def decided_by(trial: Trial, options: argparse.Namespace, teacher: Checkpoint | Artifact | None) -> str:
    """Another for another recipe, data set or teacher; the same for all seeds."""
    recipe = to_builtins(recipe_of(trial, options)) | {"summary": "", "seed": 0}
    decisive = json.dumps([recipe, options.data, teacher.sha256 if teacher else ""], sort_keys=True)
    return hashlib.sha256(decisive.encode()).hexdigest()[:8]


def trained(trial: Trial, options: argparse.Namespace, teacher: Checkpoint | Artifact | None) -> Path:
    """Its folder. Whatever was killed goes on, and leaves nothing beside it."""
    recipe, folder = recipe_of(trial, options), Path(options.folder) / name_of(trial, options, teacher)
    answers = folder.with_name(f"{folder.name}.answers")
    if (folder / result.DOCUMENT).exists():
        training.tidy(folder)
    else:
        print(*trial, file=sys.stderr, flush=True)
        train(trial, recipe, folder, options, teacher, answers)
    if answers.exists():  # there is a teacher
        shutil.rmtree(answers)
    return folder


def train(
    trial: Trial,
    recipe: training.Recipe,
    folder: Path,
    options: argparse.Namespace,
    teacher: Checkpoint | Artifact | None,
    answers: Path,
) -> None:
    spec = training.spec_for(trial.network, options.data, recipe)
    training.fit(
        training.initialised(spec, recipe.seed),
        spec,
        options.data,
        recipe,
        folder,
        ref=f"{trial.network}.trial",
        teacher=teacher,
        ask=answers_of(teacher, recipe.threads) if isinstance(teacher, Artifact) else None,
        answers=answers,
        resume=True,
        watchers=[Lines()],
    )


def figure(trial: Trial, folder: Path, options: argparse.Namespace, teacher: Checkpoint | Artifact | None) -> Figure:
    card, n = result.describe(folder), len(datasets.load(options.data, "val"))
    rows = (folder / result.CURVE).read_bytes().splitlines()
    images = len(rows) * (len(datasets.load(options.data, "train")) // card.run.recipe.batch) * card.run.recipe.batch
    accuracy = result.val_accuracy(zoo.read(folder))
    if accuracy is None:
        raise ValueError(f"{folder} has no accuracy on val")
    counted = {"images": images, "correct": round(accuracy * n), "n": n, "seconds": card.seconds}
    made = {"decided_by": decided_by(trial, options, teacher), "cpu": card.host.cpu}
    return {**trial._asdict(), **counted, **made, "teacher": options.teacher if teacher else ""}


def of_others(options: argparse.Namespace) -> list[Figure]:
    """What --out has already. It has to be of the same recipe and data set, and of variants that there are."""
    setting, before = setting_of(options), json.loads(options.out.read_text()) if options.out.exists() else {}
    known = {each["variant"] for each in before.get("figures", ())} <= {*VARIANTS, *TAUGHT}
    if before and not (known and setting.items() <= before.items()):
        raise SystemExit(f"{options.out} has runs of another recipe, data set or variant: choose another --out")
    return list(before.get("figures", ()))


def setting_of(options: argparse.Namespace) -> dict[str, str]:
    plain = to_builtins(recipe_of(Trial("", PLAIN, 1, 0), options)) | {"summary": "", "epochs": 0}
    return {"data": options.data, "recipe": json.dumps(plain)}


def add(found: Figure, options: argparse.Namespace) -> None:
    """In the place of those of the same variant that something else has decided."""
    with locked(options.out):  # two parts write it
        figures = [each for each in of_others(options) if not replaces(found, each)]
        figures = sorted([*figures, found], key=place_of)
        save(options.out, {"host": to_builtins(describe()), **setting_of(options), "figures": figures})


def replaces(found: Figure, other: Figure) -> bool:
    if any(found[name] != other[name] for name in ("network", "variant", "epochs")):
        return False
    return bool(found["seed"] == other["seed"] or found["decided_by"] != other["decided_by"])


def place_of(found: Figure) -> tuple[str, int, int, int]:
    """In the table."""
    return found["network"], [*VARIANTS, *TAUGHT].index(found["variant"]), found["epochs"], found["seed"]


if __name__ == "__main__":
    sys.exit(main())
