"""Measure what pruning loses against what it saves: `python scripts/pruning_curve.py`, or its parts one by one.

plans      prunes each network to each share of its latency, in each way and place: minutes each, on an idle machine
networks   fine-tunes those, quantizes those for int8, and tests them: a quarter of an hour to an hour each
rivals     tests the smaller networks of the catalogue, as they are: minutes
speed      times all of them in turn with their parent: minutes, on an idle machine, when the networks are trained
plot       draws docs/pruning-curve.svg; `scripts/tables.py` writes the table `pruning_curve`

Without a part: all. Each goes on where an interrupted run has stopped: figures go to --out as soon as they are known,
checkpoints to --work. With `--part 1/2` and `--part 2/2`, two processes share the training. Everything goes through the
command line, as a user would do it. Needs CIFAR-10 (`reszoo data get cifar10`), the networks of akamaster (`reszoo
download 'resnet*_v1.akamaster_cifar10'`) and the extras litert and plot.

The teacher of every network is its parent in int8, which answers once to each of --views views of every image.
"""

import argparse
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from figures import MEASUREMENTS, Figure, comparison_in, known, save_comparison, saved_comparison, write
from pruning import QUICK, attempt, plan_of, reszoo, size, slug

from reszoo import zoo
from reszoo.core.files import write_atomic
from reszoo.models.pruning import stages

OUT = MEASUREMENTS / "pruning" / "curve"
PLOT = MEASUREMENTS.parent / "pruning-curve.svg"
DATA = "cifar10"
# Each network, and the shares of its latency that are asked for.
ASKED = {"resnet56_v1.akamaster_cifar10": ("0.5", "0.333", "0.667"), "resnet20_v2.reszoo_cifar10": ("0.5",)}
RIVALS = {"resnet56_v1.akamaster_cifar10": tuple(f"resnet{depth}_v1.akamaster_cifar10" for depth in (44, 32, 20))}
WAYS = {"channels": (), "blocks": ("--blocks",), "mixed": ("--mixed",)}
SMALLER = "smaller networks"


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
PLACES = (Place("onnxruntime", "fp32"), Place("litert", "int8"))


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


def main() -> None:
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
    for part in given.parts or PARTS:
        PARTS[part](options)


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
        if folder.exists() and record.exists():
            continue
        how = ("--latency", case.share, *WAYS[case.way], *case.place.options)
        shutil.rmtree(folder, ignore_errors=True)
        printed = attempt(case.parent, case.name, *how, "--out", str(folder), "--json")
        if printed is None:  # it is said why
            continue
        ratio = {key: json.loads(printed)["speed_check"][key] for key in ("value", "interval")}
        left = {"plan": digest(folder), "stages": stages(zoo.read(folder).spec)}
        sizes = {"parent": size(zoo.load(case.parent)), "pruned": size(zoo.read(folder))}
        write(record, [{**case.words, "command": " ".join(how), "latency": ratio, **left, **sizes}])


def networks(options: Options) -> None:
    number, of = options.part
    folders = {tuned_folder(case, options): case for case in made(options)}  # ways may lead to the same network
    for folder, case in list(folders.items())[number - 1 :: of]:
        if not folder.exists():
            train(case, folder, options)
    for case in made(options):
        record, folder = record_of(case, options), tuned_folder(case, options)
        if not folder.exists() or (known(record) and known(record)[0]["plan"] == digest(folder)):
            continue
        training = json.loads((folder / "training.json").read_text())
        how = {"recipe": options.recipe, "epochs": options.epochs, "views": options.views}
        figures = {**how, "seconds": training["seconds"], "plan": digest(folder)}
        write(record, [{**case.words, **figures, **tested(str(folder), case.parent, case.place, options)}])


def train(case: Case, folder: Path, options: Options) -> None:
    changes = {"epochs": options.epochs, "teacher_views": options.views, "threads": options.threads}
    settings = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    taught = ("--recipe", options.recipe, "--teacher", str(int8_of(case.parent, options)), *settings)
    source = ("--from", str(pruned_folder(case, options)), "--data", options.data)
    reszoo("train", *source, *taught, "--resume", "--out", str(folder))


def rivals(options: Options) -> None:
    for parent, names in options.rivals.items():
        for name in names:
            for place in options.places:
                if not known(record := options.out / "rivals" / f"{slug(name, str(place))}.json"):
                    found = {"parent": parent, "place": str(place), "network": name}
                    write(record, [{**found, **tested(name, parent, place, options)}])


def tested(network: str, parent: str, place: Place, options: Options) -> dict[str, Any]:
    """The accuracies of the parent and of the network in that place, and what is lost, image by image."""
    how = ("--runtime", place.runtime, "--precision", place.precision, "--accuracy", options.data)
    reference = str(int8_of(parent, options)) if place.precision == "int8" else parent
    folder = options.work / "results"
    printed = reszoo("bench", network, *how, "--reference", reference, *QUICK, "--out", str(folder), "--json")
    records = json.loads(printed)
    return {
        "accuracies": [record["accuracy"] for record in records if record["kind"] == "measurement"],
        "losses": [record for record in records if record["kind"] == "loss"],
    }


def speed(options: Options) -> None:
    """A comparison for each share, with the ways in it, and one with the smaller networks."""
    for parent, shares in options.asked.items():
        for place in options.places:
            for share in shares:
                same = [
                    case for case in made(options) if (case.parent, case.place, case.share) == (parent, place, share)
                ]
                folders = [folder for case in same if (folder := tuned_folder(case, options)).exists()]
                plans = {str(folder): digest(folder) for folder in folders}
                compare(parent, place, plans, share, options)
            compare(parent, place, {name: name for name in options.rivals[parent]}, "rivals", options)


def compare(parent: str, place: Place, contestants: dict[str, str], what: str, options: Options) -> None:
    """The parent in turn with others, whose plans or names are given; not again where these very ones were."""
    record, plans = options.out / "speed" / f"{slug(parent, str(place), what)}.json", list(contestants.values())
    if not contestants or (record.exists() and saved_comparison(record).plans == plans):
        return
    with tempfile.TemporaryDirectory() as folder:
        limits = ("--time-limit", options.time_limit, "--out", folder)
        reszoo("compare", parent, *contestants, *place.options, *limits)
        save_comparison(record, comparison_in(Path(folder)), plans)


def plot(options: Options) -> None:
    from rows import pruning_curve

    rows = list(pruning_curve(options.out))
    if not rows:
        raise SystemExit(f"nothing is measured in {options.out}")
    write_atomic(options.plot, picture(rows))
    print(f"wrote {options.plot}")


def picture(rows: list[Figure]) -> bytes:
    """A panel for each network and place. The same rows give the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    panels: dict[tuple[str, str], list[Figure]] = {}
    for row in rows:
        panels.setdefault((row["parent"], row["place"]), []).append(row)
    columns = min(len(panels), 2)
    lines = -(-len(panels) // columns)
    with mpl.rc_context({"svg.hashsalt": "reszoo", "font.family": "DejaVu Sans", "font.size": 9}):
        canvas = Canvas(figsize=(4.8 * columns, 4.2 * lines), layout="constrained", facecolor="white")
        every = canvas.subplots(lines, columns, squeeze=False).flat
        for (name, of_panel), axes in zip(panels.items(), every, strict=False):
            draw(axes, ", ".join(name), of_panel)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def draw(axes: Any, title: str, rows: list[Figure]) -> None:
    """A line for each way; of the smaller networks points with their names."""
    from reszoo.core.palette import COLOURS, INK, LINE, QUIET
    from reszoo.reporting.plot import MARKERS

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
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def spans(of: list[Any]) -> tuple[list[float], list[list[float]]]:
    """The values, and how far their intervals go below and above."""
    return [s.value for s in of], [[s.value - s.low for s in of], [s.high - s.value for s in of]]


PARTS: dict[str, Callable[[Options], None]] = {
    "plans": plans,
    "networks": networks,
    "rivals": rivals,
    "speed": speed,
    "plot": plot,
}


def made(options: Options) -> list[Case]:
    """Those of which there is a pruned network."""
    return [case for case in cases(options) if pruned_folder(case, options).exists()]


def pruned_folder(case: Case, options: Options) -> Path:
    return options.work / "pruned" / case.name


def tuned_folder(case: Case, options: Options) -> Path:
    """The same for the same plan, whatever asked for it."""
    plan = digest(pruned_folder(case, options))
    return options.work / "tuned" / slug(case.parent, plan, f"epochs{options.epochs}")


def digest(folder: Path) -> str:
    """What a plan is called, which is long."""
    plan = json.dumps(plan_of(folder), sort_keys=True)
    return hashlib.sha256(plan.encode()).hexdigest()[:12]


def record_of(case: Case, options: Options) -> Path:
    return options.out / "networks" / f"{case.name}-epochs{options.epochs}.json"


def int8_of(parent: str, options: Options) -> Path:
    """The parent's artifact for LiteRT: the teacher, and what others in int8 are held against."""
    folder = options.work / f"{slug(parent)}-int8"
    if not folder.exists():
        reszoo("export", parent, "--to", "litert", "--precision", "int8", "--out", str(folder))
    return folder


if __name__ == "__main__":
    main()
