"""Measure again what the tables of the docs say: `python scripts/verify_docs.py [--all]`, which is `make verify-docs`.

A sample by default: two cards, two counted accuracies, one comparison. What cannot be measured here (no such data set,
another machine) is said. Ends with 1 where a figure differs.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

from figures import MEASUREMENTS, known, saved_comparison

from reszoo import zoo
from reszoo.export.contract.options import ExportOptions
from reszoo.export.exporting import exported
from reszoo.workflows.verifying import Verified, accuracy_again, lacking, of_checkpoint, of_comparison, tried

T = TypeVar("T")
CARDS, FIGURES, COMPARISONS = 2, 2, 1  # of a sample


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="not a sample: hours")
    parser.add_argument("--seed", type=int, default=0, help="another sample")
    options = parser.parse_args()
    found = []
    for each in claims(options):
        found.append(each)
        said = ", ".join(filter(None, (each.found, each.by)))
        print(f"{each.outcome:24} {each.what}: {each.claimed}; {said}", flush=True)
    counts = {outcome: sum(each.outcome == outcome for each in found) for outcome in ("reproduced", "differs")}
    print(f"{len(found)} claims: {counts['reproduced']} reproduced, {counts['differs']} differ")
    return int(counts["differs"] > 0)


def claims(options: argparse.Namespace) -> Iterator[Verified]:
    draw = random.Random(options.seed)  # noqa: S311

    def some(several: list[T], n: int) -> list[T]:
        return several if options.all else draw.sample(several, min(n, len(several)))

    here = [found for card in zoo.list_models() if card.where != "local" and (found := zoo.find(card.ref))]
    for checkpoint in some(here, CARDS):
        yield from of_checkpoint(checkpoint)
    for figure in some(known(MEASUREMENTS / "runtimes" / "accuracy.json"), FIGURES):
        yield counted(figure)
    for path in some(sorted((MEASUREMENTS / "speed").glob("*.json")), COMPARISONS):
        yield from of_comparison(saved_comparison(path).comparison, path.name)


def counted(figure: dict[str, Any]) -> Verified:
    """A top-1 of docs/runtimes.md: the artifact is made again, and answers all images again."""
    runtime, format_name, precision = figure["runtime"], figure["format"], figure["precision"]
    what = f"docs/runtimes.md: {figure['network']} {format_name} {precision} on {runtime}"
    source = zoo.find(figure["network"])
    claimed = f"{figure['correct']} of {figure['n']}"
    if source is None:
        return lacking(what, claimed, "the checkpoint is not on this machine")
    artifact = tried(what, claimed, lambda: exported(source, format_name, ExportOptions(precision=precision)))
    if isinstance(artifact, Verified):
        return artifact
    value = figure["correct"] / figure["n"]
    return accuracy_again(what, value, figure["n"], artifact, source.dataset, "test", runtime)


if __name__ == "__main__":
    sys.exit(main())
