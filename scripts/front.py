"""Accuracy against latency of the networks for CIFAR-10, in PyTorch and as what is fastest: docs/front.svg.

    python scripts/front.py measure    # after `scripts/optimize.py networks`, on an idle machine: about 15 minutes
    python scripts/front.py plot

Of each network three ways to run it with one thread and batch 1, measured in turn: eager PyTorch, and what was the
fastest in fp32 and in int8 when that search looked at all candidates. Top-1 is of the 10,000 test images, which chose
nothing. A network that is measured already is not measured again.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import MEASUREMENTS, Figure, SavedComparison, known, save_comparison, saved_comparison
from optimize import ON_CIFAR10, WORK, events_of, scenario_of

from reszoo.bench.comparison import Contestant, Effort, compare
from reszoo.core.documents import read_json
from reszoo.core.files import write_atomic
from reszoo.core.measured import AGAIN, Failure
from reszoo.core.palette import COLOURS, INK, QUIET
from reszoo.core.pictures import dress, picture
from reszoo.core.statistics import proportion_interval
from reszoo.export import artifacts
from reszoo.reporting.search import Search, SearchRow
from reszoo.workflows.evaluating import evaluate
from reszoo.workflows.optimization.records import Built, Plan

OUT = MEASUREMENTS / "optimize" / "front"
PLOT = MEASUREMENTS.parent / "front.svg"
FIX = "Run `scripts/optimize.py networks` first."
TICKS, MOST = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10), 11.0
WAYS = (("PyTorch, eager", QUIET, "o"), ("fastest fp32", COLOURS[0], "s"), ("fastest int8", COLOURS[2], "D"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=("measure", "plot"), metavar="PART")
    parser.add_argument("--search", type=Path, default=WORK / "networks-1ms", help="the folder of that search")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--plot", type=Path, default=PLOT)
    options = parser.parse_args()
    if "measure" in options.parts:
        measure(options)
    if "plot" in options.parts:
        found = list(measured(options.out))
        if not found:
            sys.exit(f"nothing is measured in {options.out}")
        searches = known(options.out.parent / "networks.json")
        plot = picture(lambda sheet: draw(sheet.subplots(), found, searches), (6.6, 4.4), "svg", font_size=9)
        write_atomic(options.plot, plot)
        print("written", options.plot)


def measure(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    rows = read_json(options.search / "result.json", Search, FIX).rows
    by_key = {c.key: c for c in read_json(options.search / "search.json", Plan, FIX).configurations}
    places = {event.build: event.path for event in events_of(options.search) if isinstance(event, Built)}
    for ref in ON_CIFAR10:
        path = options.out / f"{ref}.json"
        if path.exists():
            continue
        chosen = [by_key[row.key] for row in ways(ref, rows)]
        contestants = [Contestant(artifacts.read(places[c.build]), scenario_of(c.runtime)) for c in chosen]
        found = compare(contestants, Effort(limit_s=120))
        if isinstance(found, Failure):
            sys.exit(f"{found.what}: {found.reason}")
        answers = [evaluate(its.artifact, runtime=c.runtime) for its, c in zip(contestants, chosen, strict=True)]
        save_comparison(path, found, [{"correct": its.correct, "n": its.n} for its in answers])
        print("written", path, flush=True)


def ways(ref: str, rows: tuple[SearchRow, ...]) -> Iterator[SearchRow]:
    """Eager PyTorch, the fastest fp32 and the fastest int8, at the first look."""
    looks = [(row.latency_s.value, row) for row in rows if row.network == ref and row.latency_s]
    its = [row for _, row in sorted(looks, key=lambda look: look[0])]
    yield next(row for row in its if row.runtime == "torch")
    yield next(row for row in its if row.how == "fp32" and not row.runtime.endswith("bf16"))
    yield next(row for row in its if row.how.startswith("int8"))


def measured(folder: Path) -> Iterator[SavedComparison]:
    return (saved_comparison(folder / f"{ref}.json") for ref in ON_CIFAR10 if (folder / f"{ref}.json").exists())


def draw(axes: Any, found: list[SavedComparison], searches: list[Figure]) -> None:
    """A line for each network, from its name over PyTorch to int8; a ring around what each search chose."""
    for its in found:
        name = its.comparison.subjects[0].source_ref
        xs = [1e3 * seconds for seconds in (its.medians_s[0], *its.medians_s[AGAIN + 1 :])]
        ys = [100 * answers["correct"] / answers["n"] for answers in its.plans]
        axes.plot([MOST, *xs], [ys[0], *ys], color=QUIET, linewidth=0.7, alpha=0.5, zorder=1)
        for x, y, answers, (_, colour, marker) in zip(xs, ys, its.plans, WAYS, strict=True):
            low, high = (100 * bound for bound in proportion_interval(answers["correct"], answers["n"]))
            axes.errorbar(
                x, y, [[y - low], [high - y]], fmt=marker, color=colour, markersize=5, elinewidth=0.8, capsize=2
            )
        label = f" {name.partition('.')[0]}"
        axes.text(1, ys[0], label, transform=axes.get_yaxis_transform(), color=INK, fontsize=8, va="center")
    for label, colour, marker in WAYS:
        axes.plot([], [], marker, color=colour, markersize=5, label=label)
    label = "the most accurate\nwithin a dashed limit"
    for search in (search for search in searches if search["outcome"] == "met"):
        axes.axvline(float(search["latency"].removesuffix("ms")), color=QUIET, linewidth=1, linestyle="--", zorder=1)
        axes.plot(search["ms"], 100 * search["top_1"], "o", markersize=12, fillstyle="none", color=INK, label=label)
        label = ""
    axes.set_xscale("log")
    axes.set_xlim(TICKS[0], MOST)
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("latency of one image on one thread, ms", color=INK)
    axes.set_ylabel("top-1 on CIFAR-10's test images, % (95 %)", color=INK)
    dress(axes)
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.5))


if __name__ == "__main__":
    main()
