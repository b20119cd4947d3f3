"""The figures of docs/measurements/: what the tables need of what was measured, a line for each, in plain JSON.

Samples do not go into git. Of a comparison the medians of its blocks stay, in nanoseconds, which is all that its ratios
read, and each contestant's median over all samples.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from reszoo.core.documents import convert, read_json, to_builtins
from reszoo.core.files import write_atomic
from reszoo.core.hosts import describe
from reszoo.core.measured import Block, Comparison, Measurement

MEASUREMENTS = Path(__file__).resolve().parent.parent / "docs" / "measurements"
FIX = "Run scripts/measure.py."
Document = dict[str, Any]
Figure = dict[str, Any]


class SavedComparison(NamedTuple):
    """A comparison whose blocks have one sample, their median; and what each contestant is, where it has to be told."""

    comparison: Comparison
    medians_s: list[float]
    plans: list[Any]


def load(name: str) -> Document:
    """By its path under docs/measurements, without ".json"."""
    document: Document = json.loads((MEASUREMENTS / f"{name}.json").read_text())
    return document


def known(path: Path) -> list[Figure]:
    """The figures of a part that may not be there yet."""
    found: list[Figure] = json.loads(path.read_text())["figures"] if path.exists() else []
    return found


def write(path: Path, figures: object) -> None:
    """With the machine that they were made on."""
    save(path, {"host": to_builtins(describe()), "figures": figures})


def save(path: Path, document: Mapping[str, Any]) -> None:
    """A line for each field, and for each item of a list in it."""
    fields = ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in document.items())
    write_atomic(path, f"{{\n{fields}\n}}\n".encode())


def _lines(value: object) -> str:
    if not (isinstance(value, list) and value and isinstance(value[0], (dict, list))):
        return json.dumps(value, ensure_ascii=False)
    return "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in value) + "\n]"


def summary(m: Measurement) -> Figure:
    """A measurement without its samples and its host."""
    plain = to_builtins(m)
    kept = ("subject", "started_at", "cold_start", "memory", "conditions", "warnings", "accuracy")
    return {"median_s": m.median_s, "interval_s": m.interval_s} | {name: plain[name] for name in kept}


def save_comparison(path: Path, c: Comparison, plans: list[Any] | None = None) -> None:
    """What `reszoo compare` found. Of each subject only what differs from the baseline."""
    first, *others = (to_builtins(subject) for subject in c.subjects)
    save(
        path,
        {
            "host": to_builtins(c.host),
            "started_at": c.started_at,
            "gate": c.gate,
            "warnings": [to_builtins(warning) for warning in c.warnings],
            "subjects": [first, *(_changes(first, other) for other in others)],
            "plans": plans or [],
            "medians_s": [c.median_s(contestant) for contestant in range(len(c.subjects))],
            "block_medians_ns": [
                [_medians_ns(blocks, contestant) for contestant in range(len(c.subjects))] for blocks in c.rounds
            ],
        },
    )


def saved_comparison(path: Path) -> SavedComparison:
    document = json.loads(path.read_text())
    first, *changes = document["subjects"]
    comparison = {
        "schema": 1,
        "subjects": [first, *(_merged(first, change) for change in changes)],
        "rounds": [list(_blocks(medians)) for medians in document["block_medians_ns"]],
        "conditions": [],
        **{name: document[name] for name in ("host", "started_at", "gate", "warnings") if name in document},
    }
    return SavedComparison(convert(comparison, Comparison, str(path), FIX), document["medians_s"], document["plans"])


def saved_comparisons(folder: str) -> list[SavedComparison]:
    """In the order in which they were run."""
    found = [saved_comparison(path) for path in (MEASUREMENTS / folder).glob("*.json")]
    return sorted(found, key=lambda each: each.comparison.started_at)


def comparison_in(folder: Path) -> Comparison:
    """The only one that `reszoo compare --out` has written there."""
    (path,) = folder.glob("compare.*.json")
    return read_json(path, Comparison, FIX)


def _medians_ns(blocks: tuple[Block, ...], contestant: int) -> list[int]:
    return [round(1e9 * median(block.samples_s)) for block in blocks if block.contestant == contestant]


def _blocks(medians: list[list[int]]) -> Iterator[Figure]:
    for contestant, of_contestant in enumerate(medians):
        for nanoseconds in of_contestant:
            yield {"contestant": contestant, "samples_s": [nanoseconds / 1e9]}


def _changes(first: Figure, other: Figure) -> Figure:
    """The fields of `other` that are not as in `first`, in dicts within it too."""
    changed = {name: value for name, value in other.items() if value != first[name]}
    inner = {name: _changes(first[name], value) for name, value in changed.items() if isinstance(value, dict)}
    return changed | inner


def _merged(first: Figure, changes: Figure) -> Figure:
    inner = {name: _merged(first[name], value) for name, value in changes.items() if isinstance(value, dict)}
    return first | changes | inner
