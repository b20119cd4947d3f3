"""Write the tables of README.md and docs/ from docs/measurements/: `python scripts/tables.py [--check]`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. With --check nothing is written, and a table that is
not what the measurements say ends the script with 1.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from reszoo.bench.statistics import median as sample_median
from reszoo.core.documents import read_json
from reszoo.core.types import Measurement

ROOT = Path(__file__).resolve().parent.parent
MEASUREMENTS = ROOT / "docs" / "measurements"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def speed() -> str:
    """Latency of PyTorch and ONNX Runtime per network and batch: the median over rounds of each round's median."""
    rounds: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for m in measurements("latency"):
        rounds[m.source_ref, m.scenario.batch][m.scenario.runtime].append(1e3 * sample_median(m.samples_s))
    accuracy = {(m.source_ref, m.scenario.runtime): m.accuracy.value for m in measurements("accuracy") if m.accuracy}
    rows = []
    for (network, batch), by_runtime in sorted(rounds.items()):
        torch, ort = by_runtime["torch"], by_runtime["onnxruntime"]
        ratios = sorted(t / o for t, o in zip(torch, ort, strict=True))
        rows.append(
            (
                network,
                batch,
                f"{median(torch):.2f}",
                f"{median(ort):.2f}",
                f"{median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})",
                f"{accuracy[network, 'torch']:.4f}",
                f"{accuracy[network, 'onnxruntime']:.4f}",
            )
        )
    header = (
        *("network", "batch", "PyTorch eager, ms", "ONNX Runtime, ms", "times faster"),
        *("accuracy, PyTorch", "accuracy, ONNX Runtime"),
    )
    return table(header, rows)


def accuracy() -> str:
    """Published against measured top-1 on the 10,000 test images of CIFAR-10."""
    from reszoo import zoo

    found = {(m.source_ref, m.scenario.runtime): m.accuracy for m in measurements("accuracy")}
    rows = []
    for network in sorted({network for network, _ in found}):
        published = zoo.cards()[network].accuracy
        measured = [found[network, runtime] for runtime in ("torch", "onnxruntime")]
        rows.append((network, f"{published.value:.4f}", *(f"{m.value:.4f}" for m in measured), measured[0].n))
    return table(("checkpoint", "published", "PyTorch", "ONNX Runtime", "n"), rows)


def startup() -> str:
    seconds = json.loads((MEASUREMENTS / "startup.json").read_text())["seconds"]
    base = seconds["python -c pass"]
    rows = []
    for name, samples in seconds.items():
        ratio = median(s / b for s, b in zip(samples, base, strict=True))
        rows.append((f"`{name}`", f"{1e3 * median(samples):.0f}", f"{ratio:.1f}", len(samples)))
    return table(("command", "median ms", "times `python -c pass`", "runs"), rows)


def export() -> str:
    seconds = json.loads((MEASUREMENTS / "export.json").read_text())["seconds"]
    rows = [
        (name, f"{median(samples):.1f}", f"{min(samples):.1f} to {max(samples):.1f}", len(samples))
        for name, samples in seconds.items()
    ]
    return table(("network", "median s", "range", "runs"), rows)


def bundled() -> str:
    """The checkpoints that come with the package, from their own records."""
    from reszoo import zoo

    rows = []
    for ref in (ref for ref in zoo.resolve("*") if zoo.summary(ref).where == "bundled"):
        record = json.loads((zoo.load(ref).weights_path.parent / "training.json").read_text())
        low, high = record["interval"]
        accuracy = record["accuracy"]
        rows.append(
            (
                f"`{ref}`",
                f"{accuracy['correct'] / accuracy['n']:.4f} ({low:.4f} to {high:.4f}, n = {accuracy['n']})",
                f"`{_command(ref, record['run'])}`",
            )
        )
    return table(("checkpoint", "accuracy", "made by"), rows)


def _command(ref: str, run: dict[str, Any]) -> str:
    """The command line of a run: its recipe, and what it overrode."""
    from reszoo import train
    from reszoo.core.documents import to_builtins

    recipe = run["recipe"]
    named = json.loads(json.dumps(to_builtins(train.load(recipe["name"]))))  # tuples become lists, as in the record
    changes = {key: value for key, value in recipe.items() if value != named[key]}
    if named["precision"] == "auto":
        changes.pop("precision", None)  # the record has what auto came to
    options = "".join(f" --set {key}={value}" for key, value in changes.items())
    return f"reszoo train {ref.partition('.')[0]} --data {run['dataset']} --recipe {recipe['name']}{options}"


def host() -> str:
    m = measurements("latency")[0]
    sets = ", ".join(m.host.instruction_sets)
    packages = ", ".join(f"{name} {m.host.versions[name]}" for name in ("torch", "onnx", "onnxruntime"))
    return f"{m.host.cpu}, {m.host.cores} cores, {sets}; {m.host.os}; Python {m.host.python}, {packages}.\n"


TABLES: dict[str, Callable[[], str]] = {
    "speed": speed,
    "accuracy": accuracy,
    "startup": startup,
    "export": export,
    "host": host,
    "bundled": bundled,
}


def measurements(folder: str) -> list[Measurement]:
    """In the order in which they were made."""
    found = [read_json(path, Measurement, "Run scripts/measure.py.") for path in (MEASUREMENTS / folder).glob("*.json")]
    return sorted(found, key=lambda m: m.started_at)


def table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def main() -> int:
    stale = []
    for page in PAGES:
        old = page.read_text()
        new = TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], old)
        if new != old:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(new)
    print(f"{'stale' if '--check' in sys.argv else 'written'}: {', '.join(stale) or 'none'}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
