"""The figures of a study as PNG and SVG: a line for each kind of network, with its interval over the seeds."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from ...core.estimates import mean_interval
from ...core.palette import COLOURS, MARKERS
from ...core.pictures import Kind, dress, picture
from .records import Condition, Figure, RunResult
from .study import Study
from .verdicts import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

STYLES = ("-", "--", ":", "-.")
MOST_MARKS = 12
POSITION = "position"  # stands for the axis of a series
KINDS: tuple[Kind, ...] = ("png", "svg")


class Point(NamedTuple):
    """A mean over seeds and its interval, without one where there is a single seed."""

    x: float
    mean: float
    low: float
    high: float


def plots(study: Study, results: Sequence[RunResult]) -> dict[str, bytes]:
    """The files by their names; the same runs give the same bytes."""
    runs = Runs(results)
    return {f"{figure.name}.{kind}": draw(study, figure, runs, kind) for figure in study.figures for kind in KINDS}


def draw(study: Study, figure: Figure, runs: Runs, kind: Kind) -> bytes:
    """One figure in one format."""

    def put(sheet: "Sheet") -> None:
        axes = sheet.add_subplot()
        lines = lines_of(figure, runs)
        for number, (label, points) in enumerate(lines.items()):
            _draw_line(axes, points, label, number)
        _dress(axes, study, figure)
        if figure.x in study.metrics:
            axes.set_xscale("log" if figure.log_x else "linear")
        else:
            _mark(axes, sorted({point.x for points in lines.values() for point in points}), figure.log_x)

    return picture(put, (8.4, 5.2), kind, dpi=150)


def lines_of(figure: Figure, runs: Runs) -> dict[str, list[Point]]:
    """The points of each line, by its label; none of one that could not be measured."""
    lines: dict[str, list[Point]] = {}
    for condition in runs.where(figure.where):
        label = " ".join(str(condition[field]) for field in figure.lines)
        lines.setdefault(label, []).extend(_points(figure, condition, runs))
    return {label: sorted(points) for label, points in lines.items() if points}


def _points(figure: Figure, condition: Condition, runs: Runs) -> Iterator[Point]:
    """Of the runs in which it could be measured."""
    known = [run.measured.series for run in runs.of(condition).values() if figure.y in run.measured.series]
    for position, there in enumerate(zip(*(each[figure.y] for each in known), strict=True)):
        place = position + 1.0 if figure.x == POSITION else known[0][figure.x][position]
        yield _point(place, there, figure.log_y)
    values = runs.values(condition, figure.y)
    varied = condition.get(figure.x)
    places = runs.values(condition, figure.x) if varied is None else dict.fromkeys(values, float(varied))
    if both := [seed for seed in values if seed in places]:
        yield _point(fmean(places[seed] for seed in both), [values[seed] for seed in both], figure.log_y)


def _point(x: float, values: Sequence[float], is_log: bool) -> Point:
    """On a logarithmic axis the geometric mean, whose interval does not reach below 0."""
    mean, (low, high) = mean_interval([math.log(value) for value in values] if is_log else values)
    low, high = (low, high) if len(values) > 1 else (mean, mean)
    return Point(x, *(math.exp(each) if is_log else each for each in (mean, low, high)))


def _draw_line(axes: "Axes", points: Sequence[Point], label: str, number: int) -> None:
    colour, style = COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]
    x, mean, low, high = zip(*points, strict=True)
    marker = MARKERS[number % len(MARKERS)] if len(points) < 30 else ""
    axes.plot(x, mean, style, color=colour, marker=marker, markersize=5, linewidth=1.4, label=label)
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    if len(points) == 1:  # which has no band
        axes.vlines(x, low, high, color=colour, linewidth=1.4)


def _dress(axes: "Axes", study: Study, figure: Figure) -> None:
    axes.set_title(figure.title, loc="left", fontsize=11)
    axes.set_xlabel(figure.x_title)
    axes.set_ylabel(textwrap.fill(study.metrics[figure.y], 50))
    if figure.log_y:
        axes.set_yscale("log")
    dress(axes)
    if axes.lines:
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.figure.supxlabel("bands and bars: 95 % intervals of the mean over the seeds", fontsize=8, x=0.99, ha="right")


def _mark(axes: "Axes", places: Sequence[float], is_log: bool) -> None:
    """Marks only where something was measured, as long as they do not crowd each other."""
    from matplotlib.ticker import MaxNLocator

    if is_log:
        axes.set_xscale("log")
    if is_log or len(places) <= MOST_MARKS:
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.set_xticks([], minor=True)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
