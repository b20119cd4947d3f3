"""The table of what ships and how it was proven, from what `scripts/shipped.py` tried."""

import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

from markdown import table

FILE = Path(__file__).resolve().parent.parent / "docs" / "measurements" / "shipped" / "ways.json"
Figure = dict[str, Any]


def shipped() -> str:
    """A row a format, precision and input: over all batches, the least agreement of any way, and run.py's accuracy."""
    figures: list[Figure] = json.loads(FILE.read_text())["figures"]
    networks = list(dict.fromkeys(each["network"] for each in figures))
    rows = []
    for key, group in groupby(sorted(figures, key=_key), _key):
        several = list(group)
        proven = [each for each in several if "ways" in each]
        ways = dict.fromkeys(way for each in proven for way, *_ in each["ways"])
        batches = ", ".join(f"fixed {each}" if each else "1 3 32" for each in _batches(proven))
        agreement = min((way[3] for each in proven for way in each["ways"]), default=None)
        accuracies = [_accuracy([each for each in proven if each["network"] == network]) for network in networks]
        refused = f"{len(several) - len(proven)} refused" if len(proven) < len(several) else ""
        least = "" if agreement is None else f"{100 * agreement:.1f} %"
        rows.append((*key, ", ".join(ways), batches, least, *accuracies, refused))
    header = ("format", "", "input", "ways", "batches", "agreement, at least", *map(_short, networks), "")
    return table(header, rows)


def shipped_images() -> str:
    figures: list[Figure] = json.loads(FILE.read_text())["figures"]
    return f"{min(each['n'] for each in figures if 'n' in each):,} test images\n"


def _key(each: Figure) -> tuple[str, str, str]:
    return each["format"], each["precision"], each["input"]


def _short(network: str) -> str:
    return network.partition(".")[0]


def _batches(proven: list[Figure]) -> list[int | None]:
    return list(dict.fromkeys(each["batch"] for each in proven))


def _accuracy(several: list[Figure]) -> str:
    """The same for all batches, or from the lowest to the highest."""
    found = sorted(100 * each["correct"] / each["n"] for each in several)
    if not found:
        return ""
    low, high = f"{found[0]:.2f}", f"{found[-1]:.2f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


SHIPPED_TABLES: dict[str, Callable[[], str]] = {"shipped": shipped, "shipped_images": shipped_images}
