"""How figures are printed: the only place of the report where they are rounded."""

import math

from .rows import Estimate


def figure(value: float) -> str:
    """Three significant digits, none of them lost: 4.1 -> "4.10", 0.0789 -> "0.0789", 1234.5 -> "1,234"."""
    rounded = float(f"{value:.2e}")
    decimals = max(2 - math.floor(math.log10(abs(rounded))), 0) if rounded else 0
    return f"{value:,.{decimals}f}"


def milliseconds(seconds: float) -> str:
    return figure(1e3 * seconds)


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
