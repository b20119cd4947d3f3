"""The picture of a sensitivity analysis: the accuracy when a share of one channel group's channels is dropped."""

from collections.abc import Sequence
from math import ceil, nan
from typing import TYPE_CHECKING

from ...core.palette import COLOURS, INK, MARKERS, QUIET
from ...core.pictures import Kind, dress, picture
from ...core.statistics import proportion_interval
from ...prune.sensitivity import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS = 56  # more names do not fit side by side


def sensitivity_plot(ref: str, unpruned: float, rows: Sequence[Row], kind: Kind) -> bytes:
    """A line for each ratio over the channel groups in the network's order; `unpruned` is the accuracy before pruning.

    The same rows give the same bytes.
    """

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        _draw(axes, unpruned, rows)
        accuracy = rows[0].accuracy
        title = f"{ref}: one channel group pruned at a time, not fine-tuned; val may have been trained on"
        axes.set_title(title, color=INK, fontsize=11, parse_math=False)
        axes.set_ylabel(f"top-1 on {accuracy.n} {accuracy.split} images of {accuracy.dataset}, %", color=INK)
        dress(axes, grid="y")
        axes.legend(frameon=False, fontsize=8, loc="lower right")

    return picture(draw, (9.6, 5.4), kind)


def _draw(axes: "Axes", unpruned: float, rows: Sequence[Row]) -> None:
    groups = list(dict.fromkeys(row.group for row in rows))
    accuracies = {(row.group, row.ratio): row.accuracy for row in rows}
    for i, ratio in enumerate(sorted({row.ratio for row in rows})):
        known = [accuracies.get((group, ratio)) for group in groups]
        heights = [100 * accuracy.value if accuracy else nan for accuracy in known]
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        axes.plot(heights, marker + "-", color=colour, markersize=4, linewidth=1.2, label=f"{100 * ratio:g} % dropped")
        bounds = [proportion_interval(a.correct, a.n) if a else (nan, nan) for a in known]
        lows, highs = zip(*bounds, strict=True)
        axes.fill_between(
            range(len(groups)), [100 * v for v in lows], [100 * v for v in highs], color=colour, alpha=0.15, linewidth=0
        )
    axes.axhline(100 * unpruned, color=QUIET, linestyle="--", linewidth=1, label="nothing dropped")
    step = ceil(len(groups) / MOST_LABELS)
    ticks = range(0, len(groups), step)
    axes.set_xticks(ticks, [groups[i] for i in ticks], rotation=90, fontsize=7)
    axes.set_xlim(-1, len(groups))
