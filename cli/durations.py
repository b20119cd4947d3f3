"""Durations on the command line, as in `--max-latency 0.5ms`."""

import re
from decimal import Decimal

from ..core.errors import UsageError

UNITS = {"us": Decimal("1e-6"), "µs": Decimal("1e-6"), "ms": Decimal("1e-3"), "s": Decimal(1)}
DURATION = re.compile(rf"(\d+\.?\d*|\.\d+) ?({'|'.join(UNITS)})", re.ASCII)


def parse_duration(text: str, option: str) -> float:
    """ "0.5ms" -> 0.0005, in seconds. Raises UsageError for all else, and for a number without its unit."""
    if (match := DURATION.fullmatch(text)) and (number := Decimal(match[1])):
        return float(number * UNITS[match[2]])
    raise UsageError(
        f"{option} {text!r} is no duration above 0", f"Write it with its unit, us, ms or s: {option} 0.5ms."
    )
