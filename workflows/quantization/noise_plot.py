"""The picture of a bisect: SQNR layer by layer, and what the likely cause's tensor holds against what 8 bits cover."""

from math import ceil, nan
from typing import TYPE_CHECKING

import numpy as np

from ...core.palette import COLOURS, INK, QUIET
from ...core.pictures import Kind, dress, picture
from ...export.explanation import Explanation
from ...quantize.diagnosis import LEAST_DB, Diagnosis
from ...quantize.noise import EXACT_DB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, RED, GREEN, *_ = COLOURS
LONGEST = 26
MOST_LABELS = 56  # more names do not fit side by side


def noise_plot(explanation: Explanation, kind: Kind) -> bytes:
    """Two panels. The same explanation gives the same bytes."""

    def draw(figure: "Figure") -> None:
        above, below = figure.subplots(2, height_ratios=(3, 2))
        _draw_layers(above, explanation)
        _draw_histogram(below, explanation.diagnosis)
        for axes in (above, below):
            _dress(axes)
        title = f"{explanation.ref}, {explanation.n} images of {explanation.images}"
        figure.suptitle(title, color=INK, fontsize=11).set_parse_math(False)

    return picture(draw, (9.6, 7.6), kind)


def _draw_layers(axes: "Axes", explanation: Explanation) -> None:
    layers = explanation.layers
    for label, colour, style, values in (
        ("the layer alone", BLUE, "o-", [layer.own_db for layer in layers]),
        ("all layers up to it", GREEN, "s-", [layer.so_far_db for layer in layers]),
    ):
        heights = [value if value < EXACT_DB else nan for value in values]
        axes.plot(heights, style, color=colour, markersize=4, linewidth=1.2, label=label)
    axes.axhline(LEAST_DB, color=QUIET, linestyle="--", linewidth=1, label=f"{LEAST_DB:g} dB, the least for a layer")
    names = [layer.name for layer in layers]
    bad = explanation.bad.name if explanation.bad else None
    marked = names.index(bad if bad in names else explanation.diagnosis.layer)
    label = "first bad layer" if bad in names else "weakest layer"
    axes.axvspan(marked - 0.5, marked + 0.5, color=RED, alpha=0.18, linewidth=0, label=f"{label}: {names[marked]}")
    step = ceil(len(names) / MOST_LABELS)
    ticks = sorted({marked, *(i for i in range(0, len(names), step) if abs(i - marked) >= step)})
    axes.set_xticks(ticks, [_short(names[i]) for i in ticks], rotation=90, fontsize=7, parse_math=False)
    axes.set_xlim(-1, len(names))
    axes.set_ylabel("SQNR, dB", color=INK)


def _draw_histogram(axes: "Axes", diagnosis: Diagnosis) -> None:
    seen = diagnosis.histogram
    axes.stairs(seen.counts, np.linspace(*seen.span, len(seen.counts) + 1), fill=True, color=BLUE)
    axes.axvspan(*seen.covered, color=QUIET, alpha=0.12, linewidth=0, label="what its 8 bits cover", zorder=0)
    for label, colour, style, (low, high) in (
        ("99.9 % of the values", RED, "--", seen.usual),
        ("99.9 % of a usual channel", GREEN, "-", seen.channel),
    ):
        axes.axvline(low, color=colour, linestyle=style, linewidth=1.2, label=label)
        axes.axvline(high, color=colour, linestyle=style, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_ylabel("values", color=INK)
    unit = ", in steps of each channel" if diagnosis.source == "weights" else ""
    axes.set_xlabel(f"{seen.tensor}, {_role(diagnosis)} of {diagnosis.layer}{unit}", color=INK, parse_math=False)


def _role(diagnosis: Diagnosis) -> str:
    return "weights" if diagnosis.source == "weights" else f"the {diagnosis.source}"


def _short(name: str) -> str:
    """A name that fits under an axis: "stages.1.0.s…average_pool"."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2 - 1]}…{name[-LONGEST // 2 :]}"


def _dress(axes: "Axes") -> None:
    dress(axes, quiet=True)
    legend = axes.legend(fontsize=8.5, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0)
    for text in legend.get_texts():
        text.set_parse_math(False)
