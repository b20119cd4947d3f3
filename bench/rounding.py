"""How figures are printed. Nothing is rounded before."""

import math


def figure(value: float) -> str:
    """Three significant digits, none of them lost: 4.1 -> "4.10", 0.0789 -> "0.0789", 1234.5 -> "1,234"."""
    rounded = float(f"{value:.2e}")
    decimals = max(2 - math.floor(math.log10(abs(rounded))), 0) if rounded else 0
    return f"{value:,.{decimals}f}"


def milliseconds(seconds: float) -> str:
    return figure(1e3 * seconds)
