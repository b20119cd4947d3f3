"""Measure what pruning loses against what it saves: `python scripts/pruning_curve.py`, or its parts one by one.

plans      prunes each network to each share of its latency, in each way and place: minutes each, on an idle machine
networks   fine-tunes those and, as a control, their parents; tests each, for int8 quantized: up to an hour each
rivals     tests the smaller networks of the catalogue, as they are: minutes
speed      times all of them in turn with their parent: minutes, on an idle machine, when the networks are trained
plot       draws docs/pruning-curve.svg; `scripts/tables.py` writes the table `pruning_curve`

Without a part: all. Each goes on where an interrupted run has stopped: figures go to --out as soon as they are known,
checkpoints to --work; a network that was made by another recipe, or of another parent, is made again, and a plan that
was refused, or out of reach, is not asked for again. What cannot be trained is named, and stops no other. With
`networks --threads 1 --part 1/2` and `--part 2/2`, two processes share the training. Everything goes through the
command line, as a user would do it, but for int8: networks are tested and timed as artifacts without a proof of parity,
as one that loses too much to be exported is a point of the curve as well. Needs CIFAR-10 (`reszoo data get cifar10`),
the networks of akamaster (`reszoo download 'resnet*_v1.akamaster_cifar10'`) and the extras litert and plot.

The teacher of every network is its parent in int8, which answers once to each of --views views of every image. They
are trained on all training images, as their parents and rivals were; nothing here looks at val.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from figures import MEASUREMENTS, Figure, comparison_in, known, save_comparison, saved_comparison, write
from pruning import QUICK, attempt, plan_of, reszoo, size, slug

from reszoo import training, zoo
from reszoo.core.documents import to_builtins
from reszoo.core.files import write_atomic
from reszoo.core.locks import locked
from reszoo.core.palette import COLOURS, INK, MARKERS, QUIET
from reszoo.core.pictures import dress, picture
from reszoo.export.artifacts import is_artifact
from reszoo.export.contract.options import ExportOptions
from reszoo.export.exporting import unproven
from reszoo.models.pruning import stages

OUT = MEASUREMENTS / "pruning" / "curve"
PLOT = MEASUREMENTS.parent / "pruning-curve.svg"
DATA = "cifar10"
# Each network, and the shares of its latency that are asked for.
ASKED = {"resnet56_v1.akamaster_cifar10": ("0.5", "0.333", "0.667"), "resnet20_v2.reszoo_cifar10": ("0.5",)}
RIVALS = {"resnet56_v1.akamaster_cifar10": tuple(f"resnet{depth}_v1.akamaster_cifar10" for depth in (44, 32, 20))}
WAYS = {"channels": (), "blocks": ("--blocks",), "mixed": ("--mixed",)}
SMALLER, UNPRUNED = "smaller networks", "unpruned"


class Place(NamedTuple):
    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"

    @property
    def options(self) -> tuple[str, ...]:
        """The same for pruning and for timing."""
        return "--runtime", self.runtime, "--precision", self.precision, "--threads", "1", "--batch", "1"


# In fp32, ONNX Runtime's time cannot be told from the fastest's, and in int8 LiteRT is the fastest (docs/runtimes.md).
INT8 = Place("litert", "int8")
PLACES = (Place("onnxruntime", "fp32"), INT8)


class Case(NamedTuple):
    """One network to be made."""

    parent: str
    place: Place
    share: str
    way: str

    @property
    def name(self) -> str:
        return slug(self.parent, str(self.place), self.way, self.share)

    @property
    def words(self) -> dict[str, str]:
        return {**self._asdict(), "place": str(self.place)}


class Options(NamedTuple):
    asked: dict[str, tuple[str, ...]]
    rivals: dict[str, tuple[str, ...]]
    ways: list[str]
    places: list[Place]
    data: str
    recipe: str
    epochs: int
    views: int
    threads: int
    time_limit: str
    part: tuple[int, int]
    out: Path
    work: Path
    plot: Path


def main() -> int:
    given = parse()
    asked = {name: tuple(given.share or ASKED.get(name, ("0.5",))) for name in given.network or ASKED}
    rivals = {name: tuple(given.rival or RIVALS.get(name, ())) for name in asked}
    places = [place for place in PLACES if given.precision in (None, place.precision)]
    number, of = map(int, given.part.split("/"))
    options = Options(
        asked,
        rivals,
        given.way or list(WAYS),
        places,
        given.data,
        given.recipe,
        given.epochs,
        given.views,
        given.threads,
        given.time_limit,
        (number, of),
        given.out,
        given.work,
        given.plot,
    )
    failed = [part for part in given.parts or PARTS if PARTS[part](options)]
    return int(bool(failed))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--network", action="append", metavar="REF", help="only this one; may be given again")
    parser.add_argument("--share", action="append", help="of the latency, only this one; may be given again")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only this one; may be given again")
    parser.add_argument("--rival", action="append", metavar="REF", help="a smaller network; may be given again")
    parser.add_argument("--precision", choices=[place.precision for place in PLACES], help="only this one")
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--recipe", default="prune-finetune", help="of the fine-tuning")
    parser.add_argument("--epochs", type=int, default=10, help="of the fine-tuning")
    parser.add_argument("--views", type=int, default=10, help="of each image, for which the teacher is asked")
    parser.add_argument("--threads", type=int, default=0, help="of the fine-tuning; 0 is PyTorch's own choice")
    parser.add_argument("--time-limit", default="60", help="seconds of each comparison")
    parser.add_argument("--part", default="1/1", metavar="NUMBER/OF", help="of what is trained")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--work", type=Path, default=Path("runs") / "pruning-curve", help="checkpoints stay here")
    parser.add_argument("--plot", type=Path, default=PLOT)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    return given


def cases(options: Options) -> Iterator[Case]:
    """Those first that decide most: half of the latency, and mixed plans."""
    for parent, shares in options.asked.items():
        for share in shares:
            for way in reversed(options.ways):
                for place in options.places:
                    yield Case(parent, place, share, way)


def plans(options: Options) -> None:
    for case in cases(options):
        record, folder = options.out / "plans" / f"{case.name}.json", pruned_folder(case, options)
        how = ("--latency", case.share, *WAYS[case.way], *case.place.options)
        asked = {**case.words, "command": " ".join(how), "sha256": sha256_of(case.parent)}
        found = known(record)
        if found and (folder.exists() or (found[0]["latency"] is None and asked.items() <= found[0].items())):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        printed = attempt(case.parent, case.name, *how, "--out", str(folder), "--json")
        if printed is None:  # it is said why
            write(record, [{**asked, "latency": None}])
            continue
        ratio = {key: json.loads(printed)["speed_check"][key] for key in ("value", "interval")}
        left = {"plan": digest(folder), "stages": stages(zoo.read(folder).spec)}
        sizes = {"parent": size(zoo.load(case.parent)), "pruned": size(zoo.read(folder))}
        write(record, [{**asked, "latency": ratio, **left, **sizes}])


def networks(options: Options) -> bool:
    """Whether any could not be trained."""
    number, of = options.part
    is_one_missing = False
    folders: dict[Path, list[Case]] = {}  # ways and places may lead to the same network
    for case in (*made(options), *controls(options)):
        folders.setdefault(tuned_folder(case, options), []).append(case)
    for folder, leading in list(folders.items())[number - 1 :: of]:
        if folder.exists():
            training.tidy(folder)
        elif not train(leading[0], folder, options):
            is_one_missing = True
            continue
        for case in leading:
            if not (found := known(record_of(case, options))) or found[0]["made"] != folder.name:
                write(record_of(case, options), [figures_of(case, folder, options)])
    return is_one_missing


def train(case: Case, folder: Path, options: Options) -> bool:
    """Whether it could be; what is wrong with the command itself ends the script."""
    settings = [word for name, value in changes(options).items() for word in ("--set", f"{name}={value}")]
    taught = ("--recipe", options.recipe, "--teacher", runnable(case.parent, INT8, options), *settings)
    source = case.parent if case.way == UNPRUNED else str(pruned_folder(case, options))
    threads = ("--threads", str(options.threads)) if options.threads else ()
    asked = ("train", "--from", source, "--data", options.data, *taught, *threads, "--resume", "--out", str(folder))
    try:
        reszoo(*asked)
    except subprocess.CalledProcessError as error:
        if error.returncode != 1:
            raise
        print(f"{folder} cannot be trained", flush=True)
        return False
    return True


def changes(options: Options) -> dict[str, str]:
    """Of the recipe."""
    return {"epochs": str(options.epochs), "teacher_views": str(options.views), "train_on": "trainval"}


def figures_of(case: Case, folder: Path, options: Options) -> Figure:
    described = json.loads((folder / "training.json").read_text())
    recipe, plan = described["run"]["recipe"], digest(folder)
    how = {"recipe": recipe["name"], "epochs": recipe["epochs"], "views": recipe["teacher_views"]}
    made = {"seconds": described["seconds"], "plan": plan, "made": folder.name}
    return {**case.words, **how, **made, **tested(str(folder), case.parent, case.place, options)}


def rivals(options: Options) -> None:
    for parent, names in options.rivals.items():
        for name in names:
            for place in options.places:
                record = options.out / "rivals" / f"{slug(parent, str(place), name)}.json"
                made = hashed([sha256_of(parent), sha256_of(name), options.data])[:12]
                if not (found := known(record)) or found[0]["made"] != made:
                    about = {"parent": parent, "place": str(place), "network": name, "made": made}
                    write(record, [{**about, **tested(name, parent, place, options)}])


def tested(network: str, parent: str, place: Place, options: Options) -> dict[str, Any]:
    """The accuracies of the parent and of the network in that place, and what is lost, image by image."""
    its, reference = (runnable(each, place, options) for each in (network, parent))
    how = ("--runtime", place.runtime, "--accuracy", options.data, "--reference", reference)
    folder = options.work / "results"
    printed = reszoo("bench", its, *how, *QUICK, "--out", str(folder), "--json")
    records = json.loads(printed)
    return {
        "accuracies": [record["accuracy"] for record in records if record["kind"] == "measurement"],
        "losses": [record for record in records if record["kind"] == "loss"],
    }


def speed(options: Options) -> None:
    """A comparison for each share, with all ways in it, and one with the smaller networks.

    Whatever each was trained by: that changes no shapes.
    """
    every = options._replace(ways=list(WAYS))
    for parent, shares in options.asked.items():
        for place in options.places:
            for share in shares:
                of_share = [
                    case for case in made(every) if (case.parent, case.place, case.share) == (parent, place, share)
                ]
                plans = dict.fromkeys(digest(pruned_folder(case, options)) for case in of_share)
                contestants = {str(folder): plan for plan in plans for folder in trained(parent, plan, options)[:1]}
                compare(parent, place, contestants, share, options)
            compare(parent, place, {name: name for name in options.rivals[parent]}, "rivals", options)


def compare(parent: str, place: Place, contestants: dict[str, str], what: str, options: Options) -> None:
    """The parent in turn with others, whose plans or names are given; not again where these very ones were."""
    record, plans = options.out / "speed" / f"{slug(parent, str(place), what)}.json", list(contestants.values())
    if not contestants or (record.exists() and saved_comparison(record).plans == plans):
        return
    with tempfile.TemporaryDirectory() as folder:
        limits = ("--time-limit", options.time_limit, "--out", folder)
        several = [runnable(each, place, options) for each in (parent, *contestants)]
        reszoo("compare", *several, "--runtime", place.runtime, "--threads", "1", "--batch", "1", *limits)
        save_comparison(record, comparison_in(Path(folder)), plans)


def plot(options: Options) -> None:
    from rows import pruning_curve

    rows = list(pruning_curve(options.out))
    if not rows:
        raise SystemExit(f"nothing is measured in {options.out}")
    write_atomic(options.plot, drawn(rows))
    print(f"wrote {options.plot}")


def drawn(rows: list[Figure]) -> bytes:
    """A panel for each network and place. The same rows give the same bytes."""
    panels: dict[tuple[str, str], list[Figure]] = {}
    for row in rows:
        panels.setdefault((row["parent"], row["place"]), []).append(row)
    columns = min(len(panels), 2)
    lines = -(-len(panels) // columns)

    def put(sheet: Any) -> None:
        every = sheet.subplots(lines, columns, squeeze=False).flat
        for (name, of_panel), axes in zip(panels.items(), every, strict=False):
            draw(axes, ", ".join(name), of_panel)

    return picture(put, (4.8 * columns, 4.2 * lines), "svg", font_size=9)


def draw(axes: Any, title: str, rows: list[Figure]) -> None:
    """A line for each way; of the smaller networks points with their names."""
    for i, kind in enumerate(dict.fromkeys(row["kind"] for row in rows)):
        points = sorted((row for row in rows if row["kind"] == kind), key=lambda row: row["times"].value)
        (xs, across), (ys, along) = (spans([row[name] for row in points]) for name in ("times", "lost"))
        colour, style = (QUIET, "*") if kind == SMALLER else (COLOURS[i % len(COLOURS)], f"{MARKERS[i]}-")
        axes.errorbar(
            xs, ys, along, across, fmt=style, color=colour, markersize=5, linewidth=1.2, capsize=2, label=kind
        )
        for x, y, row in zip(xs, ys, points, strict=True):
            if kind == SMALLER:
                name = row["name"].partition(".")[0]
                axes.annotate(name, (x, y), (5, 5), textcoords="offset points", color=QUIET, fontsize=8)
    axes.set_title(title, color=INK, fontsize=9, parse_math=False)
    axes.set_xlabel("times faster (99 % interval)", color=INK)
    axes.set_ylabel("points lost (paired 95 %)", color=INK)
    dress(axes)
    axes.legend(frameon=False, fontsize=8)


def spans(of: list[Any]) -> tuple[list[float], list[list[float]]]:
    """The values, and how far their intervals go below and above."""
    return [s.value for s in of], [[s.value - s.low for s in of], [s.high - s.value for s in of]]


def runnable(network: str, place: Place, options: Options) -> str:
    """What is given to `bench` and `compare`: in int8 an artifact that needs no proof, as all losses are measured."""
    if place.precision == "fp32":
        return network
    source = zoo.read(Path(network)) if Path(network).is_dir() else zoo.load(network)
    folder = options.work / "int8" / slug(source.ref, source.identity[:12])
    with locked(folder):  # two parts may need the parent's
        if not is_artifact(folder):
            unproven(source, place.runtime, out=folder, options=ExportOptions(precision="int8"))
    return str(folder)


PARTS: dict[str, Callable[[Options], bool | None]] = {
    "plans": plans,
    "networks": networks,
    "rivals": rivals,
    "speed": speed,
    "plot": plot,
}


def controls(options: Options) -> list[Case]:
    """The parents, trained on as the pruned networks are: what of a loss is the pruning's."""
    return [Case(parent, place, "1", UNPRUNED) for parent in options.asked for place in options.places]


def made(options: Options) -> list[Case]:
    """Those of which there is a pruned network."""
    return [case for case in cases(options) if pruned_folder(case, options).exists()]


def pruned_folder(case: Case, options: Options) -> Path:
    """It says which weights the parent has: a name may get better ones some day."""
    return options.work / "pruned" / slug(case.name, sha256_of(case.parent)[:8])


def trained(parent: str, plan: str, options: Options) -> list[Path]:
    """All networks of a plan, without those that are still at work."""
    folders = (options.work / "tuned").glob(f"{slug(parent, plan)}-*")
    return sorted(folder for folder in folders if (folder / "checkpoint.json").exists())


def tuned_folder(case: Case, options: Options) -> Path:
    """The same for the same plan, whatever asked for it; another for any other training."""
    plan = UNPRUNED if case.way == UNPRUNED else digest(pruned_folder(case, options))
    recipe = to_builtins(training.override(training.load(options.recipe), changes(options))) | {"summary": ""}
    decided = hashed([recipe, options.data, sha256_of(case.parent)])[:8]
    return options.work / "tuned" / slug(case.parent, plan, f"epochs{options.epochs}", decided)


def digest(folder: Path) -> str:
    """What a plan is called, which is long."""
    return hashed(plan_of(folder))[:12]


def hashed(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


@cache
def sha256_of(network: str) -> str:
    """Of its weights."""
    return zoo.load(network).sha256


def record_of(case: Case, options: Options) -> Path:
    return options.out / "networks" / f"{case.name}-epochs{options.epochs}.json"


if __name__ == "__main__":
    sys.exit(main())
