"""Labels beside points of a matplotlib plot, placed so that they cover as little as possible."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.palette import INK, QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

Span = tuple[float, float, float]
DIRECTIONS = ((1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
# where a label may stand, in points from its point, the best places first
OFFSETS = [(r * x, r * y) for r in (7, 12, 20, 32, 46) for x, y in DIRECTIONS]
# from here on, in points, a line leads from a label to its point
FAR = 18


def obstacles(axes: "Axes", x: Span, y: Span, radius: float) -> "list[Bbox]":
    """What a point and its intervals, each (value, low, high), cover: boxes in pixels."""
    from matplotlib.transforms import Bbox

    corners = [(x[0], y[0]), (x[1], y[1]), (x[2], y[2])]
    (cx, cy), (left, bottom), (right, top) = axes.transData.transform(corners)
    return [
        Bbox.from_extents(cx - radius, cy - radius, cx + radius, cy + radius),
        Bbox.from_extents(left, cy - 1, right, cy + 1),
        Bbox.from_extents(cx - 1, bottom, cx + 1, top),
    ]


def place_label(axes: "Axes", point: tuple[float, float], name: str, taken: "Sequence[Bbox]") -> "Bbox":
    """Write `name` where it covers least of what is `taken`, near places first; return its box."""
    label = axes.annotate(
        name, point, xytext=OFFSETS[0], textcoords="offset points", fontsize=8.5, color=INK, parse_math=False
    )

    def move(offset: tuple[int, int]) -> "Bbox":
        (x, y), sides = offset, ("center", "left", "right")
        label.set(position=offset, ha=sides[_sign(x)], va=("center", "bottom", "top")[_sign(y)])
        return label.get_window_extent()

    def cover(offset: tuple[int, int]) -> float:
        box = move(offset)
        outside = box.width * box.height - common_area(box, axes.bbox)
        return outside + sum(common_area(box, other) for other in taken)

    best = min(OFFSETS, key=cover)
    if math.hypot(*best) > FAR:
        line = {"arrowstyle": "-", "color": QUIET, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4}
        axes.annotate("", point, xytext=best, textcoords="offset points", arrowprops=line)
    return move(best)


def common_area(one: "Bbox", other: "Bbox") -> float:
    width = float(min(one.x1, other.x1) - max(one.x0, other.x0))
    height = float(min(one.y1, other.y1) - max(one.y0, other.y0))
    return max(width, 0.0) * max(height, 0.0)


def _sign(x: int) -> int:
    return (x > 0) - (x < 0)
