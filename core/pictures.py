"""A figure of matplotlib as the bytes of a file, in the look that all plots share."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from .missing import require
from .palette import LINE, QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["png", "svg"]
Grid = Literal["both", "x", "y"]


def picture(
    draw: Callable[["Figure"], None],
    inches: tuple[float, float],
    kind: Kind,
    font_size: float = 10,
    dpi: int = 200,
) -> bytes:
    """What ``draw`` puts on an empty white figure; the same drawing gives the same bytes.

    Args:
        draw: Gets the figure, whose layout is constrained, while the fonts are set.
        inches: Width and height.
        kind: The format of the file.
        font_size: In points.
        dpi: Pixels an inch of a PNG.

    Raises:
        UnavailableError: matplotlib is not installed.
    """
    require("matplotlib", "to plot", extra="plot")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "reszoo", "font.family": "DejaVu Sans", "font.size": font_size}):
        figure = Figure(figsize=inches, layout="constrained", facecolor="white")
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def dress(axes: "Axes", grid: Grid = "both", *, quiet: bool = False) -> None:
    """A light grid behind the data, and no frame above or on the right; ``quiet`` also greys the axes themselves."""
    axes.grid(axis=grid, color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if quiet:
        axes.spines[["left", "bottom"]].set_color(LINE)
        axes.tick_params(colors=QUIET)
        axes.tick_params(which="minor", length=0)
