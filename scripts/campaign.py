"""Trying something again and again, with what came of each time kept in a log that an interrupted run goes on from."""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def options(description: str | None, what: str) -> argparse.Namespace:
    """`what` is what is counted: the script takes --WHAT, --seed, --log and --out."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(f"--{what}", dest="times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def run(chosen: argparse.Namespace, trials: Iterator[Row], summary: Callable[[list[Row], int], Any]) -> None:
    """Log each of the trials that are left, then print the summary of all that the log has."""
    with chosen.log.open("a") as log:
        for row in trials:
            print(json.dumps(row), file=log, flush=True)
            print(*row.values(), flush=True)
    text = json.dumps(summary(rows_of(chosen.log), chosen.seed), indent=2)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n")


def rows_of(log: Path) -> list[Row]:
    """Those of earlier runs."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
