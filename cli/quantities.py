"""Bytes, rates and long times on the command line, as in `--size 1MB`, `--throughput 2000/s` and `--budget 30min`."""

import re
from collections.abc import Mapping
from decimal import Decimal

from ..core.errors import UsageError

BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
RATES = {"/s": 1}
LONG = {"s": 1, "min": 60, "h": 3600}


def parse_bytes(text: str, option: str) -> int:
    """ "1MB" -> 1,000,000. Raises UsageError for a number without its unit."""
    return int(_parsed(text, option, BYTES, "size", "1MB"))


def parse_rate(text: str, option: str) -> float:
    """ "2000/s" -> 2000.0, of images."""
    return float(_parsed(text, option, RATES, "number of images per second", "2000/s"))


def parse_long(text: str, option: str) -> float:
    """ "30min" -> 1800.0, in seconds."""
    return float(_parsed(text, option, LONG, "time", "30min"))


def _parsed(text: str, option: str, units: Mapping[str, int], what: str, example: str) -> Decimal:
    match = re.fullmatch(rf"(\d+\.?\d*|\.\d+) ?({'|'.join(map(re.escape, units))})", text, re.ASCII)
    if match and (number := Decimal(match[1])) and number * units[match[2]] >= 1:
        return number * units[match[2]]
    raise UsageError(
        f"{option} {text!r} is no {what} above 0", f"Write it with its unit, {' or '.join(units)}: {option} {example}."
    )
