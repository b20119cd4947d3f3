"""How figures are printed. Nothing is rounded before."""

import decimal
import math


def figure(value: float) -> str:
    """Three significant digits, none of them lost: 4.1 -> "4.10", 0.0789 -> "0.0789", 1234.5 -> "1,234"."""
    rounded = float(f"{value:.2e}")
    decimals = max(2 - math.floor(math.log10(abs(rounded))), 0) if rounded else 0
    return f"{value:,.{decimals}f}"


def milliseconds(seconds: float) -> str:
    return figure(1e3 * seconds)


def at_least(value: float, digits: int = 3) -> str:
    """The least number of so many significant digits that is not below: a limit that the value keeps."""
    upwards = decimal.Context(prec=digits, rounding=decimal.ROUND_CEILING)
    return f"{upwards.create_decimal(repr(value)).normalize():f}"
