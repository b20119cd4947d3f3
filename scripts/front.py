"""Accuracy against latency of the networks for CIFAR-10, in PyTorch and as what is fastest: docs/front.svg.

    python scripts/front.py measure    # after `scripts/optimize.py networks`, on an idle machine: about 15 minutes
    python scripts/front.py plot

Of each network three ways to run it with one thread and batch 1, measured in turn: eager PyTorch, and what was the
fastest in fp32 and in int8 when that search looked at all candidates. Top-1 is of the 10,000 test images, which chose
nothing. A network that is measured already is not measured again.
"""

import argparse
import io
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
from reszoo.core.palette import COLOURS, INK, LINE, QUIET
from reszoo.core.statistics import proportion_interval
from reszoo.export import artifacts
from reszoo.reporting.search import Search, SearchRow
from reszoo.workflows.evaluating import evaluate
from reszoo.workflows.optimization.records import Built, Plan

OUT = MEASUREMENTS / "optimize" / "front"
PLOT = MEASUREMENTS.parent / "front.svg"
FIX = "Run `scripts/optimize.py networks` first."
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
        write_atomic(options.plot, picture(found, known(options.out.parent / "networks.json")))
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


def picture(found: list[SavedComparison], searches: list[Figure]) -> bytes:
    """The same figures give the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context({"svg.hashsalt": "reszoo", "font.family": "DejaVu Sans", "font.size": 9}):
        canvas = Canvas(figsize=(6.6, 4.4), layout="constrained", facecolor="white")
        draw(canvas.subplots(), found, searches)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def draw(axes: Any, found: list[SavedComparison], searches: list[Figure]) -> None:
    """A line for each network, from PyTorch to int8; a ring around what a search chose for each limit."""
    limits = {search["network"]: search["latency"] for search in searches if "network" in search}
    for its in found:
        name = its.comparison.subjects[0].source_ref
        xs = [1e3 * seconds for seconds in (its.medians_s[0], *its.medians_s[AGAIN + 1 :])]
        ys = [100 * answers["correct"] / answers["n"] for answers in its.plans]
        axes.plot(xs, ys, color=LINE, linewidth=1.2, zorder=1)
        for x, y, answers, (_, colour, marker) in zip(xs, ys, its.plans, WAYS, strict=True):
            low, high = (100 * bound for bound in proportion_interval(answers["correct"], answers["n"]))
            axes.errorbar(
                x, y, [[y - low], [high - y]], fmt=marker, color=colour, markersize=5, elinewidth=0.8, capsize=2
            )
        label = name.partition(".")[0]
        if name in limits:
            axes.plot(xs[-1], ys[-1], "o", markersize=12, fillstyle="none", color=INK)
            label += f", best within {limits[name]}"
        axes.annotate(label, (xs[-1], ys[-1]), (-4, 9), textcoords="offset points", color=INK, fontsize=8)
    for label, colour, marker in WAYS:
        axes.plot([], [], marker, color=colour, markersize=5, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("latency of one image on one thread, ms", color=INK)
    axes.set_ylabel("top-1 on CIFAR-10's test images, % (95 %)", color=INK)
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")


if __name__ == "__main__":
    main()
