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
from typing import Any, TypeVar

import msgspec
from markdown import host_line, table
from pruning_tables import PRUNING_TABLES
from runtime_tables import RUNTIME_TABLES

from reszoo.bench.comparison import ratios
from reszoo.bench.table import contestants
from reszoo.core.documents import read_json
from reszoo.core.measured import Comparison, Host, Measurement

ROOT = Path(__file__).resolve().parent.parent
MEASUREMENTS = ROOT / "docs" / "measurements"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
T = TypeVar("T", Measurement, Comparison)
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def speed() -> str:
    """Latency of PyTorch against the other runtimes, per network and batch: measured in turn, with the ratio."""
    rows = []
    for c in sorted(comparisons("speed"), key=lambda c: (c.subjects[0].source_ref, c.subjects[0].scenario.batch)):
        base = c.subjects[0]
        cells = contestants(c)
        rows.append((base.source_ref, base.scenario.batch, base.scenario.runtime, cells[0].median_ms, "1"))
        for subject, cell, ratio in zip(c.subjects[2:], cells[2:], ratios(c)[1:], strict=True):
            low, high = ratio.interval
            times = f"{1 / ratio.value:.2f} ({1 / high:.2f} to {1 / low:.2f})"
            rows.append(("", "", subject.scenario.runtime, cell.median_ms, times))
    return table(("network", "batch", "runtime", "median ms", "times faster (99 % interval)"), rows)


def accuracy() -> str:
    """Published against measured top-1 on the 10,000 test images of CIFAR-10."""
    from reszoo import zoo

    found = {(m.subject.source_ref, m.subject.scenario.runtime): m.accuracy for m in measurements("accuracy")}
    rows = []
    for network in sorted({network for network, _ in found}):
        published = zoo.cards()[network].accuracy
        measured = [found[network, runtime] for runtime in ("torch", "onnxruntime")]
        rows.append((network, f"{published.value:.4f}", *(f"{m.value:.4f}" for m in measured), measured[0].n))
    return table(("checkpoint", "published", "PyTorch", "ONNX Runtime", "n"), rows)


def startup() -> str:
    seconds = json.loads((MEASUREMENTS / "startup" / "seconds.json").read_text())["seconds"]
    base = seconds["python -c pass"]
    rows = []
    for name, samples in seconds.items():
        ratio = median(s / b for s, b in zip(samples, base, strict=True))
        rows.append((f"`{name}`", f"{1e3 * median(samples):.0f}", f"{ratio:.1f}", len(samples)))
    return table(("command", "median ms", "times `python -c pass`", "runs"), rows)


def export() -> str:
    seconds = json.loads((MEASUREMENTS / "export" / "seconds.json").read_text())["seconds"]
    rows = [
        (name, f"{median(samples):.1f}", f"{min(samples):.1f} to {max(samples):.1f}", len(samples))
        for name, samples in seconds.items()
    ]
    return table(("network", "median s", "range", "runs"), rows)


def training() -> str:
    """Images/s of each training loop: the median over the rounds, and of the ratio to the plain loop in each round."""
    speeds: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    busy: dict[tuple[str, str], list[int]] = defaultdict(list)
    for run in sorted(
        json.loads((MEASUREMENTS / "training" / "seconds.json").read_text())["runs"], key=lambda run: run["round"]
    ):
        key = run["device"], run["loop"], run["arithmetic"]
        speeds[key].append(run["batch"] * len(run["seconds"]) / sum(run["seconds"]))
        busy[run["device"], run["loop"]] += run["gpu_percent"]
    plain = {device: by_round for (device, loop, _), by_round in speeds.items() if loop == "plain"}
    rows = []
    for (device, loop, arithmetic), by_round in speeds.items():
        ratios = sorted(ours / base for ours, base in zip(by_round, plain[device], strict=True))
        share = f", {median(percent):.0f} % busy" if (percent := busy[device, loop]) else ""
        rows.append(
            (
                device + share,
                loop,
                arithmetic,
                f"{median(by_round):,.0f} ({min(by_round):,.0f} to {max(by_round):,.0f})",
                f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            )
        )
    return table(("device", "loop", "arithmetic", "images/s", "times the plain loop"), rows)


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
    return host_line(comparisons("speed")[0].host, ("torch", "onnx", "onnxruntime", "openvino"))


def coverage() -> str:
    """How many of the intervals held the truth."""
    rows = []
    for name, found in instrument("coverage")["streams"].items():
        cells = [(f"{100 * c['covered'] / c['trials']:.1f} %", f"{c['n']:,.0f}") for c in found.values()]
        rows.append((name, *cells[0], *cells[1], found["fixed"]["trials"]))
    header = ("stream", "fixed length", "samples", "until known to 1 %", "samples, mean", "trials each")
    return table(header, rows)


def known_costs() -> str:
    """What the harness made of runtimes whose cost is known."""
    figures = instrument("known_costs")
    overhead = [1e9 * seconds for seconds in figures["overhead_s"]]
    rows = [("a runtime that does nothing", "0 ns", f"{median(overhead):.0f} ns ({_range(overhead, '.0f')})", "")]
    for known_s in sorted({wait["known_s"] for wait in figures["waits"]}):
        seen = [1e6 * wait["measured_s"] for wait in figures["waits"] if wait["known_s"] == known_s]
        error = 100 * max(abs(us / 1e6 / known_s - 1) for us in seen)
        rows.append(
            (
                "waiting",
                f"{1e6 * known_s:,.0f} µs",
                f"{median(seen):,.2f} µs ({_range(seen, ',.2f')})",
                f"{error:.2f} %",
            )
        )
    for hold in figures["holds"]:
        known, seen_bytes = hold["known_bytes"], hold["loaded_bytes"]
        error = 100 * abs(seen_bytes / known - 1)
        rows.append(("holding memory", f"{known / 1e6:.0f} MB", f"{seen_bytes / 1e6:.1f} MB", f"{error:.2f} %"))
    times = [run["seconds"] for run in figures["precision"]]
    reached = max(run["reached"] for run in figures["precision"])
    result = f"{median(times):.1f} s ({_range(times, '.1f')}), {100 * reached:.2f} % at worst"
    rows.append(("a small model's median to 1 %", "", result, ""))
    return table(("what", "known", "measured", "largest error"), rows)


def agreement() -> str:
    """The harness against other ways to measure the same thing."""
    figures = instrument("agreement")
    rows = []
    for ours, other, name in (
        ("onnxruntime", "bare_loop", "a bare loop on ONNX Runtime"),
        ("openvino", "benchmark_app", "OpenVINO's benchmark_app"),
    ):
        found = [a / b for a, b in zip(figures[ours], figures[other], strict=True)]
        rows.append((name, f"{median(found):.3f}", _range(found, ".3f"), len(found)))
    return table(("against", "ours / theirs, median", "range", "rounds"), rows)


def alarms() -> str:
    """What `compare` says of the same artifact twice, and of 3 % more work."""
    figures = instrument("comparisons")
    rows = []
    for name, truth in (("same", "the same artifact"), ("different", "34 runs against 33 (+3.03 %)")):
        runs = figures[name]
        said = sum(run["verdict"] != "no difference" for run in runs)
        floor = [100 * (run["high"] - run["low"]) / 2 for run in runs]
        seconds = median([run["seconds"] for run in runs])
        ratio = f"{median([run['ratio'] for run in runs]):.4f}"
        disturbed = sum(bool(run["warnings"]) for run in runs)
        rows.append((truth, f"{said} of {len(runs)}", ratio, f"{median(floor):.2f} %", f"{seconds:.0f}", disturbed))
    header = ("truth", 'said "different"', "ratio, median", "half-width, median", "seconds, median", "with a warning")
    return table(header, rows)


def stopping() -> str:
    """What gates and comparisons without one get wrong, and how many rounds they take."""
    figures = instrument("stopping")
    rows = []
    for name, ways in figures["found"].items():
        noise = figures["noises"][name]
        scatter = f"{100 * noise['sd']:g} %" + (f", Student's t, {noise['tails']} df" if noise["tails"] else "")
        for way, title in (("ignoring", "99 % in each round"), ("harness", "the harness")):
            limit, below, above, alone = ways[way]
            wrong = " / ".join(f"{100 * limit[side] / limit['trials']:.2f} %" for side in ("passed", "failed"))
            right = [100 * e[side] / e["trials"] for e, side in ((below, "passed"), (above, "failed"))]
            rounds = f"{below['rounds']:.1f} / {above['rounds']:.1f}"
            decided = " / ".join(f"{share:.1f} %" for share in right)
            held = f"{100 * alone['covered'] / alone['trials']:.1f} %"
            rows.append((scatter, title, wrong, decided, rounds, held, f"{alone['rounds']:.1f}"))
            scatter = ""
    header = (
        "scatter of a round",
        "intervals",
        "at 1.03: passed / failed",
        "1.00 passed / 1.06 failed",
        "rounds",
        "no gate: held the truth",
        "rounds",
    )
    return table(header, rows)


def int8_host() -> str:
    document = json.loads((MEASUREMENTS / "quantization" / "integers.json").read_text())
    return host_line(msgspec.convert(document["host"], Host), ("onnxruntime", "openvino", "nncf"))


def int8_accuracy() -> str:
    """Points lost by default settings on each runtime, and by NNCF's on OpenVINO, with the paired 95 % interval."""
    found = {(f["network"], f["runtime"], f["way"]): f for f in quantization("accuracy")}
    shown = (("onnxruntime", "mse (default)"), ("openvino", "mse (default)"), ("openvino", "int8-nncf"))
    rows = []
    for network in dict.fromkeys(network for network, *_ in found):
        floats = found[network, *shown[0]]["float"]
        accuracy = f"{100 * floats['correct'] / floats['n']:.2f} %"
        rows.append((f"`{network}`", accuracy, *(_loss(found[network, *way]) for way in shown)))
    means = (_mean([f["drop"] for key, f in found.items() if key[1:] == way]) for way in shown)
    rows.append(("mean", "", *means))
    header = ("network", "float", "int8, ONNX Runtime", "int8, OpenVINO", "int8-nncf, OpenVINO")
    return table(header, rows)


def int8_ways() -> str:
    """Points lost on ONNX Runtime, by each way to quantize."""
    found = {(f["way"], f["network"]): f for f in quantization("accuracy") if f["runtime"] == "onnxruntime"}
    ways, networks = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    rows = []
    for way in sorted(ways, key=lambda way: sum((way, network) in found for network in networks), reverse=True):
        cells = [f"{100 * found[way, n]['drop']:+.2f}" if (way, n) in found else "" for n in networks]
        whole = all(cells)
        rows.append((way, *cells, _mean([found[way, n]["drop"] for n in networks]) if whole else ""))
    return table(("way", *(network.partition(".")[0] for network in networks), "mean"), rows)


def int8_speed() -> str:
    """How many times faster int8 is than float in the same runtime, all measured in turn."""
    from reszoo.bench.comparison import ratio

    rows = []
    for c in sorted(comparisons("quantization/speed"), key=lambda c: (c.subjects[0].source_ref, _batch(c))):
        numbered = reversed(list(enumerate(c.subjects)))  # of the baseline's two processes, the first
        place = {(subject.precision, subject.scenario.runtime): number for number, subject in numbered}
        cells = contestants(c)
        for runtime in ("onnxruntime", "openvino"):
            floats, integers = place["fp32", runtime], place["int8", runtime]
            found = ratio(c, integers, floats)
            low, high = found.interval
            times = f"{1 / found.value:.2f} ({1 / high:.2f} to {1 / low:.2f})"
            medians = cells[floats].median_ms, cells[integers].median_ms
            rows.append((f"`{c.subjects[0].source_ref}`", _batch(c), runtime, *medians, times))
    return table(("network", "batch", "runtime", "fp32 ms", "int8 ms", "times faster (99 % interval)"), rows)


def int8_integers() -> str:
    """ONNX Runtime's integer layers against exact arithmetic."""
    rows = []
    for figures in quantization("integers"):
        check = figures["check"]
        certificate = check["certificate"]
        rows.append(
            (
                f"`{figures['network']}`",
                check["layers"],
                certificate["proven"],
                certificate["reduced"],
                f"{check['elements']:,}",
                f"{check['rounding']:,}",
                sum(layer["wrong"] for layer in check["wrong"]),
            )
        )
    header = ("network", "integer layers", "proven as they were", "channels reduced", "results", "ties", "wrong")
    return table(header, rows)


def _loss(figures: dict[str, Any]) -> str:
    low, high = (100 * end for end in figures["drop_interval"])
    return f"{100 * figures['drop']:+.2f} ({low:+.2f} to {high:+.2f})"


def _mean(drops: Sequence[float]) -> str:
    return f"{100 * sum(drops) / len(drops):+.3f}"


def _batch(comparison: Comparison) -> int:
    return comparison.subjects[0].scenario.batch


TABLES: dict[str, Callable[[], str]] = {
    "speed": speed,
    "accuracy": accuracy,
    "startup": startup,
    "export": export,
    "host": host,
    "bundled": bundled,
    "training": training,
    "coverage": coverage,
    "known_costs": known_costs,
    "agreement": agreement,
    "alarms": alarms,
    "stopping": stopping,
    "int8_host": int8_host,
    "int8_accuracy": int8_accuracy,
    "int8_ways": int8_ways,
    "int8_speed": int8_speed,
    "int8_integers": int8_integers,
    **RUNTIME_TABLES,
    **PRUNING_TABLES,
}


def measurements(folder: str) -> list[Measurement]:
    return _documents(folder, Measurement)


def comparisons(folder: str) -> list[Comparison]:
    return _documents(folder, Comparison)


def quantization(part: str) -> list[dict[str, Any]]:
    document = json.loads((MEASUREMENTS / "quantization" / f"{part}.json").read_text())
    figures: list[dict[str, Any]] = document["figures"]
    return figures


def instrument(check: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((MEASUREMENTS / "instrument" / f"{check}.json").read_text())
    return figures


def _documents(folder: str, kind: type[T]) -> list[T]:
    """In the order in which they were made."""
    found = [read_json(path, kind, "Run scripts/measure.py.") for path in (MEASUREMENTS / folder).glob("*.json")]
    return sorted(found, key=lambda document: document.started_at)


def _range(values: Sequence[float], form: str) -> str:
    return f"{min(values):{form}} to {max(values):{form}}"


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
