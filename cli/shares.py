"""Shares on the command line, as in `--max-drop 0.5%`."""

import re
from decimal import Decimal

from ..core.errors import UsageError

SHARE = re.compile(r"(\d+\.?\d*|\.\d+)(%?)", re.ASCII)


def parse_share(text: str, option: str, fix: str = "") -> float:
    """ "0.5%" -> 0.005, and "0.005" -> 0.005.

    Raises UsageError for all else, and for a bare "1": it may be meant as 1 %, and would be everything. `fix` says how
    to write it where half a percent is no likely example.
    """
    if match := SHARE.fullmatch(text):
        number, percent = Decimal(match[1]), match[2]
        if percent and number <= 100:
            return float(number / 100)  # in decimals, because 0.7 / 100 in floats is not 0.007
        if not percent and number < 1:
            return float(number)
    raise UsageError(
        f"{option} {text!r} is neither a percentage from 0% to 100% nor a fraction below 1",
        fix or f"Write half a percent as {option} 0.5% or {option} 0.005.",
    )
