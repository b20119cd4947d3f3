"""The static plot of accuracy against latency, for a README: PNG or SVG."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import UsageError
from ..core.palette import COLOURS, INK, MARKERS, QUIET
from ..core.pictures import Kind, dress, picture
from .labels import labels
from .pareto import group
from .place import obstacles, place_label
from .rows import Estimate, Report, Row, Top1
from .text import split_of, splits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Setting = tuple[str, int]  # runtime and batch

MARKER_SIZE = 7
PANEL_INCHES = 4.7
MOST_LABELS = 14


class Style(NamedTuple):
    colour: str
    marker: str


class Point(NamedTuple):
    """A row that has an accuracy, and where it is drawn: x in ms, y in per cent, as (value, low, high)."""

    row: Row
    group: object
    x: tuple[float, float, float]
    y: tuple[float, float, float]

    @property
    def setting(self) -> Setting:
        """What its colour and its marker mean."""
        return self.row.runtime, self.row.batch

    @property
    def is_on_front(self) -> bool:
        return "latency" in self.row.pareto


def pareto_plot(report: Report, kind: Kind) -> bytes:
    """A colour for each runtime, a marker for each batch; the front is filled and joined. A panel for each data set.

    The same report gives the same bytes. Raises UsageError if no row has an accuracy.
    """
    points = [_point(row, row.accuracy, report) for row in report.rows if row.accuracy]
    if not points:
        raise UsageError(
            "no measurement has an accuracy, so there is nothing to plot against latency",
            "Measure it: `bench(REF, accuracy=DATASET)`.",
        )
    panels = [[point for point in points if split_of(point.row) == split] for split in splits(report.rows)]
    styles = _styles(report.rows)

    def draw(figure: "Figure") -> None:
        for number, panel in enumerate(panels, 1):
            axes = figure.add_subplot(len(panels), 1, number)
            _draw(axes, panel, styles)
            _scale(axes, panel)
            dress(axes, quiet=True)
        _add_legend(figure.axes[0], points, styles)
        _add_note(figure, left_out=len(report.rows) - len(points))
        figure.draw_without_rendering()  # the layout must be known before labels can be placed
        for axes, panel in zip(figure.axes, panels, strict=True):
            _label(axes, panel)

    return picture(draw, (8.4, 0.5 + PANEL_INCHES * len(panels)), kind)


def _point(row: Row, accuracy: Top1, report: Report) -> Point:
    return Point(row, group(row, report.hosts), _span(row.latency_s, 1e3), _span(accuracy, 100))


def _span(estimate: Estimate, scale: float) -> tuple[float, float, float]:
    """An interval that is not known has no length."""
    low, high = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
    return scale * estimate.value, scale * low, scale * high


def _styles(rows: Sequence[Row]) -> dict[Setting, Style]:
    """Over all rows, with an accuracy or without: so the page's plot has the same colours and markers."""
    runtimes, batches = list(dict.fromkeys(row.runtime for row in rows)), sorted({row.batch for row in rows})
    return {
        (runtime, batch): Style(COLOURS[r % len(COLOURS)], MARKERS[b % len(MARKERS)])
        for r, runtime in enumerate(runtimes)
        for b, batch in enumerate(batches)
    }


def _draw(axes: "Axes", points: Sequence[Point], styles: Mapping[Setting, Style]) -> None:
    for point in points:
        _draw_point(axes, point, styles[point.setting])
    for one in dict.fromkeys(point.group for point in points):
        front = sorted((p.x[0], p.y[0]) for p in points if p.group == one and p.is_on_front)
        axes.plot(*zip(*front, strict=True), ":", color=QUIET, linewidth=1, zorder=1, drawstyle="steps-post")


def _draw_point(axes: "Axes", point: Point, style: Style) -> None:
    colour, marker = style
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
    axes.set_ylabel(f"top-1 accuracy on {split_of(points[0].row)}, %", color=INK, parse_math=False)
    if is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.08, 0.12)


def _add_legend(axes: "Axes", points: Sequence[Point], styles: Mapping[Setting, Style]) -> None:
    """Above the plot, of what is in it."""
    drawn = {point.setting for point in points}
    has_batches = len({batch for _, batch in drawn}) > 1
    for (runtime, batch), (colour, marker) in styles.items():
        if (runtime, batch) in drawn:
            name = f"{runtime}, batch {batch}" if has_batches else runtime
            axes.plot([], [], marker, color=colour, label=name)
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.02),
        ncols=4,
        borderaxespad=0,
        fontsize=9,
        frameon=False,
        handletextpad=0.1,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _add_note(figure: "Figure", left_out: int) -> None:
    note = "filled, dotted: Pareto front; bars: 95 % intervals"
    note += f"; {left_out} without an accuracy left out" if left_out else ""
    figure.supxlabel(note, fontsize=8, color=QUIET, x=0.99, ha="right")


def _label(axes: "Axes", points: Sequence[Point]) -> None:
    """Name the points; of more than MOST_LABELS, only those on the front."""
    names = labels([point.row for point in points], without=("runtime", "batch"))
    radius = MARKER_SIZE / 2 * axes.figure.dpi / 72
    taken = [box for point in points for box in obstacles(axes, point.x, point.y, radius)]
    for point, name in zip(points, names, strict=True):
        if point.is_on_front or len(points) <= MOST_LABELS:
            taken.append(place_label(axes, (point.x[0], point.y[0]), name, taken))
