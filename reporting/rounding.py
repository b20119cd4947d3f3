"""How figures are printed: the only place of the report where they are rounded."""

from ..bench.rounding import figure
from .rows import Estimate


def megabytes(size_bytes: float) -> str:
    return figure(size_bytes / 1e6)


def percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def interval(estimate: Estimate | None, unit: float = 1.0, decimals: int | None = None) -> str:
    """ "4.05–4.13", in multiples of `unit`; "" where there is none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    ends = (estimate.low / unit, estimate.high / unit)
    return "–".join(figure(end) if decimals is None else f"{end:.{decimals}f}" for end in ends)
