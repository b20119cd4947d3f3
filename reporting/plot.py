"""The static plot of accuracy against latency, for a README: PNG or SVG."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..core.errors import UsageError
from ..core.missing import require
from .labels import labels
from .pareto import group
from .place import obstacles, place_label
from .rows import Estimate, Report, Row, Top1
from .text import accuracy_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colours, which colour-blind readers can tell apart; without yellow, which is faint on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^Pv*"
INK, QUIET, LINE = "#1b1f24", "#59616b", "#dfe3e8"
MARKER_SIZE = 7
MOST_LABELS = 14


class Point(NamedTuple):
    """A row that has an accuracy, and where it is drawn: x in ms, y in per cent, as (value, low, high)."""

    row: Row
    group: object
    x: tuple[float, float, float]
    y: tuple[float, float, float]

    @property
    def kind(self) -> tuple[str, int]:
        """What its colour and its marker mean: runtime and batch."""
        return self.row.runtime, self.row.batch

    @property
    def is_on_front(self) -> bool:
        return "latency" in self.row.pareto


def pareto_plot(report: Report, kind: Literal["png", "svg"]) -> bytes:
    """A colour for each runtime, a marker for each batch; the front is filled and joined.

    The same report gives the same bytes. Raises UsageError if no row has an accuracy.
    """
    require("matplotlib", "to plot", extra="plot")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    points = [_point(row, row.accuracy, report) for row in report.rows if row.accuracy]
    if not points:
        raise UsageError(
            "no measurement has an accuracy, so there is nothing to plot against latency",
            "Measure it: `bench(REF, accuracy=DATASET)`.",
        )
    with mpl.rc_context({"svg.hashsalt": "reszoo", "font.family": "DejaVu Sans", "font.size": 10}):
        figure = Figure(figsize=(8.4, 5.2), layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        _draw(axes, points)
        _scale(axes, points)
        _dress(axes, left_out=len(report.rows) - len(points))
        figure.draw_without_rendering()  # the layout must be known before labels can be placed
        _label(axes, points)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def _point(row: Row, accuracy: Top1, report: Report) -> Point:
    return Point(row, group(row, report.hosts), _span(row.latency_s, 1e3), _span(accuracy, 100))


def _span(estimate: Estimate, scale: float) -> tuple[float, float, float]:
    """An interval that is not known has no length."""
    low, high = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
    return scale * estimate.value, scale * low, scale * high


def _draw(axes: "Axes", points: Sequence[Point]) -> None:
    runtimes = list(dict.fromkeys(point.row.runtime for point in points))
    batches = sorted({point.row.batch for point in points})
    for runtime, batch in sorted({point.kind for point in points}, key=lambda kind: (runtimes.index(kind[0]), kind[1])):
        colour = COLOURS[runtimes.index(runtime) % len(COLOURS)]
        marker = MARKERS[batches.index(batch) % len(MARKERS)]
        name = f"{runtime}, batch {batch}" if len(batches) > 1 else runtime
        axes.plot([], [], marker, color=colour, label=name)  # for the legend
        for point in points:
            if point.kind == (runtime, batch):
                _draw_point(axes, point, colour, marker)
    for one in dict.fromkeys(point.group for point in points):
        front = sorted((p.x[0], p.y[0]) for p in points if p.group == one and p.is_on_front)
        axes.plot(*zip(*front, strict=True), ":", color=QUIET, linewidth=1, zorder=1, drawstyle="steps-post")


def _draw_point(axes: "Axes", point: Point, colour: str, marker: str) -> None:
    (x, left, right), (y, bottom, top) = point.x, point.y
    axes.errorbar(
        x,
        y,
        xerr=[[x - left], [right - x]],
        yerr=[[y - bottom], [top - y]],
        fmt=marker,
        color=colour,
        markerfacecolor=colour if point.is_on_front else "white",
        markersize=MARKER_SIZE,
        ecolor=(colour, 0.55),
        elinewidth=1,
        capsize=2,
    )


def _scale(axes: "Axes", points: Sequence[Point]) -> None:
    """Axes with their units; latency is logarithmic where it spans more than a factor of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    batches = {point.row.batch for point in points}
    of = f"of a batch of {batches.pop()}" if len(batches) == 1 else "of a batch"
    latencies = [point.x[0] for point in points]
    is_log = max(latencies) > 10 * min(latencies)
    axes.set_xlabel(f"latency {of}, ms" + (" (log scale)" if is_log else ""), color=INK)
    axes.set_ylabel(accuracy_title([point.row for point in points]), color=INK, parse_math=False)
    if is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.08, 0.12)


def _dress(axes: "Axes", left_out: int) -> None:
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=QUIET)
    axes.tick_params(which="minor", length=0)
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.02),  # above the plot
        ncols=4,
        borderaxespad=0,
        fontsize=9,
        frameon=False,
        handletextpad=0.1,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    note = "filled, dotted: Pareto front; bars: 95 % intervals"
    note += f"; {left_out} without an accuracy left out" if left_out else ""
    axes.figure.supxlabel(note, fontsize=8, color=QUIET, x=0.99, ha="right")


def _label(axes: "Axes", points: Sequence[Point]) -> None:
    """Name the points; of more than MOST_LABELS, only those on the front."""
    names = labels([point.row for point in points], without=("runtime", "batch"))
    radius = MARKER_SIZE / 2 * axes.figure.dpi / 72
    taken = [box for point in points for box in obstacles(axes, point.x, point.y, radius)]
    for point, name in zip(points, names, strict=True):
        if point.is_on_front or len(points) <= MOST_LABELS:
            taken.append(place_label(axes, (point.x[0], point.y[0]), name, taken))
